"""Keywords and word times in recordings of people, and in those of a synthesiser's voices."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.people_parts.encoders import load, run_reference
from benchmarks.people_parts.material import RATE, Talk
from benchmarks.record import Cell
from novaspeech.api import Model

KEYWORDS = (
    "conference", "please", "pound", "enter", "message", "number", "record", "leader", "password", "again",
    "currently", "press",
)  # fmt: skip
LOWEST = 0.01  # score of a hit that is looked at
ALLOWED = 1.0  # false alarms per keyword and ten minutes


@dataclass(frozen=True)
class Hit:
    """A keyword that was found: seconds, and how sure."""

    word: str
    start: float
    end: float
    score: float


def report(talk: Talk, keywords: Sequence[str], models: Mapping[str, str], packages: str | None) -> list[list[Cell]]:
    """A table, heads first: recall at the usual threshold, and at one false alarm per keyword and ten minutes."""
    options = {"keywords": ", ".join(keywords), "threshold": str(LOWEST)}
    found = {name: by_words(load("wav2vec2_kws", place, options), talk) for name, place in models.items()}
    if packages:
        found["pocketsphinx"] = by_pocketsphinx(packages, talk, keywords)
    heads = ["model", "said", "recall at 0.5", "false alarms", "recall at 1 false alarm"]
    rows = [[name, *judge(hits, talk, keywords)] for name, hits in found.items()]
    return [[*heads, "error of starts, ends: median, ms"], *rows]


def frequent(talk: Talk, count: int = 12, letters: int = 5) -> list[str]:
    """The words of so many letters or more that are said most often."""
    said = Counter(word for word, *_ in sorted(talk.words) if len(word) >= letters)
    return [word for word, _ in said.most_common(count)]


def by_words(model: Model, talk: Talk) -> list[Hit]:
    """Hits of `method=words`."""
    segments = model((talk.signal, RATE), ["keywords"])["keywords"]
    return [Hit(one.name, one.start_ms / 1000, one.end_ms / 1000, one.confidence) for one in segments]


def by_pocketsphinx(packages: str, talk: Talk, keywords: Sequence[str]) -> list[Hit]:
    """Hits of pocketsphinx's keyword search; the strictest threshold that finds one orders them."""
    found = run_reference("pocketsphinx", packages, [talk.signal], *keywords)
    return [
        Hit(keywords[int(word)], start, end, 1 + np.log10(threshold) / 51) for _, word, start, end, threshold in found
    ]


def judge(hits: Sequence[Hit], talk: Talk, keywords: Sequence[str]) -> list[Cell]:
    """Cells of a row; a hit counts if its middle lies in the word, each word once."""
    truth = [word for word in talk.words if word[0] in keywords]
    trials = len(keywords) * talk.seconds / 600
    taken: set[int] = set()
    right, errors, scores = [], [], []
    for hit in sorted(hits, key=lambda hit: -hit.score):
        middle = (hit.start + hit.end) / 2
        match = [
            index for index, (word, start, end) in enumerate(truth)
            if word == hit.word and start <= middle < end and index not in taken
        ]  # fmt: skip
        taken.update(match[:1])
        right.append(bool(match))
        scores.append(hit.score)
        if match:
            _, start, end = truth[match[0]]
            errors.append((abs(hit.start - start), abs(hit.end - end)))
    recall, alarms = np.cumsum(right) / len(truth), np.cumsum(np.logical_not(right)) / trials
    inside = np.flatnonzero(alarms <= ALLOWED)
    own = np.array(scores) >= 0.5
    at_own = int(own.sum()) - 1
    usual = [round(float(share[at_own]), 2) if at_own >= 0 else 0.0 for share in (recall, alarms)]
    best = f"{recall[inside[-1]]:.2f} at {scores[inside[-1]]:.2f}" if len(inside) else "0"
    times = f"{1000 * np.median(errors, axis=0)[0]:.0f}, {1000 * np.median(errors, axis=0)[1]:.0f}" if errors else "–"
    return [len(truth), *usual, best, times]


def times(groups: Mapping[str, Sequence[Talk]], models: Mapping[str, str]) -> list[list[Cell]]:
    """A table, heads first: errors of the starts and ends of words, aligned with what is said, and recognised.

    Args:
        groups: name → recordings that make a row together.
        models: name → place.
    """
    heads = ["model", "recording", "words", "aligned: starts, ends, median ms", "starts within 100 ms", "recognised"]
    rows: list[list[Cell]] = [[*heads, "starts, ends, median ms"]]
    recordings = {talk.name: talk for talks in groups.values() for talk in talks}  # each may be in several rows
    for model_name, place in models.items():
        model = load("wav2vec2_kws", place)
        found = {name: (_aligned(model, talk), _recognised(model, talk)) for name, talk in recordings.items()}
        for group, talks in groups.items():
            count = sum(len(talk.words) for talk in talks)
            aligned, heard = ([error for talk in talks for error in found[talk.name][part]] for part in (0, 1))
            close = np.mean([abs(start) <= 0.1 for start, _ in aligned])
            shares = (round(float(close), 2), round(len(heard) / count, 2))
            rows.append([model_name, group, count, _medians(aligned), *shares, _medians(heard)])
    return rows


def _medians(errors: Sequence[tuple[float, float]]) -> str:
    if not errors:
        return "–"
    start, end = 1000 * np.median(np.abs(errors), axis=0)
    return f"{start:.0f}, {end:.0f}"


def _aligned(model: Model, talk: Talk) -> list[tuple[float, float]]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(" ".join(word for word, *_ in talk.words))
        file.flush()
        segments = model((talk.signal, RATE), ["alignment"], inputs={"transcript": file.name})["alignment"]
    pairs = zip(segments, talk.words, strict=True)
    return [(one.start_ms / 1000 - start, one.end_ms / 1000 - end) for one, (_, start, end) in pairs]


def _recognised(model: Model, talk: Talk) -> list[tuple[float, float]]:
    return [
        (segment.start_ms / 1000 - start, segment.end_ms / 1000 - end)
        for segment in model((talk.signal, RATE), ["words"])["words"]
        for word, start, end in talk.words
        if word == segment.name.lower() and start <= (segment.start_ms + segment.end_ms) / 2000 < end
    ]
