"""One table of what must hold: format × damage → all right, a gap in its place, or refused with both lengths."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soxr

from novaspeech.audio.recording import Recording
from novaspeech.errors import RecordingError
from tests.novaspeech.audio.sounds import LONG, RATE, by_ffmpeg, heard, lag, lag_ms, noise, run

Spoil = Callable[[bytearray], "bytes | bytearray"]
RIGHT, GAP, REFUSED = "right", "gap", "refused"
# Kind of file → how ffmpeg writes it, and samples at 48 kHz of the encoder's delay that the file does not tell.
KINDS: dict[str, tuple[list[str], int]] = {
    "wav": ([], 0),
    "aiff": ([], 0),
    "w64": ([], 0),
    "caf": (["-c:a", "pcm_s16be"], 0),
    "flac": ([], 0),
    "ogg": (["-c:a", "libvorbis"], 0),
    "opus": ([], 0),
    "mp3": (["-b:a", "96k"], 0),
    "mp2": ([], 481),
    "aac": (["-b:a", "96k"], 1024),
    "m4a": (["-b:a", "96k", "-movflags", "+faststart"], 0),
    "mp4": (["-b:a", "96k", "-movflags", "+faststart"], 0),
    "mkv": (["-c:a", "aac", "-b:a", "96k"], 1024),
    "mka": (["-c:a", "flac"], 0),
    "webm": (["-c:a", "libopus"], 0),
    "wma": (["-c:a", "wmav2"], 2048),
    "mp3.avi": (["-c:a", "libmp3lame"], 1105),
    "pcm.avi": (["-c:a", "pcm_s16le"], 0),
    "ts": (["-c:a", "aac"], 1024),
}


def whole(content: bytearray) -> bytes:
    return content


def cut(content: bytearray) -> bytes:
    return content[: 2 * len(content) // 3]


def last_bytes_lost(content: bytearray) -> bytes:
    return content[:-400]


def middle_zeros(content: bytearray) -> bytes:
    begin = len(content) // 2
    return content[:begin] + bytes(3000) + content[begin + 3000 :]


def middle_lost(content: bytearray) -> bytes:
    begin = len(content) // 2
    return content[:begin] + content[begin + 3000 :]


def a_bit(content: bytearray) -> bytes:
    content[len(content) // 2] ^= 1
    return content


def begin_zeros(content: bytearray) -> bytes:
    return bytes(4096) + content[4096:]


TABLE: dict[Spoil, dict[str, str]] = {
    whole: dict.fromkeys(KINDS, RIGHT),
    cut: {
        **dict.fromkeys(("wav", "aiff", "w64", "caf", "flac", "m4a", "mp4", "mkv", "mka", "webm", "wma"), REFUSED),
        **dict.fromkeys(("mp3", "mp3.avi", "pcm.avi"), REFUSED),
        **dict.fromkeys(("ogg", "opus", "aac", "mp2", "ts"), RIGHT),  # which state no length: read to there
    },
    last_bytes_lost: dict.fromkeys(("ogg", "opus", "aac", "mp2", "ts", "mp3"), RIGHT),
    middle_zeros: {
        **dict.fromkeys(("ogg", "opus", "m4a", "mp4", "mkv", "mka", "webm", "ts"), GAP),
        **dict.fromkeys(("mp3", "aac", "mp2"), REFUSED),
    },
    middle_lost: {
        **dict.fromkeys(("ogg", "opus", "mkv", "webm", "ts"), GAP),
        **dict.fromkeys(("mp3", "aac", "mp2"), REFUSED),
    },
    a_bit: dict.fromkeys(("ogg", "opus"), GAP),
    begin_zeros: dict.fromkeys(("mp3", "aac"), REFUSED),
}
CASES = [(kind, spoil, expected) for spoil, row in TABLE.items() for kind, expected in row.items()]


@pytest.fixture(scope="module")
def kinds(folder: Path) -> Path:
    """Folder with 12 s of noise in each kind of file."""
    words: list[object] = ["-i", folder / "long.wav"]
    for kind, (options, _) in KINDS.items():
        words += [*options, folder / f"whole.{kind}"]
    run(*words)
    return folder


@pytest.mark.parametrize(("kind", "spoil", "expected"), CASES, ids=[f"{k}-{s.__name__}-{e}" for k, s, e in CASES])
def test_what_must_hold(kinds: Path, kind: str, spoil: Spoil, expected: str) -> None:
    path = kinds / f"{spoil.__name__}.{kind}"
    path.write_bytes(spoil(bytearray((kinds / f"whole.{kind}").read_bytes())))
    if expected == REFUSED:
        with pytest.raises(RecordingError, match=f"{path.name} is (damaged|truncated)") as caught:
            heard(path)
        said = str(caught.value)
        assert "\n" not in said
        if spoil is cut:
            assert "12.0" in said or kind == "flac", said  # the length that is stated,
            assert any(f"{seconds}." in said for seconds in (5, 6, 7, 8)) or kind == "flac", said  # and that is there
        return
    found, sound = heard(path), soxr.resample(np.append(np.zeros(KINDS[kind][1]), noise(LONG)), RATE, 16000)
    lost = np.isnan(found[: -16 * 150] if spoil in (cut, last_bytes_lost) else found).sum() / 16  # a packet at the end
    assert 5 < lost < 5000 if expected == GAP else lost == 0  # Matroska's clusters have 5 s
    if spoil not in (cut, last_bytes_lost):
        assert len(found) / 16 == pytest.approx(1000 * LONG, abs=100)
    assert_in_place(found, sound)


def assert_in_place(found: np.ndarray, sound: np.ndarray) -> None:
    """Each half second that could be heard is where it was, within 4 ms."""
    heard_parts = 0
    for start in range(0, min(len(found), len(sound)) - 8000, 8000):
        part = found[start : start + 8000]
        if np.isfinite(part).all() and np.abs(part).mean() > 0.02:
            heard_parts += 1
            near = np.correlate(sound[max(0, start - 400) : start + 8400], part[: 8000 - 400], "valid")
            assert abs(int(near.argmax()) - min(start, 400)) < 60, f"moved at {start / 16} ms"
    assert heard_parts > 5


def test_what_an_encoder_adds_at_the_end_of_an_mp4_is_left_out(kinds: Path) -> None:
    """FFmpeg's own command does so since its version 7; the edit list states the length to the sample."""
    run("-i", kinds / "base.wav", kinds / "edit.m4a")
    found, expected = heard(kinds / "edit.m4a", RATE), by_ffmpeg(kinds / "edit.m4a", RATE)
    assert len(found) == len(noise())
    assert lag(found, expected) == 0


@pytest.mark.parametrize("name", ["pre-skip.opus", "pre-skip.ogg", "delay.mp3", "pre-skip.webm"])
def test_what_an_encoder_adds_is_left_out_to_the_sample_as_ffmpeg_does(kinds: Path, name: str) -> None:
    path, codec = kinds / name, ["-c:a", "libvorbis"] if name.endswith("ogg") else []
    run("-i", kinds / "base.wav", *codec, path)
    found, expected = heard(path, RATE), by_ffmpeg(path, RATE)
    assert len(found) == len(expected)
    assert lag(found, expected) == 0


def test_packets_that_are_lost_are_gaps(kinds: Path) -> None:
    run("-i", kinds / "whole.mkv", "-c", "copy", "-bsf:a", "noise=drop=between(n\\,200\\,202)", kinds / "lost.mkv")
    found = heard(kinds / "lost.mkv")
    assert np.isnan(found).sum() / 16 == pytest.approx(64, abs=1)
    assert lag_ms(found[16 * 9000 :], noise(LONG)[9 * RATE :]) == pytest.approx(21.3, abs=0.5)


@pytest.mark.parametrize(("kind", "mark"), [("m4a", b"mdat"), ("mka", b"\xff\xf8")])
def test_sound_whose_first_packet_is_spoilt_stays_in_its_place(kinds: Path, kind: str, mark: bytes) -> None:
    content, length = bytearray((kinds / f"whole.{kind}").read_bytes()), len(heard(kinds / f"whole.{kind}"))
    begin = content.index(mark) + (400 if kind == "m4a" else 0)  # of an M4A the first packet is the encoder's delay
    content[begin : begin + 60] = b"\xff" * 60
    (kinds / f"first.{kind}").write_bytes(content)
    found = heard(kinds / f"first.{kind}")
    lost = np.isnan(found)
    assert 10 < lost.sum() / 16 < 110
    assert lost[: lost.sum() - 1].all()
    assert len(found) == length
    assert lag_ms(found, noise(LONG)) == pytest.approx(0, abs=0.5)


def test_sound_whose_last_packets_are_spoilt_keeps_its_length(kinds: Path) -> None:
    content = bytearray((kinds / "whole.m4a").read_bytes())
    content[-400:] = bytes(400)
    (kinds / "end.m4a").write_bytes(content)
    found, expected = heard(kinds / "end.m4a"), heard(kinds / "whole.m4a")
    lost = np.isnan(found)
    assert len(found) == pytest.approx(len(expected), abs=342)  # of the last packet not all is sound
    assert 10 < lost.sum() / 16 < 150
    assert lost[-lost.sum() :].all()


@pytest.mark.parametrize("fill", [b"\0", b"\xff"])
def test_a_file_of_which_nothing_can_be_decoded_is_refused(kinds: Path, fill: bytes) -> None:
    content = bytearray((kinds / "whole.m4a").read_bytes())
    begin = content.index(b"mdat") + 4
    content[begin:] = fill * (len(content) - begin)
    (kinds / "nothing.m4a").write_bytes(content)
    with pytest.raises(RecordingError, match="nothing.m4a is damaged or truncated: it states 12.0"):
        heard(kinds / "nothing.m4a")


def test_a_live_recording_states_no_length_and_is_read_to_its_end(kinds: Path) -> None:
    run("-i", kinds / "long.wav", "-c:a", "aac", "-live", 1, kinds / "live.mkv")
    flags = bytearray(cut(bytearray((kinds / "whole.wma").read_bytes())))
    flags[flags.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")) + 24 + 64] |= 1
    (kinds / "live.wma").write_bytes(flags)
    content = (kinds / "live.mkv").read_bytes()
    (kinds / "live.mkv").write_bytes(content[: 2 * len(content) // 3])
    for name in ("live.mkv", "live.wma"):
        assert Recording.open(kinds / name).duration_ms == pytest.approx(1000 * LONG * 2 / 3, abs=500)


def test_a_rate_that_changes_on_the_way_is_followed_or_refused(kinds: Path) -> None:
    """An MP3 of a radio, whose programmes have their own rates: what follows is resampled, or the time is said."""
    for rate, name in ((48000, "one.mp3"), (22050, "two.mp3")):
        run("-t", 2, "-i", kinds / "long.wav", "-ar", rate, "-write_xing", 0, "-id3v2_version", 0, kinds / name)
    one, two = ((kinds / name).read_bytes() for name in ("one.mp3", "two.mp3"))
    (kinds / "mixed.mp3").write_bytes(one + two + one)
    try:
        found = heard(kinds / "mixed.mp3")
    except RecordingError as error:
        assert "mixed.mp3 is damaged or truncated: at 2." in str(error)  # noqa: PT017 - either is right
        return
    assert len(found) / 16 == pytest.approx(6000, abs=200)


@pytest.mark.parametrize(("kind", "codec"), [("ogg", "libvorbis"), ("ts", "mp2")])
def test_files_that_were_joined_are_read_or_refused(kinds: Path, kind: str, codec: str) -> None:
    run("-t", 0.6, "-i", kinds / "base.wav", "-c:a", codec, kinds / f"j.{kind}")
    (kinds / f"j.{kind}").write_bytes(2 * (kinds / f"j.{kind}").read_bytes())
    try:
        found = heard(kinds / f"j.{kind}")
    except RecordingError as error:
        assert "timestamps that go back at 0.6" in str(error)  # noqa: PT017 - either is right
        return
    assert len(found) / 16 == pytest.approx(1200, abs=120)
