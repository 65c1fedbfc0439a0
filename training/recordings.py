"""Recordings of words whose times are known, which the small checkpoint is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novaspeech.arrays import FloatArray
from training.speech import PITCHES, RATE, SPEEDS, WORDS, Spoken, concatenate, speak, with_noise

UNKNOWN = (  # words that the small checkpoint never heard, and the classifier neither; some are like keywords
    "monkey", "honey", "digestion", "quickly", "festival", "heaven", "eleven", "waiter", "daughters", "telescope",
    "microphone", "powerful", "understood", "hostile", "anchor", "suggestion", "elephant", "battery", "carpet",
    "velvet", "bicycle", "umbrella", "potato", "galaxy", "lantern", "harvest", "butterfly", "cathedral", "diamond",
)  # fmt: skip


@dataclass(frozen=True)
class Material:
    """A recording of words.

    Attributes:
        name: whose voices.
        signal: (N,) at `RATE`.
        spoken: its words.
    """

    name: str
    signal: FloatArray
    spoken: list[Spoken]

    @property
    def seconds(self) -> float:
        return len(self.signal) / RATE


def make_material(name: str, voices: Sequence[str], minutes: float, seed: int, unknown: float = 0.0) -> Material:
    """Sentences of five to twelve words, each by one voice, with gaps of 50 ms and more, and faint noise.

    Args:
        unknown: share of words that are of `UNKNOWN`.
    """
    generator = np.random.default_rng(seed)
    takes: dict[tuple[str, str, int, int], FloatArray] = {}
    words: list[str] = []
    sounds: list[FloatArray] = []
    gaps: list[float] = []
    seconds = 0.0
    while seconds < 60 * minutes:
        voice, speed, pitch = (generator.choice(choices) for choices in (voices, SPEEDS, PITCHES))
        for place in range(generator.integers(5, 13)):
            choices = UNKNOWN if generator.random() < unknown else WORDS
            key = (str(generator.choice(choices)), str(voice), int(speed), int(pitch))
            if key not in takes:
                takes[key] = speak(*key)
            words.append(key[0])
            sounds.append(takes[key])
            gaps.append(0.05 + min(1.0, float(generator.exponential(0.5 if not place else 0.1))))
            seconds += gaps[-1] + len(sounds[-1]) / RATE
    signal, spoken = concatenate(words, sounds, [*gaps, 0.5])
    return Material(name, with_noise(signal, 30, generator), spoken)
