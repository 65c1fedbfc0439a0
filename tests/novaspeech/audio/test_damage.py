"""Damage never moves sound without a word, and nothing but one file of sound is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soxr

from novaspeech.audio.recording import Recording
from novaspeech.errors import RecordingError
from tests.novaspeech.audio.sounds import LONG, RATE, heard, lag_ms, noise, run

Make = Callable[..., Path]


def in_place_or_refused(path: Path, expected: np.ndarray) -> str:
    """Reads a damaged file; what could be heard must be where it was, second by second."""
    try:
        found = heard(path)
    except RecordingError as error:
        return str(error)
    expected = soxr.resample(expected, RATE, 16000)
    assert abs(len(found) - len(expected)) < 0.06 * 16000
    for start in range(0, len(expected) - 8000, 8000):
        part = found[start : start + 8000]
        if np.isfinite(part).all() and np.abs(part).mean() > 0.02:
            near = np.correlate(expected[max(0, start - 400) : start + 8400], part[: 8000 - 400], "valid")
            assert abs(int(near.argmax()) - min(start, 400)) < 60, f"moved at {start / 16} ms"
    return ""


@pytest.mark.parametrize(
    "name", ["a.wav", "a.aiff", "a.au", "a.w64", "a.caf", "mp3.avi", "pcm.avi", "a.flac", "a.m4a", "a.mkv"]
)
def test_a_file_that_is_cut_off_says_so(folder: Path, name: str) -> None:
    codecs = {"pcm.avi": ["-c:a", "pcm_s16le"], "mp3.avi": ["-c:a", "libmp3lame"], "a.caf": ["-c:a", "pcm_s16be"]}
    run("-i", folder / "long.wav", *codecs.get(name, []), "-movflags", "+faststart", folder / name)
    heard(folder / name)
    content = (folder / name).read_bytes()
    (folder / f"cut-{name}").write_bytes(content[: 2 * len(content) // 3])
    with pytest.raises(RecordingError, match=f"cut-{name} is (damaged|truncated)"):
        heard(folder / f"cut-{name}")


@pytest.mark.parametrize("damage", ["bit", "page"])
def test_a_page_of_an_ogg_that_is_lost_is_a_gap(folder: Path, damage: str) -> None:
    run("-i", folder / "long.wav", "-c:a", "libvorbis", folder / "a.ogg")
    content = bytearray((folder / "a.ogg").read_bytes())
    middle = len(content) // 2
    if damage == "bit":
        content[middle] ^= 1
    else:
        content[middle : middle + 3000] = bytes(3000)
    (folder / "bit.ogg").write_bytes(content)
    assert in_place_or_refused(folder / "bit.ogg", noise(LONG)) == ""
    assert 100 < np.isnan(heard(folder / "bit.ogg")).sum() / 16 < 4000


@pytest.mark.parametrize(("name", "seed"), [("a.mp3", 1), ("a.m4a", 0), ("a.mkv", 0)])
@pytest.mark.parametrize("damage", ["bits", "zeros", "deleted"])
def test_damage_moves_nothing(folder: Path, name: str, damage: str, seed: int) -> None:
    whole = folder / f"whole-{name}"
    if not whole.exists():
        quality = [] if name == "a.mp3" else ["-c:a", "aac"]
        run("-i", folder / "long.wav", *quality, "-b:a", "96k", "-movflags", "+faststart", whole)
    content, random = bytearray(whole.read_bytes()), np.random.default_rng(seed)
    if damage == "bits":
        for place in random.integers(len(content) // 10, len(content), 30):
            content[place] ^= 1 << int(random.integers(8))
    else:
        place, size = int(random.integers(len(content) // 4, len(content) // 2)), int(random.integers(50, 4000))
        content[place : place + size] = bytes(size) if damage == "zeros" else b""
    path = folder / f"{damage}{seed}-{name}"
    path.write_bytes(content)
    lag = {"a.mkv": 1024, "a.ts": 1024}.get(name, 0)
    in_place_or_refused(path, np.concatenate([np.zeros(lag), noise(LONG)]))


def test_a_file_that_lost_its_end_is_refused_unless_it_states_none(folder: Path) -> None:
    for name, codec in (("e.ogg", "libvorbis"), ("e.mkv", "aac")):
        run("-i", folder / "long.wav", "-c:a", codec, folder / name)
        content = bytearray((folder / name).read_bytes())
        content[-400] ^= 1
        (folder / name).write_bytes(content if name == "e.ogg" else content[: len(content) // 2])
        with pytest.raises(RecordingError, match=f"{name} is damaged or truncated"):
            Recording.open(folder / name)
    run("-i", folder / "long.wav", "-c:a", "aac", "-live", 1, folder / "live.mkv")
    content = (folder / "live.mkv").read_bytes()
    (folder / "live.mkv").write_bytes(content[: len(content) // 2])
    assert Recording.open(folder / "live.mkv").duration_ms == pytest.approx(500 * LONG, abs=1500)


def test_an_mp3_whose_rate_changes_in_the_middle_does_not_grow(folder: Path) -> None:
    for rate, name in ((48000, "one.mp3"), (22050, "two.mp3")):
        run("-t", 2, "-i", folder / "long.wav", "-ar", rate, "-write_xing", 0, "-id3v2_version", 0, folder / name)
    one, two = ((folder / name).read_bytes() for name in ("one.mp3", "two.mp3"))
    (folder / "mixed.mp3").write_bytes(one + two[:400] + one)
    with pytest.raises(RecordingError, match=r"mixed.mp3 is damaged at 2\.\d+ s: what follows may have moved"):
        Recording.open(folder / "mixed.mp3")


def test_lost_packets_leave_a_gap(folder: Path) -> None:
    run("-i", folder / "long.wav", "-c:a", "aac", folder / "gap.mkv")
    run("-i", folder / "gap.mkv", "-c", "copy", "-bsf:a", "noise=drop=between(n\\,200\\,202)", folder / "lost.mkv")
    found = heard(folder / "lost.mkv")
    assert np.isnan(found).sum() / 16 == pytest.approx(64, abs=1)
    later = found[16 * 9000 :]
    assert lag_ms(later, noise(LONG)[9 * RATE :]) == pytest.approx(21.3, abs=0.5)


def test_an_m4a_of_which_nothing_can_be_decoded_is_an_error(folder: Path) -> None:
    run("-i", folder / "base.wav", "-movflags", "+faststart", folder / "n.m4a")
    content = bytearray((folder / "n.m4a").read_bytes())
    begin = content.index(b"mdat") + 4
    for fill in (b"\0", b"\xff"):
        content[begin:] = fill * (len(content) - begin)
        (folder / "nothing.m4a").write_bytes(content)
        with pytest.raises(RecordingError, match="nothing.m4a is damaged or truncated: it states 2.0"):
            heard(folder / "nothing.m4a")


@pytest.mark.parametrize("kept", [0, 0.5])
@pytest.mark.parametrize("ending", ["wav", "aiff", "w64", "ogg", "mp3", "flac", "m4a"])
def test_a_file_that_shrinks_while_it_is_read_is_an_error(folder: Path, ending: str, kept: float) -> None:
    path = folder / f"{kept}shrinks.{ending}"
    run("-i", folder / "base.wav", "-movflags", "+faststart", path)
    recording = Recording.open(path)
    os.truncate(path, int(path.stat().st_size * kept))
    with pytest.raises(RecordingError, match=f"shrinks.{ending}"):
        list(recording.blocks(16000))


PLAYLISTS = {
    "live.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n",
    "url.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "list.wav": "ffconcat version 1.0\nfile 'http://127.0.0.1:9/a.wav'\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_lists_of_other_files_are_refused(folder: Path, name: str) -> None:
    run("-i", folder / "base.wav", "-c:a", "aac", folder / "target.ts")
    (folder / name).write_text(PLAYLISTS[name].format(target=folder / "target.ts"))
    with pytest.raises(RecordingError, match=f"{name} is an .*, which only names other files; give the path of one"):
        Recording.open(folder / name)


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Puts a program that hangs in the place of another."""

    def make(name: str) -> Path:
        (tmp_path / name).write_text("#!/bin/sh\nexec sleep 60\n")
        (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        return tmp_path

    return make


@pytest.mark.parametrize("program", ["ffprobe", "ffmpeg"])
def test_programs_that_hang_are_stopped(
    folder: Path, hanging: Make, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("-i", folder / "base.wav", folder / "hang.m4a")
    hanging(program)
    # Only of the one that hangs: the other needs its time on a busy machine.
    limit = {"ffprobe": "novaspeech.audio.probe.PROBE_SECONDS", "ffmpeg": "novaspeech.audio.ffmpeg.SILENT_SECONDS"}
    monkeypatch.setattr(limit[program], 0.3)
    with pytest.raises(RecordingError, match=f"{program} .*hang.m4a"):
        Recording.open(folder / "hang.m4a")


def test_what_ffmpeg_cannot_read_is_named(folder: Path) -> None:
    wav = (folder / "base.wav").read_bytes()
    files = {
        "a.raw": wav[44:9000],
        "none.wav": wav[:22] + bytes(2) + wav[24:],
        "many.wav": wav[:22] + b"\xff\xff" + wav[24:],
        "header.wav": wav[:12] + b"\xff" * 40 + wav[52:],
        # A song in ProTracker's form, for which libopenmpt takes damaged recordings, too.
        "notes.aiff": bytes(950) + b"\x01\x7f" + bytes(128) + b"M.K." + bytes(1024),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
        with pytest.raises(RecordingError, match=f"{name} is not audio that libsndfile or ffmpeg can read") as caught:
            Recording.open(folder / name)
        assert "libsndfile: " in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_mp3_is_told_by_one_line_alone(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """libsndfile's MP3 reader writes remarks of its own onto the terminal."""
    run("-i", folder / "base.wav", folder / "half.mp3")
    content = (folder / "half.mp3").read_bytes()
    (folder / "half.mp3").write_bytes(content[: len(content) // 2])
    with pytest.raises(RecordingError, match=r"half.mp3"):
        Recording.open(folder / "half.mp3")
    assert capfd.readouterr().err == ""


def test_pipes_and_devices_are_called_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(RecordingError, match=r"a.wav is a pipe \(FIFO\); write the audio to a file"):
        Recording.open(tmp_path / "a.wav")
    with pytest.raises(RecordingError, match="/dev/zero is a device"):
        Recording.open(Path("/dev/zero"))


def test_long_complaints_are_cut(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "b.wav").write_bytes(b"x" * 100)
    monkeypatch.setattr("novaspeech.audio.probe._ask", lambda path: ({}, "no\n" * 2000))
    with pytest.raises(RecordingError, match="no no") as caught:
        Recording.open(folder / "b.wav")
    assert len(str(caught.value)) < 600


def test_words_for_a_missing_file_fit_every_caller() -> None:
    with pytest.raises(RecordingError, match="give the path of an audio file on the machine that runs novaspeech"):
        Recording.open(Path("/no/such.wav"))
