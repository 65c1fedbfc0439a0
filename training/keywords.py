"""Trains wav2vec2_kws/small: python -m training.keywords SPEECH OUT.

A wav2vec 2.0 with a CTC head (Baevski et al. 2020), of the published architecture in a small size, learns to spell from
the speech in the folder SPEECH, in three parts. First frame by frame from speech whose words have times; then so from
all speech, each letter where the model itself finds it; last with CTC beside that, the letters found again. CTC from
the start finds blanks, and after ten times as long little else. Sentences of synthetic voices are cut into phrases, and
these put together anew: else it learns sentences by heart. All the while it is to tell what Whisper's encoder makes of
what it hears. Stopped and started again, it goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import IterableDataset
from transformers import Wav2Vec2ForCTC

from novaspeech.arrays import FloatArray
from novaspeech.models.front import standardise
from training.alignment import aligned, skip_cost
from training.augment import SLOWEST, at_another_speed, degraded
from training.corpus import Speech, held_out_people, people, phrase_of, voices
from training.espeak import espeak_voices
from training.letters import BLANK, DELIMITER, HOP, IGNORED, LENGTH, VOCABULARY
from training.listener import WIDTH, Listener, taught
from training.resumable import Taught, Training, run
from training.speech import RATE
from wav2vec2_kws.standin import ALPHABET, random_speller, save_speller

# Seconds that utterances are put together to and padded to. They are few: the products of each new shape are compiled.
_LENGTHS = (4, 6, 9, 13, 18)
_BATCH_SECONDS = 36.0
_CLEAN = 0.4  # of the examples are as they were recorded
_PHRASES = 0.6  # of them are phrases of many sentences, which cannot be learnt by heart
_ALIGNED, _WITH_CTC = 0.2, 0.4  # of the training is done when the second and third parts begin
_FRAME_SHARE = 0.3  # of the cross-entropy beside CTC: it keeps letters in their places
_TAUGHT_SHARE = 1.0  # of the squared error of what Whisper's encoder makes of it


@dataclass(frozen=True)
class Example:
    """What is learnt from: signal (N,), the ids of its letters; each frame's letter (F,), and what is taught (F, 512).

    What is not known of a frame is `IGNORED`, or NaN.
    """

    signal: FloatArray
    letters: tuple[int, ...]
    frames: np.ndarray
    taught: np.ndarray


class Examples(IterableDataset):  # type: ignore[type-arg]
    """Batches of examples, each of its number alone: so training goes on where it was stopped.

    Args:
        sources: speech, with the share of the examples that are made of it.
        first, last: numbers of the batches.
    """

    def __init__(self, sources: Sequence[tuple[float, Sequence[Speech]]], first: int, last: int) -> None:
        self._first, self._last = first, last
        self._fitting = {length: _fitting(sources, length) for length in _LENGTHS}

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        for number in range(self._first, self._last):
            generator = np.random.default_rng((7, number))
            length = int(generator.choice([length for length in _LENGTHS if self._fitting[length][0]]))
            count = max(1, int(_BATCH_SECONDS // length))
            yield collate([self._draw(length, generator) for _ in range(count)], length * RATE)

    def _draw(self, longest: int, generator: np.random.Generator) -> Example:
        known, shares = self._fitting[longest]
        speech = known[int(generator.choice(len(known), p=shares))]
        seconds = generator.uniform(0.7, 1) * longest
        pieces: list[FloatArray] = []
        words: list[tuple[str, float, float, list[float]]] = []
        rows: list[tuple[float, float, np.ndarray | None]] = []
        text, position, timed = [], 0, True
        in_phrases = generator.random() < _PHRASES
        while position < seconds * RATE:
            one = speech[int(generator.integers(len(speech)))]
            if in_phrases and one.exact:
                one = phrase_of(one, generator)
            if pieces and position / RATE + one.seconds / SLOWEST + 1 > longest:
                break
            sound, factor = at_another_speed(one.signal, generator)
            sound = sound * 10 ** (generator.uniform(-8, 4) / 20) / (np.sqrt(np.mean(sound**2)) + 1e-4) * 0.05
            gap = np.zeros(int(min(0.5, generator.exponential(0.15)) * RATE), np.float32)
            pieces += [gap, sound]
            start = (position + len(gap)) / RATE
            words += [
                (word, start + first / factor, start + last / factor, [start + end / factor for end in ends])
                for word, first, last, ends in one.words
            ]
            rows.append((start, factor, one.taught))
            timed &= bool(one.words)
            text.append(one.text)
            position += len(gap) + len(sound)
        signal = np.concatenate(pieces)
        if generator.random() > _CLEAN:
            others = [speech[int(generator.integers(len(speech)))].signal for _ in range(3)]
            signal = degraded(signal, others, generator)
        count = (len(signal) - LENGTH) // HOP + 1
        frames = frames_of(words, count) if timed else np.full(count, IGNORED)
        return Example(signal.astype(np.float32), VOCABULARY.spell(" ".join(text)), frames, rows_of(rows, count))


def frames_of(words: Sequence[tuple[str, float, float, list[float]]], count: int) -> np.ndarray:
    """Each frame's letter (count,): a word's letters in the order of its phonemes, blanks between equal ones.

    Letters outnumber phonemes or fall short of them; each takes its share of the phonemes' time, in order.
    """
    centres = _centres(count)
    frames = np.full(count, BLANK)
    for index, (word, start, end, ends) in enumerate(words):
        if index:
            between = (centres >= words[index - 1][2]) & (centres < start)
            if not between.any():
                between[np.abs(centres - start).argmin()] = True
            frames[between] = DELIMITER
        letters = np.array(VOCABULARY.spell(word))
        inside = np.flatnonzero((centres >= start) & (centres < end) & (frames != DELIMITER))
        # Time as the phonemes count it: each is as long as any other.
        knots = np.array([start, *ends])
        places = np.interp(centres[inside], knots, np.linspace(0, len(letters), len(knots))).astype(int)
        places = places.clip(0, len(letters) - 1)
        frames[inside] = letters[places]
        for equal in np.flatnonzero(letters[1:] == letters[:-1]):
            where = inside[places == equal + 1]
            frames[where[: max(1, len(where) // 3)]] = BLANK
    return frames


def rows_of(pieces: Sequence[tuple[float, float, np.ndarray | None]], count: int) -> np.ndarray:
    """What is taught of each frame (count, 512), NaN where nothing is.

    Args:
        pieces: of each the second at which it starts, how many times as fast it is, and its rows (frames, 512).
    """
    found = np.full((count, WIDTH), np.nan, np.float16)
    centres = _centres(count)
    for start, factor, rows in pieces:
        if rows is not None:
            places = np.floor((centres - start) * factor * RATE / HOP).astype(int)
            inside = (places >= 0) & (places < len(rows))
            found[inside] = rows[places[inside]]
    return found


def _centres(count: int) -> FloatArray:
    """The second of each frame's middle (count,)."""
    return np.asarray((np.arange(count) * HOP + LENGTH / 2) / RATE)


def _fitting(sources: Sequence[tuple[float, Sequence[Speech]]], length: int) -> tuple[list[list[Speech]], FloatArray]:
    """What of each source is no longer than an example, and the sources' shares."""
    limit = (length - 1) * SLOWEST
    found = [(share, [one for one in speech if one.seconds <= limit]) for share, speech in sources]
    shares = np.array([share for share, some in found if some])
    return [some for _, some in found if some], shares / max(1e-9, shares.sum())


def collate(examples: Sequence[Example], longest: int) -> tuple[torch.Tensor, ...]:
    """Standardised signals (B, N), lengths (B,), all letters in a row, how many each, frames (B, F) and (B, F, 512).

    Args:
        longest: samples N.
    """
    signals = torch.zeros(len(examples), longest)
    frames = torch.full((len(examples), (longest - LENGTH) // HOP + 1), IGNORED)
    taught = torch.full((*frames.shape, WIDTH), torch.nan, dtype=torch.float16)
    for index, example in enumerate(examples):
        signals[index, : len(example.signal)] = standardise(torch.from_numpy(example.signal)[None])[0]
        frames[index, : len(example.frames)] = torch.from_numpy(example.frames)
        taught[index, : len(example.taught)] = torch.from_numpy(example.taught)
    lengths = torch.tensor([len(example.signal) for example in examples])
    letters = torch.tensor([letter for example in examples for letter in example.letters])
    return signals, lengths, letters, torch.tensor([len(example.letters) for example in examples]), frames, taught


def small_model() -> Wav2Vec2ForCTC:
    """An untrained model of the published architecture, with the layer norms of its large variant."""
    torch.manual_seed(0)
    return random_speller(
        hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=768,
        conv_dim=(32, 64, 64, 96, 128, 128, 192), num_conv_pos_embeddings=48, num_conv_pos_embedding_groups=16,
        hidden_dropout=0.1, attention_dropout=0.0, activation_dropout=0.0, feat_proj_dropout=0.0, final_dropout=0.0,
        layerdrop=0.0, apply_spec_augment=True, mask_time_prob=0.05, mask_time_length=5, mask_feature_prob=0.0,
    )  # fmt: skip


class Learner(Taught):
    """The model, and a layer that tells what Whisper's encoder makes of speech, which nobody needs afterwards."""

    def __init__(self, model: Wav2Vec2ForCTC) -> None:
        super().__init__(model)
        self.telling = nn.Linear(model.config.hidden_size, WIDTH)

    def forward(self, signals: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log probabilities of letters (B, F, letters), and what Whisper's encoder may make of it (B, F, 512)."""
        with torch.autocast("cpu", torch.bfloat16):
            states = self.model.wav2vec2(signals, attention_mask=mask).last_hidden_state
            logits, told = self.model.lm_head(states), self.telling(states)
        return functional.log_softmax(logits.float(), dim=-1), told.float()


def loss_of(learner: Learner, batch: Sequence[torch.Tensor], with_ctc: bool = False) -> torch.Tensor:
    """Cross-entropy of known frames, or a share of it and CTC of all, in nats a frame; and of what is taught."""
    signals, lengths, letters, counts, frames, taught = batch
    logged, told = learner(signals, (torch.arange(signals.shape[1]) < lengths[:, None]).long())
    known = frames[:, : logged.shape[1]]
    loss = functional.nll_loss(logged.flatten(0, 1), known.flatten(), ignore_index=IGNORED, reduction="sum")
    loss = loss / (known != IGNORED).sum().clamp_min(1)
    if with_ctc:
        spans = (lengths - LENGTH) // HOP + 1
        ctc = functional.ctc_loss(
            logged.transpose(0, 1), letters, spans, counts, blank=BLANK, reduction="sum", zero_infinity=True
        )
        loss = _FRAME_SHARE * loss + ctc / spans.sum()
    listened = ~taught[..., 0].isnan()
    return loss + _TAUGHT_SHARE * functional.mse_loss(told[listened], taught[listened].float())


@torch.inference_mode()
def errors(model: Wav2Vec2ForCTC, speech: Sequence[Speech]) -> tuple[float, float]:
    """Shares of letters and of words that are wrong along the best path."""
    from rapidfuzz.distance import Levenshtein

    wrong, total = np.zeros(2), np.zeros(2)
    model.eval()
    for one in speech:
        logits = model(standardise(torch.from_numpy(one.signal)[None])).logits[0]
        path = torch.unique_consecutive(logits.argmax(-1)).tolist()
        heard = "".join(" " if number == DELIMITER else ALPHABET[number] for number in path if number > 3).lower()
        for index, (said, told) in enumerate(((one.text, heard), (one.text.split(), heard.split()))):
            wrong[index] += Levenshtein.distance(said, told)
            total[index] += len(said)
    model.train()
    letters, words = wrong / total
    return float(letters), float(words)


def train(speech: Path, folder: Path, steps: int, rate: float) -> None:
    """Trains a model, or goes on training it."""
    spoken, heard = voices(speech), people(speech / "people.jsonl")
    held_out = held_out_people(speech / "people.jsonl")
    dev_people = [one for one in heard if one.speaker in held_out]
    train_people = [one for one in heard if one.speaker not in held_out]
    test = voices(speech, "test")[:100]
    model = small_model()
    training = Training(Learner(model), folder, steps, rate)
    listener = Listener(speech / "packages")
    shares = ((0.5, spoken), (0.35, train_people), (0.15, espeak_voices(speech)))
    sources = [(share, taught(listener, some, speech)) for share, some in shares]
    hours = [sum(one.seconds for one in source) / 3600 for _, source in sources]
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{parameters / 1e6:.2f} M parameters; hours: {', '.join(f'{each:.2f}' for each in hours)}", flush=True)

    def judged() -> str:
        some = {"new voices": test, "new people": dev_people}
        return "".join(
            ", {}: letters {:.3f} words {:.3f} wrong".format(name, *errors(model, speech))
            for name, speech in some.items()
            if speech
        )

    def write(learner: Learner) -> None:
        save_speller(learner.model, folder)

    for part, share in enumerate((_ALIGNED, _WITH_CTC, 1.0)):
        last = round(share * steps)
        if training.step < last:
            known = _aligned_again(model, sources, folder, part) if part else [(1.0, sources[0][1])]
            loss = partial(loss_of, training.model, with_ctc=share == 1.0)
            training.go_on(Examples(known, training.step, last), loss, write, judged)
    model.config.alignment_skip_cost = skip_cost(model, dev_people)
    training.write(write)


def _aligned_again(
    model: Wav2Vec2ForCTC, sources: Sequence[tuple[float, Sequence[Speech]]], folder: Path, part: int
) -> list[tuple[float, list[Speech]]]:
    """The sources with each letter where the model finds it; kept beside the folder, for whoever goes on."""
    return [
        (share, aligned(model, speech, folder.with_name(f"{folder.name}.aligned-{part}-{index}.jsonl")))
        for index, (share, speech) in enumerate(sources)
    ]


if __name__ == "__main__":
    run(
        train,
        __doc__,
        24_500,
        speech="the folder that training.voices and training.people wrote to",
        folder="where the model is written",
    )
