"""Speech of people, read from the folder that holds it."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from praatio import textgrid

from novaspeech.arrays import FloatArray
from training.corpus import recordings_in, voices

RATE = 16000  # Hz, of all that is returned here


@dataclass(frozen=True)
class Utterance:
    """What somebody says.

    Attributes:
        signal: (N,) at `RATE`.
        speaker: who it is.
        label: what it is an example of.
    """

    signal: FloatArray
    speaker: str
    label: str


@dataclass(frozen=True)
class Talk:
    """A recording of which each word's first and last second is known."""

    name: str
    signal: FloatArray
    words: list[tuple[str, float, float]]

    @property
    def seconds(self) -> float:
        return len(self.signal) / RATE


def read(file: Path) -> FloatArray:
    """Samples (N,) at `RATE`."""
    samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate, RATE), np.float32)


def asterisk(folder: Path) -> Talk:
    """Prompts by Allison Smith; times by forced alignment."""
    place = folder / "asterisk-allison"
    with (place / "allison_words.csv").open() as table:
        words = [(row["word"], float(row["start"]), float(row["end"])) for row in csv.DictReader(table)]
    return Talk("asterisk-allison", read(place / "allison.flac"), words)


def mfa(folder: Path) -> list[Talk]:
    """Montreal Forced Aligner's recordings; times by people."""
    found = []
    for file in sorted((folder / "mfa").glob("*.TextGrid")):
        grid = textgrid.openTextgrid(str(file), includeEmptyIntervals=False)
        entries = grid.getTier(grid.tierNames[0]).entries
        words = [(entry.label.strip().lower(), entry.start, entry.end) for entry in entries]
        spoken = [word for word in words if re.fullmatch("[a-z']+", word[0])]
        found.append(Talk(file.stem, read(file.with_suffix(".flac")), spoken))
    return found


def synthetic(folder: Path) -> Talk:
    """What `training.voices --test` left in a folder: voices that are never trained on, half a second apart."""
    pieces, words, position = list[FloatArray](), list[tuple[str, float, float]](), 0.0
    for one in voices(folder, "test"):
        words += [(word, position + start, position + end) for word, start, end, _ in one.words]
        pieces += [one.signal, np.zeros(RATE // 2, np.float32)]
        position += one.seconds + 0.5
    return Talk("held-out voices", np.concatenate(pieces), words)


def digits(folder: Path) -> list[Utterance]:
    """The Free Spoken Digit Dataset."""
    files = sorted((folder / "fsdd").glob("*.wav"))
    names = [file.stem.split("_") for file in files]
    return [Utterance(read(file), name[1], name[0]) for file, name in zip(files, names, strict=True)]


def emotions(folder: Path) -> list[Utterance]:
    """EmoDB: the label is its letter of the emotion."""
    files = sorted((folder / "emodb").glob("*.flac"))
    return [Utterance(read(file), file.stem[:2], file.stem[5]) for file in files]


def trials(folder: Path) -> tuple[list[tuple[bool, str, str]], dict[str, FloatArray]]:
    """Pairs of recordings with whether they are of one speaker, and the recordings; of those that are there."""
    root = folder / "librispeech" / "wav"
    rows = [line.split() for line in (root.parent / "trials.txt").read_text().splitlines()]
    kept = [(same == "1", one, two) for same, one, two in rows if (root / one).exists() and (root / two).exists()]
    names = sorted({name for _, *pair in kept for name in pair})
    return kept, {name: read(root / name) for name in names}


def training_speakers(folder: Path) -> list[Utterance]:
    """A recording each of 251 speakers, none of whom is tested on."""
    recordings = recordings_in(folder / "librispeech_train-clean-100")
    return [Utterance(read(file), speaker, "") for speaker, file in recordings]


def texts(folder: Path) -> list[str]:
    """All that is said in recordings that are tested on."""
    prompts = json.loads((folder / "asterisk-allison" / "all_prompts_words.json").read_text())
    heard = json.loads((folder / "librispeech" / "libri_whisper.json").read_text())
    said = [" ".join(word for word, *_ in words) for words in prompts.values()]
    talks = [" ".join(word for word, *_ in talk.words) for talk in mfa(folder)]
    return [*said, *heard.values(), *talks]
