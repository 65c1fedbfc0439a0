"""What a header states twice must agree: else times may be wrong, and nobody would notice."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from novaspeech.audio.recording import Recording
from novaspeech.errors import RecordingError
from tests.novaspeech.audio.sounds import heard

Spoil = Callable[[bytearray], None]
# Kind of file → libsndfile's name, subtype.
KINDS = {
    "wav": ("WAV", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
}


def written(path: Path, subtype: str | None = None, channels: int = 2) -> bytearray:
    """A file of 1 s at 16 kHz of the kind that its name says, and its content."""
    samples = 0.1 * np.random.default_rng(0).standard_normal((16000, channels))
    kind, own = KINDS[path.suffix[1:]]
    soundfile.write(path, samples, 16000, subtype=subtype or own, format=kind)
    return bytearray(path.read_bytes())


def put(mark: bytes, after: int, number: bytes) -> Spoil:
    """Writes a number so many bytes after the begin of a mark."""

    def spoil(content: bytearray) -> None:
        place = content.index(mark) + after
        assert content[place : place + len(number)] != number
        content[place : place + len(number)] = number

    return spoil


LITTLE, BIG = (lambda number: struct.pack("<I", number)), (lambda number: struct.pack(">I", number))
SPOILT: dict[str, tuple[str, Spoil, str]] = {
    "rate.wav": ("wav", put(b"fmt ", 12, LITTLE(15000)), "15000 samples of 4 bytes per second, but 64000 bytes"),
    "channels.wav": ("wav", put(b"fmt ", 10, b"\x01\0"), "1 channels of 16 bits, but 4 bytes for all"),
    "size.wav": (
        "wav",
        put(b"data", 4, LITTLE(40000)),
        "40000 bytes of sound, but 24000 bytes follow that are nothing",
    ),
    "rate.w64": ("w64", put(b"fmt ", 28, LITTLE(15000)), "15000 samples of 4 bytes per second"),
    "bits.w64": ("w64", put(b"fmt ", 38, b"\x18\0"), "2 channels of 24 bits, but 4 bytes"),
    "channels.aiff": ("aiff", put(b"COMM", 8, b"\0\x01"), "16000 samples, but its sound has 32000"),
    "frames.aiff": ("aiff", put(b"COMM", 10, BIG(15000)), "15000 samples, but its sound has 16000"),
    "size.aiff": ("aiff", put(b"SSND", 4, BIG(40008)), "16000 samples, but its sound has 10000"),
    "begin.au": ("au", put(b".snd", 4, BIG(1 << 31 | 24)), "64000 bytes of sound from byte 2147483672 on"),
    "size.au": ("au", put(b".snd", 8, BIG(40000)), "40000 bytes of sound, but 24000 bytes follow"),
    "channels.au": ("au", put(b".snd", 20, BIG(3)), "3 channels of 2 bytes, but 64000 bytes of sound"),
    "flags.caf": ("caf", put(b"lpcm", 4, BIG(64)), "flags 0x40"),
    "frame.caf": ("caf", put(b"lpcm", 8, BIG(5)), "2 channels of 16 bits, but 5 bytes for all"),
    "size.caf": ("caf", put(b"data", 4, struct.pack(">Q", 40004)), "40004 bytes of sound, but 24000 bytes follow"),
    "rate.flac": ("flac", put(b"fLaC", 18, b"\x03\xa9"), "at 14992 Hz, but its frames 16000 samples"),
    "samples.flac": (
        "flac",
        put(b"fLaC", 24, b"\x20"),
        "8320 samples of 2 × 16 bits at 16000 Hz, but its frames 16000",
    ),
    "most.au": ("au", put(b".snd", 16, BIG(251690240)), "it states 251690240 samples per second, and sound has 1000"),
    "least.aiff": ("aiff", put(b"COMM", 16, b"\x40\x04"), "samples per second, and sound has 1000 to 1000000"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_header_that_contradicts_itself_is_refused(tmp_path: Path, name: str) -> None:
    kind, spoil, said = SPOILT[name]
    content = written(tmp_path / f"whole.{kind}")
    assert len(heard(tmp_path / f"whole.{kind}")) == 16000
    spoil(content)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError, match=f"{name} is damaged or truncated: .*{said}") as caught:
        heard(tmp_path / name)
    assert str(caught.value).endswith("; copy it again, or convert it to WAV and check that its times are right")
    assert "\n" not in str(caught.value)


ENCODINGS = [
    ("wav", "PCM_U8"),
    ("wav", "PCM_24"),
    ("wav", "DOUBLE"),
    ("wav", "ULAW"),
    ("w64", "FLOAT"),
    ("aiff", "ALAW"),
]
ENCODINGS += [("aiff", "PCM_24"), ("au", "ULAW"), ("au", "DOUBLE"), ("caf", "ALAW"), ("flac", "PCM_24")]


@pytest.mark.parametrize(("kind", "subtype"), ENCODINGS)
@pytest.mark.parametrize("channels", [1, 6])
def test_headers_of_all_encodings_agree_with_themselves(tmp_path: Path, kind: str, subtype: str, channels: int) -> None:
    written(tmp_path / f"a.{kind}", subtype, channels)
    assert Recording.open(tmp_path / f"a.{kind}").samples == 16000


def test_a_flac_of_many_frames_states_its_length_in_the_last(tmp_path: Path) -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal(4096 * 2100 + 7)
    soundfile.write(tmp_path / "a.flac", samples, 11025)
    assert Recording.open(tmp_path / "a.flac").samples == len(samples)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[25] -= 1
    (tmp_path / "b.flac").write_bytes(content)
    with pytest.raises(RecordingError, match=f"states {len(samples) - 1} samples .* frames {len(samples)} samples"):
        Recording.open(tmp_path / "b.flac")


def test_what_surrounds_the_sound_of_a_wav_may_be_as_it_likes(tmp_path: Path) -> None:
    odd = written(tmp_path / "a.wav", "PCM_U8", 1)
    del odd[-1:]
    odd[40:44] = LITTLE(15999)
    note = b"LIST" + LITTLE(4) + b"INFO"
    contents = {
        "padded": odd + b"\0" + note,
        "not padded": odd + note,
        "tag after its end": odd + b"ID3" + bytes(500),
        "shorter": odd,
    }
    for name, content in contents.items():
        size = len(odd) if name.startswith("tag") else len(content)
        content = content[:4] + LITTLE(size - 8) + content[8:]
        (tmp_path / "b.wav").write_bytes(content)
        assert Recording.open(tmp_path / "b.wav").samples == 15999, name
    for size in (0, 2**32 - 1):
        (tmp_path / "b.wav").write_bytes(odd[:4] + LITTLE(size) + odd[8:])
        assert Recording.open(tmp_path / "b.wav").samples == 15999


def test_what_follows_the_sound_of_a_w64_is_left_out(tmp_path: Path) -> None:
    content = written(tmp_path / "a.w64")
    whole = heard(tmp_path / "a.w64")
    (tmp_path / "a.w64").write_bytes(content + np.random.default_rng(0).bytes(10_000))
    np.testing.assert_array_equal(heard(tmp_path / "a.w64"), whole)


def test_a_name_is_no_header(tmp_path: Path) -> None:
    content = written(tmp_path / "a.au")
    (tmp_path / "a.au").write_bytes(b"x" + content[1:])
    with pytest.raises(RecordingError, match="is not audio .* it has no header, and a name in .au or .snd alone tells"):
        Recording.open(tmp_path / "a.au")
