"""The speech to learn from: what `training.voices` and `training.people` left in a folder, in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
import soxr

from novaspeech.arrays import FloatArray
from training.augment import FASTEST, SLOWEST, at_speed, degraded
from training.letters import HOP
from training.speech import RATE

Word = tuple[str, float, float, list[float]]
_FADE = RATE // 200  # samples
_HELD_OUT_EVERY = 25  # of the people


@dataclass(frozen=True)
class Speech:
    """An utterance.

    Attributes:
        samples: (N,) int16 at `RATE`.
        speaker: whose it is.
        words: with their first and last second and the ends of their phonemes; empty where only the text is known.
        text: what is said.
        exact: whether the words' times are those of what made the speech; else something has guessed them.
        taught: what `training.listener` makes of each 20 ms (frames, 512), if it was asked.
    """

    samples: np.ndarray
    speaker: str
    words: list[Word]
    text: str
    exact: bool = False
    taught: np.ndarray | None = None

    @property
    def signal(self) -> FloatArray:
        return np.asarray(self.samples / 32768, np.float32)

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE


def voices(folder: Path, kind: str = "kokoro") -> list[Speech]:
    """What `training.voices` made; `kind` "test" is that of the voices that are held out."""
    found = []
    for table in sorted(folder.glob(f"{kind}-*.json")):
        samples, _ = soundfile.read(table.with_suffix(".flac"), dtype="int16")
        for line in table.read_text().splitlines():
            row = json.loads(line)
            words = [(word.lower(), start, end, ends) for word, start, end, ends in row["words"]]
            mine = samples[row["start"] : row["end"]]
            found.append(Speech(mine, row["speaker"], words, " ".join(word for word, *_ in words), exact=True))
    return found


def phrase_of(speech: Speech, generator: np.random.Generator) -> Speech:
    """One to four words in a row, cut out between words; of speech whose words' times are exact."""
    first = int(generator.integers(len(speech.words)))
    words = speech.words[first : first + int(generator.integers(1, 5))]
    # Half of the pause on either side is theirs.
    edges = [0.0, *((one[2] + other[1]) / 2 for one, other in pairwise(speech.words)), speech.seconds]
    start, end = (round(edges[place] * RATE) for place in (first, first + len(words)))
    samples = speech.samples[start:end].copy()
    fade = np.linspace(0, 1, min(_FADE, len(samples)))  # a click would tell where words begin
    samples[: len(fade)] = samples[: len(fade)] * fade
    samples[len(samples) - len(fade) :] = samples[len(samples) - len(fade) :] * fade[::-1]
    begin = start / RATE
    words = [(word, one - begin, other - begin, [time - begin for time in ends]) for word, one, other, ends in words]
    taught = None if speech.taught is None else speech.taught[round(start / HOP) : round(end / HOP)]
    return Speech(samples, speech.speaker, words, " ".join(word for word, *_ in words), speech.exact, taught)


def recordings_in(folder: Path) -> list[tuple[str, Path]]:
    """Speakers and files of recordings that are named SPEAKER-*.flac."""
    return [(file.stem.split("-")[0], file) for file in sorted(folder.rglob("*.flac"))]


def samples_of(file: str | Path) -> np.ndarray:
    """A recording of one channel, (N,) int16 at `RATE`."""
    samples, rate = soundfile.read(file, dtype="int16")
    return np.asarray(samples if rate == RATE else soxr.resample(samples, rate, RATE))


def people(table: Path) -> list[Speech]:
    """What `training.people` wrote down; only of whom there is a text."""
    return [
        Speech(samples_of(row["file"]), row["speaker"], [], row["text"])
        for row in map(json.loads, table.read_text().splitlines())
        if row["text"]
    ]


def held_out_people(table: Path) -> set[str]:
    """Speakers who are never trained on: of all, also those without a text, which not every machine finds the same."""
    speakers = sorted({json.loads(line)["speaker"] for line in table.read_text().splitlines()})
    return set(speakers[::_HELD_OUT_EVERY])


def piece_of(recordings: Sequence[np.ndarray], length: int, speed: float, generator: np.random.Generator) -> FloatArray:
    """(length,) of recordings (N,) int16 at another speed, from one place on; short ones follow each other."""
    wanted = round(length * speed) + 2
    found: list[np.ndarray] = []
    while sum(map(len, found)) < wanted:
        samples = recordings[int(generator.integers(len(recordings)))]
        start = int(generator.integers(max(1, len(samples) - wanted)))
        found.append(samples[start : start + wanted])
    signal = np.asarray(np.concatenate(found)[:wanted] / 32768, np.float32)
    return at_speed(signal, speed)[:length]


def draw_pieces(
    recordings: Sequence[np.ndarray], count: int, length: int, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """So many pieces of recordings (N,) int16, slower or faster, and how they are heard: both (count, length).

    Every other one, by chance, is heard as some microphone, room or line may give it.
    """
    speeds = generator.uniform(SLOWEST, FASTEST, count)
    clean = np.stack([piece_of(recordings, length, speed, generator) for speed in speeds])
    heard = [degraded(one, list(clean), generator) if generator.random() < 0.5 else one for one in clean]
    return clean, np.stack(heard).astype(np.float32)
