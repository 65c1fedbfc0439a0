"""Recordings in many formats, and the ways in which files come to harm."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.base import ROOT

SECONDS = 12
PICTURE = ("-f", "lavfi", "-i", f"testsrc=s=64x64:r=25:d={SECONDS}", "-map", "0:a", "-map", "1:v")
NAMES = ("plain", "two  blanks ", "Übergröße", "🎤 take 1", "-dash", "a:b", "100%d %s", "x" * 240)


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        arguments: of ffmpeg.
        rates: in Hz, that it takes.
        states_length: whether the file says how long it is, so that a part of it can be told from the whole.
    """

    arguments: tuple[str, ...] = ()
    rates: tuple[int, ...] = (16000, 44100, 48000)
    states_length: bool = True


FORMATS = {
    "wav": Format(("-c:a", "pcm_s16le"), (8000, 16000, 44100, 96000)),
    "flac": Format((), (8000, 16000, 44100, 96000)),
    "aiff": Format(),
    "ogg": Format(("-c:a", "libvorbis"), states_length=False),
    "opus": Format(("-b:a", "96k"), (16000, 48000), states_length=False),
    "mp3": Format(("-b:a", "96k")),
    "m4a": Format(("-c:a", "aac")),
    "mp4": Format((*PICTURE, "-c:a", "aac")),
    "mov": Format((*PICTURE, "-c:a", "pcm_s16le")),
    "mkv": Format((*PICTURE, "-c:a", "aac")),
    "webm": Format(("-c:a", "libopus"), (16000, 48000)),
    "ts": Format((*PICTURE, "-c:a", "mp2"), states_length=False),
    "wmv": Format((*PICTURE, "-c:v", "wmv2", "-c:a", "wmav2"), (44100, 48000)),
    "avi": Format((*PICTURE, "-c:a", "libmp3lame")),
}


def encoded(folder: Path, kind: str, rate: int, channels: int) -> Path:
    """The demo's recording as a file of this kind; made once."""
    path = folder / f"{rate} {channels}.{kind}"
    if not path.exists():
        source = ["-t", str(SECONDS), "-i", str(ROOT / "demo" / "recording.flac")]
        shape = ["-ar", str(rate), "-ac", str(channels), "-t", str(SECONDS)]
        command = ["ffmpeg", "-nostdin", "-v", "error", *source, *FORMATS[kind].arguments, *shape, str(path)]
        subprocess.run(command, check=True)
    return path


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
    "grown": _grow,
    "emptied": _empty,
}
