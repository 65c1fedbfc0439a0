"""Recordings in many formats, and the ways in which files come to harm."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from benchmarks.hardships_parts.base import ROOT
from novaspeech.arrays import FloatArray

SECONDS = 12.0  # more than two of the blocks that recordings are read in
RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000)
_TO_48K = RATES[:8]
_OPUS = (8000, 16000, 24000, 48000)
_MP2 = (16000, 24000, 32000, 44100, 48000)
_TEST_PICTURE = ("-f", "lavfi", "-i", f"testsrc=s=64x64:r=25:d={SECONDS}")


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        arguments: of ffmpeg.
        rates, channels: that it takes.
        packet: samples in the longest packet.
        exact: whether the samples come back as they were (16 bit).
        states_length: whether the file says how long it is, so that a part of it can be told from the whole.
        picture: whether it is a video.
    """

    arguments: tuple[str, ...]
    rates: tuple[int, ...] = RATES
    channels: int = 6
    packet: int = 1152
    exact: bool = False
    states_length: bool = True
    picture: bool = False


FORMATS = {
    "wav": Format(("-c:a", "pcm_s16le"), exact=True),
    "flac": Format((), exact=True),
    "ogg": Format(("-c:a", "libvorbis"), channels=2, states_length=False),
    "mp3": Format(("-b:a", "96k"), rates=_TO_48K, channels=2),
    "m4a": Format(("-c:a", "aac")),
    "opus": Format(("-b:a", "96k"), rates=_OPUS, states_length=False),
    "webm": Format(("-c:a", "libopus", "-b:a", "96k"), rates=_OPUS),
    "mkv": Format(("-c:a", "aac"), picture=True),
    "mka": Format(("-c:a", "flac"), exact=True),
    "mp4": Format(("-c:a", "aac"), picture=True),
    "mov": Format(("-c:a", "pcm_s16le"), rates=_TO_48K, exact=True, picture=True),
    "avi": Format(("-c:a", "libmp3lame", "-b:a", "96k"), rates=_TO_48K, channels=2, picture=True),
    "ts": Format(("-c:a", "mp2"), rates=_MP2, channels=2, states_length=False, picture=True),
    "wmv": Format(("-c:v", "wmv2", "-c:a", "wmav2"), rates=_TO_48K[2:], channels=2, packet=2048, picture=True),
    "asf": Format(("-c:a", "wmav2"), rates=_TO_48K[2:], channels=2, packet=2048),
    "aiff": Format(("-c:a", "pcm_s16be"), exact=True),
    "au": Format(("-c:a", "pcm_s16be"), exact=True),
    "w64": Format(("-c:a", "pcm_s16le"), exact=True),
    "caf": Format(("-c:a", "pcm_s16be"), exact=True),
}

NAMES = ("plain", "two  blanks ", "Übergröße", "🎤 take 1", "-dash", "a:b", "100%d %s", "x" * 240)


def stated_once(kind: str, content: bytes) -> list[slice]:
    """Where the header of a file of this kind, undamaged, states what nothing else in the file repeats.

    With another valid number there it is, byte for byte, the right file of another recording: no program can tell.
    """
    if kind == "au":
        return [slice(12, 24)]  # encoding, rate, channels
    if kind == "caf":
        return [slice(20, 28), slice(32, 36)]  # rate; order of bytes
    if kind == "aiff":
        common = content.index(b"COMM")
        return [slice(common + 16, common + 26)]  # rate
    return []


def original(folder: Path, rate: int, channels: int) -> Path:
    """The demo's recording as a 16-bit WAV of this rate and so many channels; made once."""
    path = folder / f"original {rate} {channels}.wav"
    if not path.exists():
        source = ROOT / "demo" / "recording.flac"
        _ffmpeg("-t", str(SECONDS), "-i", str(source), "-ar", str(rate), "-ac", str(channels), str(path))
    return path


def encoded(folder: Path, kind: str, rate: int, channels: int) -> Path:
    """The same as a file of this kind; made once."""
    path = folder / f"{rate} {channels}.{kind}"
    if not path.exists():
        shape = FORMATS[kind]
        picture = _TEST_PICTURE if shape.picture else ()
        maps = ("-map", "0:a", "-map", "1:v") if shape.picture else ()
        _ffmpeg("-i", str(original(folder, rate, channels)), *picture, *maps, *shape.arguments, str(path))
    return path


def heard(wav: Path) -> FloatArray:
    """(n,) mono at 16 kHz, not read by novaspeech."""
    samples, rate = soundfile.read(wav, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    return np.asarray(mono if rate == 16000 else soxr.resample(mono, rate, 16000, quality="HQ"), np.float32)


def played(path: Path, wav: Path) -> FloatArray:
    """(n,) mono at 16 kHz, as ffmpeg alone plays a file by its times: with what its encoder put before the sound."""
    in_time = ("-af", "aresample=async=1:first_pts=0")
    _ffmpeg("-y", "-i", f"file:{path}", "-map", "0:a:0", *in_time, "-c:a", "pcm_f32le", str(wav))
    return heard(wav)


def _ffmpeg(*words: str) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *words], check=True)


def _flip_bit(content: bytearray, chance: random.Random) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _flip_run(content: bytearray, chance: random.Random) -> None:
    length = min(chance.choice((16, 64, 512)), len(content) // 4)
    start = chance.randrange(len(content) - length)
    content[start : start + length] = chance.randbytes(length)


def _truncate(content: bytearray, chance: random.Random) -> None:
    del content[int(len(content) * chance.uniform(0.03, 0.98)) :]


def _zero_page(content: bytearray, chance: random.Random) -> None:
    start = chance.randrange(max(1, len(content) // 4096)) * 4096
    end = min(start + 4096, len(content))
    content[start:end] = bytes(end - start)


def _change_header(content: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 4)):
        content[chance.randrange(min(96, len(content)))] = chance.randrange(256)


def _grow(content: bytearray, chance: random.Random) -> None:
    content += chance.randbytes(chance.choice((1, 1000, 100_000)))


def _empty(content: bytearray, chance: random.Random) -> None:
    content.clear()


DAMAGES: dict[str, Callable[[bytearray, random.Random], None]] = {
    "none": lambda content, chance: None,
    "flipped bit": _flip_bit,
    "flipped run": _flip_run,
    "truncated": _truncate,
    "zeroed page": _zero_page,
    "header": _change_header,
    "grown": _grow,
    "emptied": _empty,
}
