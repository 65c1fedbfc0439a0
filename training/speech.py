"""Speech by espeak-ng of which every word's time is known: what the small checkpoint is trained and measured on."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from novaspeech.arrays import FloatArray

RATE = 16000  # Hz, of all that is made here
_ESPEAK_RATE = 22050

_WORDS = """
    about after again already always another answer anxious because before believe between brother building
    camera chicken children coffee computer country daughter different dinner doctor evening every family father
    finger forest forget friend garden happy hospital hundred husband important interview kitchen language later
    letter little machine maybe money morning mother mountain music nervous never number orange paper people
    perhaps picture problem question really remember river school second seven silver simple sister sometimes
    stranger student summer sunday table teacher telephone thank think thousand together tomorrow travel trouble
    under understand water weather wednesday window winter without woman wonderful yellow yesterday yes no you my
    we the is it and
"""
WORDS = tuple(_WORDS.split())
VOICES = (
    "en-us", "en-us+f1", "en-us+f2", "en-us+m1", "en-us+m3", "en-us+m6", "en-us+Alicia", "en-us+Andy", "en-gb",
    "en-gb+f3", "en-gb+f4", "en-gb+m2", "en-gb+m5", "en-gb+Annie", "en-gb-x-rp+m4", "en-gb-x-rp+f2", "en-gb-x-rp+m8",
    "en-us+steph",
)  # fmt: skip
HELD_OUT_VOICES = ("en-us+m7", "en-gb+f5")  # these timbres are in no voice above
TRAINING_SPEEDS, SPEEDS = (120, 140, 160, 180, 200), (130, 150, 170, 190)  # words a minute
TRAINING_PITCHES, PITCHES = (25, 40, 55, 70), (32, 47, 62)  # from 0 to 99


@dataclass(frozen=True)
class Spoken:
    """A word in a recording: samples [start, end) at `RATE`."""

    word: str
    start: int
    end: int


def speak(text: str, voice: str, speed: int, pitch: int) -> FloatArray:
    """A text as espeak-ng says it, (N,) at `RATE`, without the silence around it.

    Args:
        text: in English.
        voice: a language of espeak-ng's, with a variant after "+".
        speed: in words a minute.
        pitch: 0 to 99, 50 is the voice's own.

    Raises:
        FileNotFoundError: espeak-ng is not installed.
        subprocess.CalledProcessError: it does not know the voice.
    """
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    wav = subprocess.run(command, check=True, capture_output=True).stdout
    sound = np.frombuffer(wav[44:], "<i2").astype(np.float32) / 32768
    loud = np.flatnonzero(np.abs(sound) > 0.01 * np.abs(sound).max())
    return np.asarray(soxr.resample(sound[loud[0] : loud[-1] + 1], _ESPEAK_RATE, RATE), np.float32)


def concatenate(
    words: Sequence[str], sounds: Sequence[FloatArray], gaps: Sequence[float]
) -> tuple[FloatArray, list[Spoken]]:
    """Words one after the other, and where each lies.

    Args:
        words: what is said.
        sounds: how each sounds, (N,) at `RATE`.
        gaps: seconds of silence before each word and after the last: one more than words.
    """
    pieces, spoken, position = [], [], 0
    for word, sound, gap in zip(words, sounds, gaps, strict=False):
        pieces += [np.zeros(round(gap * RATE), np.float32), sound]
        start = position + len(pieces[-2])
        position = start + len(sound)
        spoken.append(Spoken(word, start, position))
    pieces.append(np.zeros(round(gaps[len(words)] * RATE), np.float32))
    return np.concatenate(pieces), spoken


def with_noise(signal: FloatArray, snr_db: float, generator: np.random.Generator) -> FloatArray:
    """The signal with white noise so many decibels below it."""
    level = np.sqrt(np.mean(np.square(signal)) * 10 ** (-snr_db / 10))
    return signal + generator.normal(0, level, len(signal)).astype(np.float32)
