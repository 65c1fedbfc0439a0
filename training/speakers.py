"""Trains wav2vec2_sv/small: python -m training.speakers SPEECH RECORDINGS SPELLER OUT.

A wav2vec 2.0 with an x-vector head, of the published architecture in a small size, begins as the first layers of
SPELLER, the model of training.keywords. It learns from 226 people and from Kokoro's and espeak-ng's voices, each also
slower and faster, as if that were somebody else. It is to give the vectors of Resemblyzer's encoder, of which it hears
a cut, noisy or narrow copy, and to tell the speakers apart by an additive angular margin (Deng et al. 2019). 25 people
and four voices are held out. Stopped and started again, it goes on.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import IterableDataset
from transformers import Wav2Vec2ForXVector

from novaspeech.arrays import FloatArray
from novaspeech.models.front import standardise
from training.augment import degraded
from training.corpus import Speech, piece_of, recordings_in, samples_of, voices
from training.espeak import espeak_voices
from training.kept import kept
from training.resumable import Taught, Training, run
from training.speech import RATE
from training.speller import Speller
from training.teacher import WIDTH, Teacher
from wav2vec2_sv.encoder import time_delays, x_vectors
from wav2vec2_sv.standin import save_speaker_model
from wav2vec2_sv.trials import equal_error_rate, error_rates

_BATCH = 32  # pieces of speech
_DEGRADED = 0.7  # share of pieces
_LAYERS = 2  # of the speller's that are taken
_PIECES = 16_000  # that there are in all, each to be heard in many ways
_PIECE = round(3.2 * RATE)  # samples, of which the teacher hears all
_LENGTHS_S = (1.3, 2.2, 3.2)  # of what is learnt from. They are few: the products of each new shape are compiled.
_SPEEDS = (0.9, 1.0, 1.1)
_MARGIN, _SCALE = 0.2, 30.0
_TEACHER_SHARE = 10.0  # of 1 - cosine, beside the cross-entropy
_HELD_OUT_EVERY = 10  # of the people
_Shelf = Mapping[str, Sequence[FloatArray]]  # speaker → what he or she says


def people_in(folder: Path) -> dict[str, list[FloatArray]]:
    """Speaker → recordings (N,) int16."""
    found = defaultdict(list)
    for speaker, file in recordings_in(folder):
        found[speaker].append(samples_of(file))
    return dict(found)


def by_speaker(speech: Sequence[Speech]) -> dict[str, list[FloatArray]]:
    """Speaker → samples (N,) int16, of those who say much."""
    found = defaultdict(list)
    for one in speech:
        found[one.speaker].append(one.samples)
    return {name: some for name, some in found.items() if sum(map(len, some)) > 4 * _PIECE}


class Pieces:
    """What is learnt from: each of `_PIECES` pieces of speech, with the teacher's vector of it.

    Args:
        shelves: speech, with the share of the pieces that are of it.
        folder: where the teacher's vectors are kept; they take minutes.
        teacher: gives a vector for each piece (N,) that it hears.

    Attributes:
        vectors: (`_PIECES`, 256), of length 1.
    """

    def __init__(
        self,
        shelves: Sequence[tuple[float, _Shelf]],
        folder: Path,
        teacher: Callable[[Sequence[FloatArray]], FloatArray],
    ) -> None:
        self._shelves = [shelf for _, shelf in shelves if shelf]
        shares = np.array([share for share, shelf in shelves if shelf])
        self._shares = shares / shares.sum()
        names = [name for shelf in self._shelves for name in shelf]
        self._numbers = {name: number for number, name in enumerate(names)}
        said = sum(map(len, itertools.chain.from_iterable(shelf[name] for shelf in self._shelves for name in shelf)))
        vectors = folder / f"teacher-{said}.npy"  # of these samples: of more speech, other pieces are drawn
        taught = kept(vectors, lambda: self._taught_by(teacher))
        # The teacher's vectors have no negative values: what all voices have in common says nothing of any.
        taught = taught - taught.mean(axis=0)
        self.vectors = taught / np.linalg.norm(taught, axis=1, keepdims=True)

    def _taught_by(self, teacher: Callable[[Sequence[FloatArray]], FloatArray]) -> FloatArray:
        parts = [
            teacher([self.piece(number)[0] for number in range(start, min(start + 64, _PIECES))])
            for start in range(0, _PIECES, 64)
        ]
        return np.concatenate(parts)

    def centres(self) -> torch.Tensor:
        """(C, 256): the mean of the teacher's vectors of each speaker at each speed."""
        who = [self._drawn(number)[2] for number in range(_PIECES)]
        sums = np.random.default_rng(0).normal(0, 1e-3, (len(self._numbers) * len(_SPEEDS), WIDTH))
        np.add.at(sums, who, self.vectors)
        return torch.from_numpy(sums.astype(np.float32))

    def piece(self, number: int) -> tuple[FloatArray, int]:
        """What is said (`_PIECE`,), and the number of who says it at what speed."""
        recordings, speed, who, generator = self._drawn(number)
        return piece_of(recordings, _PIECE, speed, generator), who

    def _drawn(self, number: int) -> tuple[Sequence[FloatArray], float, int, np.random.Generator]:
        """What a piece is to be cut from, at what speed, the number of both, and what else is to be drawn."""
        generator = np.random.default_rng((6, number))
        shelf = self._shelves[int(generator.choice(len(self._shelves), p=self._shares))]
        name = list(shelf)[generator.integers(len(shelf))]
        speed = int(generator.integers(len(_SPEEDS)))
        return shelf[name], _SPEEDS[speed], self._numbers[name] * len(_SPEEDS) + speed, generator


class Batches(IterableDataset):  # type: ignore[type-arg]
    """(What is heard (B, N), the teacher's vectors (B, 256), who it is (B,)), each batch of its number alone."""

    def __init__(self, pieces: Pieces, first: int, last: int) -> None:
        self._pieces, self._first, self._last = pieces, first, last

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        torch.set_num_threads(1)
        for number in range(self._first, self._last):
            generator = np.random.default_rng((8, number))
            length = round(float(generator.choice(_LENGTHS_S)) * RATE)
            numbers = generator.integers(_PIECES, size=_BATCH)
            pieces, who = zip(*map(self._pieces.piece, numbers), strict=True)
            heard = []
            for piece in pieces:
                start = int(generator.integers(_PIECE - length + 1))
                part = piece[start : start + length]
                heard.append(degraded(part, pieces, generator) if generator.random() < _DEGRADED else part)
            vectors = torch.from_numpy(self._pieces.vectors[numbers])
            yield standardise(torch.from_numpy(np.stack(heard))), vectors, torch.tensor(who)


def small_model(speller: Speller) -> Wav2Vec2ForXVector:
    """A speaker model on the first layers of one that spells."""
    torch.manual_seed(0)
    config = speller.config
    config.update(
        {"num_labels": 2, "use_weighted_layer_sum": True}
        | {"tdnn_dim": (192, 192, 192, 192, 512), "xvector_output_dim": WIDTH}
    )
    model = Wav2Vec2ForXVector(config)
    # transformers' own beginning is for fine-tuning: so small that five layers of it leave a fiftieth of a signal.
    for layer in model.tdnn:
        nn.init.kaiming_normal_(layer.kernel.weight, nonlinearity="relu")
    for linear in (model.projector, model.feature_extractor):
        nn.init.xavier_normal_(linear.weight)
    speller.begin(model.wav2vec2)
    return model


def margin_loss(cosines: torch.Tensor, who: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of cosines (B, C), where the angle to the right centre counts as larger by a margin."""
    angle = torch.acos(cosines.clamp(-1 + 1e-6, 1 - 1e-6))
    right = functional.one_hot(who, cosines.shape[1]).bool()
    return functional.cross_entropy(_SCALE * torch.where(right, torch.cos(angle + _MARGIN), cosines), who)


class Learner(Taught):
    """The model, and the centres of its speakers, which nobody needs afterwards."""

    def __init__(self, model: Wav2Vec2ForXVector, centres: torch.Tensor) -> None:
        super().__init__(model)
        self.centres = nn.Parameter(functional.normalize(centres, dim=1))

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        """Unit vectors (B, 256)."""
        with torch.autocast("cpu", torch.bfloat16):
            states = self.model.wav2vec2(signals, output_hidden_states=True).hidden_states
            shares = self.model.layer_weights.softmax(dim=-1)
            delayed = time_delays(self.model, sum(share * state for share, state in zip(shares, states, strict=True)))
        return x_vectors(self.model, delayed.float())

    def loss(self, signals: torch.Tensor, vectors: torch.Tensor, who: torch.Tensor) -> torch.Tensor:
        found = self(signals)
        taught = 1 - (found * vectors).sum(dim=1).mean()
        loss: torch.Tensor = _TEACHER_SHARE * taught
        return loss + margin_loss(found @ functional.normalize(self.centres, dim=1).T, who)


@torch.inference_mode()
def normalise_within(learner: Learner, shelf: _Shelf) -> None:
    """Has the last layer give what differs between speakers more weight than what differs within one.

    Within-class covariance normalisation (Hatch et al. 2006) of vectors without their mean, half way to doing nothing.
    """
    generator = np.random.default_rng(5)
    pieces, owners = pieces_of(shelf, 3)
    heard = [*pieces, *(degraded(piece, pieces, generator) for _ in range(2) for piece in pieces)]
    vectors = _heard(lambda signals: learner.model(signals).embeddings, heard).double()
    mine = functional.one_hot(torch.tensor(owners * 3)).double()
    mean = vectors.mean(dim=0)
    within = vectors - mine @ ((mine.T @ vectors) / mine.sum(dim=0).clamp(min=1)[:, None])
    covariance = within.T @ within / len(within)
    values, directions = torch.linalg.eigh((covariance + covariance.trace() / WIDTH * torch.eye(WIDTH)) / 2)
    turned = directions @ torch.diag(values.rsqrt()) @ directions.T
    last = learner.model.feature_extractor
    last.weight.copy_(turned @ last.weight.double())
    last.bias.copy_(turned @ (last.bias.double() - mean))


def _heard(encode: Callable[[torch.Tensor], torch.Tensor], pieces: Sequence[FloatArray]) -> torch.Tensor:
    """(n, D) of n pieces of one length, some at a time."""
    signals = standardise(torch.from_numpy(np.stack(pieces)))
    return torch.cat([encode(some) for some in torch.split(signals, 32)])


def pieces_of(shelf: _Shelf, most: int, seconds: float = 3.0) -> tuple[list[FloatArray], list[int]]:
    """At most so many pieces of each speaker, one after the other, and the numbers of their speakers."""
    length = round(seconds * RATE)
    pieces, owners = [], []
    for owner, recordings in enumerate(shelf.values()):
        whole: FloatArray = np.concatenate(list(recordings)).astype(np.float32) / np.float32(32768)
        for start in range(0, min(len(whole), most * length) - length + 1, length):
            pieces.append(whole[start : start + length])
            owners.append(owner)
    return pieces, owners


@torch.inference_mode()
def judge(learner: Learner, shelf: _Shelf) -> tuple[float, float]:
    """Equal error rate of pieces against speakers who were held out, and the cosine at which it is reached.

    A piece is as long as the module's windows, a speaker is the mean of his other pieces: as the module compares them.
    """
    pieces, owners = pieces_of(shelf, 8)
    learner.eval()
    vectors = _heard(learner, pieces)
    learner.train()
    mine = functional.one_hot(torch.tensor(owners), len(shelf)).float()
    # (pieces, speakers, 256): the sum of each speaker's pieces, of one's own without the piece.
    others = (mine.T @ vectors)[None] - mine[:, :, None] * vectors[:, None]
    scores = torch.einsum("pd,psd->ps", vectors, functional.normalize(others, dim=-1))
    return equal_error_rate(*error_rates(scores.flatten().numpy().astype(np.float64), mine.flatten().numpy() > 0))


def train(speech: Path, recordings: Path, speller: Path, folder: Path, steps: int, rate: float) -> None:
    """Trains a model, or goes on training it."""
    everybody = people_in(recordings)
    held_out = dict(list(everybody.items())[::_HELD_OUT_EVERY])
    people = {name: some for name, some in everybody.items() if name not in held_out}
    shelves = [(0.55, people), (0.35, by_speaker(voices(speech))), (0.10, by_speaker(espeak_voices(speech)))]
    pieces = Pieces(shelves, speech, Teacher(speech / "packages").of)
    centres = pieces.centres()
    training = Training(Learner(small_model(Speller(speller, _LAYERS)), centres), folder, steps, rate)
    parameters = sum(weight.numel() for weight in training.model.model.parameters())
    print(f"{parameters / 1e6:.2f} M parameters, {len(centres) // len(_SPEEDS)} speakers", flush=True)

    def judged() -> str:
        share, cosine = judge(training.model, held_out)
        return f", new people: equal error rate {100 * share:.2f} % at {cosine:.3f}"

    def write(learner: Learner) -> None:
        save_speaker_model(learner.model, folder)

    batches = Batches(pieces, training.step, steps)
    training.go_on(batches, lambda batch: training.model.loss(*batch), write, judged)
    normalise_within(training.model, people)
    share, cosine = judge(training.model, held_out)
    training.model.config.same_speaker_threshold = round(cosine, 3)
    training.write(write)
    print(f"last layer normalised: equal error rate {100 * share:.2f} % at {cosine:.3f}", flush=True)


if __name__ == "__main__":
    run(
        train,
        __doc__,
        6000,
        speech="the folder that training.voices wrote to",
        recordings="recordings of people, SPEAKER-*.flac",
        speller="the model that training.keywords wrote, to begin from",
        folder="where the model is written",
    )
