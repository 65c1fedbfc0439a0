"""Finds when each letter is said, with a model that spells, as the module aligns transcripts; and what a skip costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.alignment import STRICT, with_errors
from novaspeech.arrays import FloatArray
from novaspeech.inference.pooling import FrameBlock
from novaspeech.models.front import standardise
from training.corpus import Speech, Word
from training.letters import HOP, LENGTH, VOCABULARY
from training.speech import RATE
from wav2vec2_kws.align.aligner import Aligner
from wav2vec2_kws.align.trellis import Costs, Graph, Indices, best_path, with_gaps
from wav2vec2_kws.encoder import LETTERS

_COSTS = Costs(skip=100.0)  # what is written is said
_SKIP_COSTS = (4.0, 8.0, 12.0, 16.0, 20.0, 25.0, 30.0, 40.0)
_TRANSCRIPTS = 4  # of each recording, with other errors, by which the cost of skipping is found
_CLOSE = 0.05 * RATE  # samples


def aligned(model: Any, speech: Sequence[Speech], kept: Path) -> list[Speech]:
    """Speech with the ends of letters in place of those of phonemes, and with times where there were none.

    Args:
        model: a `Wav2Vec2ForCTC`.
        kept: file of what is found; where it exists and is of as much speech, nothing is looked for again.
    """
    lines = kept.read_text().splitlines() if kept.exists() else []
    if len(lines) != len(speech):
        model.eval()
        found = [words_of(log_probabilities(model, one.signal), one) for one in speech]
        model.train()
        part = kept.with_name(f"{kept.name}.part")
        lines = list(map(json.dumps, found))
        part.write_text("\n".join(lines))
        part.replace(kept)
    return [
        replace(one, words=[(word, start, end, ends) for word, start, end, ends in json.loads(line)])
        for one, line in zip(speech, lines, strict=True)
    ]


@torch.inference_mode()
def log_probabilities(model: Any, signal: FloatArray) -> FloatArray:
    """Of each letter in each frame (F, letters)."""
    logits = model(standardise(torch.from_numpy(signal)[None])).logits[0]
    return np.asarray(torch.log_softmax(logits, -1), np.float32)


def words_of(logged: FloatArray, speech: Speech) -> list[Word]:
    """A text's words with the ends of their letters.

    A word that is timed stays where it is. Where times are not known and a word is not heard, there are no words.

    Args:
        logged: log probabilities (F, letters).
    """
    texts = speech.text.split()
    graph = Graph([VOCABULARY.spell(text) for text in texts], VOCABULARY, logged.shape[1], _COSTS)
    rows = with_gaps((logged - logged.max(axis=1, keepdims=True)).astype(np.float64), VOCABULARY, _COSTS)
    path = best_path(graph, lambda first, last: rows[first:last], np.zeros(len(rows) + 1, np.int64), len(graph.ids))
    words = []
    for place, text in enumerate(texts):
        inside = np.flatnonzero((path > graph.gaps[place]) & (path < graph.gaps[place + 1]))
        # Each letter with the pause after it.
        _, firsts = np.unique((path[inside] - graph.gaps[place] - 1) // 2, return_index=True)
        times = [float(frame * HOP + (LENGTH - HOP) / 2) / RATE for frame in (*inside[firsts], *inside[-1:] + 1)]
        if speech.words:
            _, start, end, ends = speech.words[place]
            if times:
                ends = [*(min(max(time, start), end) for time in times[1:-1]), end]
            words.append((text, start, end, ends))
        elif times:
            words.append((text, times[0], times[-1], times[1:]))
        else:
            return []
    return words


def skip_cost(model: Any, speech: Sequence[Speech]) -> float:
    """What skipping a word is to cost, so that words which a transcript has wrong move the others the least.

    Args:
        model: a `Wav2Vec2ForCTC`.
        speech: that it did not learn from. Its texts are taken to be right; in transcripts of them 15 % is made wrong.

    Returns:
        at which most of the words that are said begin within 50 ms of where they do in the alignment of what is said.
    """
    model.eval()
    heard = [log_probabilities(model, one.signal) for one in speech]
    model.train()
    texts = [one.text.split() for one in speech]
    truths = [_starts(*both, STRICT) for both in zip(texts, heard, strict=True)]
    close = dict.fromkeys(_SKIP_COSTS, 0)
    for seed, (text, letters, truth) in enumerate(list(zip(texts, heard, truths, strict=True)) * _TRANSCRIPTS):
        transcript = with_errors(text, 0.15, seed)
        said = transcript.spoken >= 0
        for cost in _SKIP_COSTS:
            errors = _starts(transcript.words, letters, Costs(skip=cost))[said] - truth[transcript.spoken[said]]
            close[cost] += int((np.abs(errors) <= _CLOSE / HOP).sum())
    return max(_SKIP_COSTS, key=lambda cost: close[cost])


def _starts(words: Sequence[str], letters: FloatArray, costs: Costs) -> Indices:
    """The frame (n,) in which each of n words begins."""
    aligner = Aligner(words, VOCABULARY, HOP / RATE, lambda line: None, costs)
    aligner.add(FrameBlock(0, {LETTERS: torch.from_numpy(letters)}, np.ones(len(letters), bool), True))
    return np.array([hit.start for hit in aligner.finish()])
