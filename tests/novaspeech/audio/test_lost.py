"""Packets that a file states or needs and that are lost, of which ffmpeg says nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from novaspeech.audio.recording import Recording
from novaspeech.errors import RecordingError
from tests.novaspeech.audio.sounds import LONG, heard, lag_ms, noise, run


@pytest.mark.parametrize("spoilt", ["tags", "size", "tag", "channels", "rate", "next"])
def test_an_mp3_whose_padding_cannot_be_read_is_refused(folder: Path, spoilt: str) -> None:
    run("-i", folder / "base.wav", "-ar", 16000, folder / "a.mp3")
    content = bytearray((folder / "a.mp3").read_bytes())
    frame = content.index(b"\xff\xf3")
    places = {"tags": 0, "size": 8, "tag": content.index(b"Info"), "channels": frame + 3, "rate": frame + 2}
    places["next"] = content.index(b"\xff\xf3", frame + 2)
    content[places[spoilt]] ^= {"channels": 0xC0, "rate": 4}.get(spoilt, 16)
    (folder / "spoilt.mp3").write_bytes(content)
    with pytest.raises(RecordingError, match=r"spoilt.mp3 is damaged or truncated: its first frame states how much"):
        Recording.open(folder / "spoilt.mp3")


@pytest.mark.parametrize(
    ("name", "codec", "said"),
    [
        ("s.mp3", "libmp3lame", r"the 4\d\d\d bytes before its first frame are nothing"),
        ("s.aac", "aac", "after 0 frames something follows that is none"),
        ("s.ts", "mp2", "it does not begin with a packet"),
    ],
)
def test_files_whose_begin_is_lost_are_refused(folder: Path, name: str, codec: str, said: str) -> None:
    run("-i", folder / "base.wav", "-c:a", codec, folder / name)
    content = bytearray((folder / name).read_bytes())
    content[:4096] = bytes(4096)
    (folder / name).write_bytes(content)
    with pytest.raises(RecordingError, match=f"{name} is damaged .*{said}.*, and nothing in the file tells how much"):
        Recording.open(folder / name)


def test_a_frame_that_a_bare_aac_lost_moves_what_follows(folder: Path) -> None:
    run("-i", folder / "base.wav", "-c:a", "aac", folder / "l.aac")
    content = bytearray((folder / "l.aac").read_bytes())
    (folder / "l.aac").write_bytes(content + b"TAG" + bytes(125))
    assert Recording.open(folder / "l.aac").duration_ms == pytest.approx(2000, abs=50)
    content[content.index(content[:3], len(content) // 2)] = 0
    (folder / "l.aac").write_bytes(content)
    with pytest.raises(RecordingError, match=r"l.aac is damaged .* after \d\d frames something follows that is none"):
        Recording.open(folder / "l.aac")


@pytest.mark.parametrize("spoilt", ["checksum", "page"])
def test_an_ogg_without_its_first_page_is_refused(folder: Path, spoilt: str) -> None:
    run("-i", folder / "long.wav", "-c:a", "libvorbis", folder / "f.ogg")
    content = bytearray((folder / "f.ogg").read_bytes())
    second = content.index(b"OggS", content.index(b"OggS", 60) + 1)
    content[second - 700 : second] = bytes(700) if spoilt == "checksum" else b""
    (folder / "f.ogg").write_bytes(content)
    with pytest.raises(RecordingError, match="f.ogg is damaged or truncated: the first page of its sound cannot"):
        Recording.open(folder / "f.ogg")


CHUNKS = {
    "name": (b"00wq", r"it states \d+ chunks of sound, but only"),
    "zeros": (bytes(64), "at byte"),
    "cut": (b"", "at byte"),
}


@pytest.mark.parametrize("spoilt", CHUNKS)
@pytest.mark.parametrize("codec", ["libmp3lame", "pcm_s16le"])
def test_an_avi_that_lost_a_chunk_is_refused(folder: Path, codec: str, spoilt: str) -> None:
    written, said = CHUNKS[spoilt]
    run("-i", folder / "base.wav", "-c:a", codec, folder / "c.avi")
    content = bytearray((folder / "c.avi").read_bytes())
    chunk = content.index(b"00wb", len(content) // 2)
    content[chunk : chunk + (len(written) or 300)] = written
    (folder / "c.avi").write_bytes(content)
    with pytest.raises(RecordingError, match=f"c.avi is damaged or truncated: {said} "):
        Recording.open(folder / "c.avi")


def test_an_asf_states_its_packets_unless_a_live_recorder_wrote_it(folder: Path) -> None:
    run("-i", folder / "long.wav", "-c:a", "wmav2", folder / "p.wma")
    # 2048 samples are the encoder's own delay, which the container does not tell.
    assert lag_ms(heard(folder / "p.wma"), noise(LONG)) == pytest.approx(43, abs=1)
    content = bytearray((folder / "p.wma").read_bytes())
    cut = content[: 2 * len(content) // 3]
    (folder / "p.wma").write_bytes(cut)
    with pytest.raises(RecordingError, match=r"p.wma is damaged or truncated: it states \d+ packets, but only \d+ of"):
        Recording.open(folder / "p.wma")
    flags = cut.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")) + 24 + 64
    cut[flags] |= 1
    (folder / "p.wma").write_bytes(cut)
    assert Recording.open(folder / "p.wma").duration_ms == pytest.approx(1000 * LONG * 2 / 3, abs=200)


@pytest.mark.parametrize(("name", "codec"), [("f.m4a", "aac"), ("f.mka", "flac")])
def test_sound_whose_first_packet_is_spoilt_stays_in_its_place(folder: Path, name: str, codec: str) -> None:
    run("-i", folder / "base.wav", "-c:a", codec, folder / name)
    whole, content = heard(folder / name), bytearray((folder / name).read_bytes())
    begin = content.index(b"mdat") + 4 if codec == "aac" else content.index(b"\xff\xf8")
    content[begin : begin + 60] = b"\xff" * 60
    (folder / name).write_bytes(content)
    found = heard(folder / name)
    lost = np.isnan(found)
    assert 10 < lost.sum() / 16 < 110
    assert lost[: lost.sum() - 1].all()
    assert len(found) == len(whole)
    assert lag_ms(found, noise()) == pytest.approx(0, abs=0.5)


def test_sound_whose_last_packets_are_spoilt_keeps_its_length(folder: Path) -> None:
    run("-i", folder / "base.wav", "-movflags", "+faststart", folder / "e.m4a")
    content = bytearray((folder / "e.m4a").read_bytes())
    content[-400:] = bytes(400)
    (folder / "e.m4a").write_bytes(content)
    recording = Recording.open(folder / "e.m4a")
    found = np.concatenate(list(recording.blocks(recording.rate)))
    lost = np.isnan(found)
    assert len(found) == recording.samples == 96000
    assert 480 < lost.sum() < 7200
    assert lost[-lost.sum() :].all()


def test_short_recordings_that_were_joined_are_refused(folder: Path) -> None:
    run("-t", 0.6, "-i", folder / "base.wav", "-c:a", "libvorbis", folder / "j.ogg")
    run("-t", 0.6, "-i", folder / "base.wav", "-c:a", "mp2", folder / "j.ts")
    for name in ("j.ogg", "j.ts"):
        (folder / name).write_bytes(2 * (folder / name).read_bytes())
        with pytest.raises(
            RecordingError, match=f"{name} has timestamps that go back at 0.6.* had been joined; give each"
        ):
            Recording.open(folder / name)
