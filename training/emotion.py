"""Trains emow2v/small: python -m training.emotion SPEECH PEOPLE SPELLER OUT.

A wav2vec 2.0 with the published head (Wagner et al. 2023, arXiv 2203.07378) in a small size begins as the first layers
of SPELLER, the model of training.keywords. From the speech in SPEECH it learns to tell how something is said, in
numbers that are computed, whatever is done to the sound. Then its head alone is fitted to the recordings in
PEOPLE/emodb: to where the actor's emotion lies between calm and excited, weak and strong, bad and good.
Stopped and started again, it goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from torch import nn
from torch.nn import functional
from torch.utils.data import IterableDataset

from benchmarks.people_parts.emotions import AROUSAL, RIDGES, VALENCE
from benchmarks.people_parts.material import Utterance, emotions
from emow2v.network import SCORES, EmotionModel
from emow2v.standin import save_emotion_model
from novaspeech.models.front import standardise
from training.corpus import Speech, draw_pieces, people, voices
from training.espeak import espeak_voices
from training.functionals import count_of_functionals, functionals
from training.resumable import Taught, Training, run
from training.speech import RATE
from training.speller import Speller

_BATCH = 32  # pieces of speech
_LAYERS = 2  # of the speller's that are taken
_LENGTHS_S = (1.2, 2.0, 3.0)  # of pieces. They are few: the products of each new shape are compiled.
# As those of the other two: where each category lies, from 0 to 1. Nobody rated these recordings.
DOMINANCE = {"W": 1.0, "L": 0.3, "E": 0.7, "A": 0.1, "F": 0.8, "T": 0.0, "N": 0.5}
_PLACES = dict(zip(SCORES, (AROUSAL, DOMINANCE, VALENCE), strict=True))
_LINEAR = 0.2  # deviation of what goes into the head's tanh, so that it bends little


class Said(IterableDataset):  # type: ignore[type-arg]
    """Batches of pieces as they are heard (B, N) and how each is said (B, K), each batch of its number alone."""

    def __init__(self, speech: Sequence[Speech], first: int, last: int) -> None:
        self._said, self._first, self._last = [one.samples for one in speech], first, last

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        torch.set_num_threads(1)
        for number in range(self._first, self._last):
            generator = np.random.default_rng((10, number))
            length = round(float(generator.choice(_LENGTHS_S)) * RATE)
            clean, heard = draw_pieces(self._said, _BATCH, length, generator)
            yield standardise(torch.from_numpy(heard)), functionals(torch.from_numpy(clean))


class Learner(Taught):
    """The model, and what tells how something is said, which nobody needs afterwards."""

    def __init__(self, speller: Speller) -> None:
        torch.manual_seed(0)
        labels = dict(enumerate(SCORES))
        speller.config.update({"id2label": labels, "label2id": {name: index for index, name in labels.items()}})
        super().__init__(EmotionModel(speller.config))
        speller.begin(self.wav2vec2)
        count = count_of_functionals()
        self.told, self.usual = nn.Linear(self.config.hidden_size, count), nn.BatchNorm1d(count, affine=False)

    def loss(self, signals: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        """The error of what is told, in deviations; no one number counts for more than the others."""
        with torch.autocast("cpu", torch.bfloat16):
            told = self.told(self.model(signals)[0])
        return functional.smooth_l1_loss(told.float(), self.usual(said).clamp(-4, 4))


@torch.inference_mode()
def pooled(model: EmotionModel, spoken: Sequence[Utterance]) -> torch.Tensor:
    """(n, D) of n recordings, each as one window."""
    model.eval()
    found = [model(standardise(torch.from_numpy(one.signal)[None]))[0][0] for one in spoken]
    model.train()
    return torch.stack(found)


@torch.inference_mode()
def fit_head(model: EmotionModel, vectors: torch.Tensor, spoken: Sequence[Utterance]) -> None:
    """Has the head tell where the emotions of recordings lie, by ridge regression of their vectors (n, D)."""
    wanted = np.array([[_PLACES[score][one.label] for score in SCORES] for one in spoken])
    mean, deviation = vectors.mean(dim=0), vectors.std(dim=0) + 1e-6
    entered = torch.tanh(_LINEAR * (vectors - mean) / deviation).numpy()
    fitted = RidgeCV(RIDGES).fit(entered, wanted)
    dense, out = model.classifier.dense, model.classifier.out_proj
    dense.weight.copy_(torch.diag(_LINEAR / deviation))
    dense.bias.copy_(-_LINEAR * mean / deviation)
    out.weight.copy_(torch.from_numpy(fitted.coef_))
    out.bias.copy_(torch.from_numpy(fitted.intercept_))


def held_out(model: EmotionModel, vectors: torch.Tensor, spoken: Sequence[Utterance]) -> dict[str, float]:
    """How each score goes with the emotions' places (Pearson's r), of each actor by a head fitted to the others."""
    told = torch.zeros(len(spoken), len(SCORES))
    for actor in {one.speaker for one in spoken}:
        mine = torch.tensor([one.speaker == actor for one in spoken])
        fit_head(model, vectors[~mine], [one for one in spoken if one.speaker != actor])
        with torch.inference_mode():
            told[mine] = model.classifier(vectors[mine])
    return {
        score: float(np.corrcoef(told[:, index], [_PLACES[score][one.label] for one in spoken])[0, 1])
        for index, score in enumerate(SCORES)
    }


def train(speech: Path, tested: Path, speller: Path, folder: Path, steps: int, rate: float) -> None:
    """Trains a model, or goes on training it."""
    said = [*voices(speech), *people(speech / "people.jsonl"), *espeak_voices(speech)]
    spoken = emotions(tested)
    training = Training(Learner(Speller(speller, _LAYERS)), folder, steps, rate)
    model = training.model.model
    print(f"{sum(weight.numel() for weight in model.parameters()) / 1e6:.2f} M parameters", flush=True)

    def write(learner: Learner) -> None:
        save_emotion_model(learner.model, folder)

    training.go_on(Said(said, training.step, steps), lambda batch: training.model.loss(*batch), write)
    vectors = pooled(model, spoken)
    known = ", ".join(f"{score} {r:.2f}" for score, r in held_out(model, vectors, spoken).items())
    print(f"of actors whom the head does not know, r: {known}", flush=True)
    fit_head(model, vectors, spoken)
    training.write(write)


if __name__ == "__main__":
    run(
        train,
        __doc__,
        5000,
        speech="the folder that training.voices and training.people wrote to",
        people="the folder of benchmarks/people.py, with its emodb",
        speller="the model that training.keywords wrote, to begin from",
        folder="where the model is written",
    )
