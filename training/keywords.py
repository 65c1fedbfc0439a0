"""Trains wav2vec2_kws/small: python -m training.keywords SPEECH OUT.

A wav2vec 2.0 with a CTC head (Baevski et al. 2020), of the published architecture in a small size, learns to spell from
the speech in the folder SPEECH. Of synthetic voices each frame's letter is known besides, which teaches in minutes what
CTC alone finds in hours, and keeps the letters where the word is. Stopped and started again, it goes on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

from novaspeech.arrays import FloatArray
from novaspeech.models.convolutions import ChannelsLastConvolutions
from novaspeech.models.signal import standardise
from training.augment import at_another_speed, degraded
from training.corpus import Speech, people, voices
from training.espeak import espeak_voices
from training.speech import RATE
from training.utterances import BLANK, DELIMITER, HOP, IGNORED, LENGTH, LETTERS, VOCABULARY
from wav2vec2_kws.standin import save_speller

_BATCH_SECONDS = 56.0
_LENGTHS = (2.0, 18.0)  # seconds that utterances are put together to
_FRAME_SHARE = 0.5  # of the cross-entropy, beside CTC
_SAVE = 500  # steps


@dataclass(frozen=True)
class Example:
    """What is learnt from: signal (N,), the ids of its letters, each frame's letter (F,)."""

    signal: FloatArray
    letters: tuple[int, ...]
    frames: np.ndarray


class Examples(IterableDataset):  # type: ignore[type-arg]
    """Batches of examples, each of its number alone: so training goes on where it was stopped.

    Args:
        sources: speech, with the share of the examples that begin with it.
        first, last: numbers of the batches.
    """

    def __init__(self, sources: Sequence[tuple[float, Sequence[Speech]]], first: int, last: int) -> None:
        self._sources, self._first, self._last = sources, first, last
        shares = np.array([share for share, speech in sources if speech])
        self._known = [speech for _, speech in sources if speech]
        self._shares = shares / shares.sum()

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        for number in range(self._first, self._last):
            generator = np.random.default_rng((7, number))
            # The first batches are of short examples: they are easier to align.
            longest = min(_LENGTHS[1], 4 + number / 200)
            wanted = float(generator.uniform(_LENGTHS[0], longest))
            count = max(2, round(_BATCH_SECONDS / wanted))
            yield collate([self._draw(wanted, generator) for _ in range(count)])

    def _draw(self, seconds: float, generator: np.random.Generator) -> Example:
        speech = self._known[generator.choice(len(self._known), p=self._shares)]
        pieces: list[FloatArray] = []
        words: list[tuple[str, float, float, list[float]]] = []
        text, position, timed = [], 0, True
        while position < seconds * RATE:
            one = speech[generator.integers(len(speech))]
            if pieces and position / RATE + one.seconds > seconds + 2:
                break
            sound, factor = at_another_speed(one.signal, generator)
            sound = sound * 10 ** (generator.uniform(-8, 4) / 20) / (np.sqrt(np.mean(sound**2)) + 1e-4) * 0.05
            gap = np.zeros(int(generator.exponential(0.15) * RATE), np.float32)
            pieces += [gap, sound]
            start = (position + len(gap)) / RATE
            words += [
                (word, start + first / factor, start + last / factor, [start + end / factor for end in ends])
                for word, first, last, ends in one.words
            ]
            timed &= bool(one.words)
            text.append(one.text)
            position += len(gap) + len(sound)
        signal = np.concatenate(pieces)
        others = [speech[generator.integers(len(speech))].signal for _ in range(3)]
        signal = degraded(signal, others, generator)
        count = (len(signal) - LENGTH) // HOP + 1
        frames = frames_of(words, count) if timed else np.full(count, IGNORED)
        return Example(signal.astype(np.float32), VOCABULARY.spell(" ".join(text)), frames)


def frames_of(words: Sequence[tuple[str, float, float, list[float]]], count: int) -> np.ndarray:
    """Each frame's letter (count,): a word's letters in the order of its phonemes, blanks between equal ones.

    Letters outnumber phonemes or fall short of them; each takes its share of the phonemes' time, in order.
    """
    centres = (np.arange(count) * HOP + LENGTH / 2) / RATE
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


def collate(examples: Sequence[Example]) -> tuple[torch.Tensor, ...]:
    """Standardised signals (B, N), lengths (B,), all letters one after the other, how many each, frames (B, F)."""
    longest = max(len(example.signal) for example in examples)
    signals = torch.zeros(len(examples), longest)
    frames = torch.full((len(examples), (longest - LENGTH) // HOP + 1), IGNORED)
    for index, example in enumerate(examples):
        signals[index, : len(example.signal)] = standardise(torch.from_numpy(example.signal)[None])[0]
        frames[index, : len(example.frames)] = torch.from_numpy(example.frames)
    lengths = torch.tensor([len(example.signal) for example in examples])
    letters = torch.tensor([letter for example in examples for letter in example.letters])
    return signals, lengths, letters, torch.tensor([len(example.letters) for example in examples]), frames


def small_model() -> Wav2Vec2ForCTC:
    """An untrained model of the published architecture, with the layer norms of its large variant."""
    config = Wav2Vec2Config(
        vocab_size=len(LETTERS), hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=768,
        conv_dim=(32, 64, 64, 96, 128, 128, 192), feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True,
        num_conv_pos_embeddings=48, num_conv_pos_embedding_groups=16, hidden_dropout=0.05, attention_dropout=0.0,
        activation_dropout=0.0, feat_proj_dropout=0.0, final_dropout=0.0, layerdrop=0.0, apply_spec_augment=True,
        mask_time_prob=0.03, mask_time_length=8, mask_feature_prob=0.0, pad_token_id=BLANK, ctc_zero_infinity=True,
    )  # fmt: skip
    return Wav2Vec2ForCTC(config)


def loss_of(model: Wav2Vec2ForCTC, batch: Sequence[torch.Tensor]) -> torch.Tensor:
    """CTC of all, and cross-entropy of the frames that are known."""
    signals, lengths, letters, counts, frames = batch
    mask = (torch.arange(signals.shape[1]) < lengths[:, None]).long()
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(signals, attention_mask=mask).logits
    logged = functional.log_softmax(logits.float(), dim=-1)
    ctc = functional.ctc_loss(
        logged.transpose(0, 1), letters, (lengths - LENGTH) // HOP + 1, counts, blank=BLANK, zero_infinity=True
    )
    known = frames[:, : logged.shape[1]]
    if (known == IGNORED).all():
        return ctc
    return ctc + _FRAME_SHARE * functional.nll_loss(logged.flatten(0, 1), known.flatten(), ignore_index=IGNORED)


@torch.inference_mode()
def errors(model: Wav2Vec2ForCTC, speech: Sequence[Speech]) -> tuple[float, float]:
    """Shares of letters and of words that are wrong along the best path."""
    from rapidfuzz.distance import Levenshtein

    wrong, total = np.zeros(2), np.zeros(2)
    model.eval()
    for one in speech:
        logits = model(standardise(torch.from_numpy(one.signal)[None])).logits[0]
        path = torch.unique_consecutive(logits.argmax(-1)).tolist()
        heard = "".join(" " if number == DELIMITER else LETTERS[number] for number in path if number > 3).lower()
        for index, (said, told) in enumerate(((one.text, heard), (one.text.split(), heard.split()))):
            wrong[index] += Levenshtein.distance(said, told)
            total[index] += len(said)
    model.train()
    letters, words = wrong / total
    return float(letters), float(words)


class Training:
    """A model on its way, and how far it is.

    Args:
        folder: of the result; what is needed to go on lies beside it, in `FOLDER.training`.
        steps: in all.
        rate: highest learning rate.
    """

    def __init__(self, folder: Path, steps: int, rate: float) -> None:
        torch.manual_seed(0)
        self._folder, self._state = folder, folder.with_name(f"{folder.name}.training")
        self.model = small_model()
        self._plain = self.model.wav2vec2.feature_extractor
        # Biases and norms are the same objects in both; a third of the time.
        self.model.wav2vec2.feature_extractor = ChannelsLastConvolutions(self._plain, self.model.config)
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(self._optimizer, rate, total_steps=steps, pct_start=0.1)
        self.step, self.seconds = 0, 0.0
        if self._state.exists():
            state = torch.load(self._state, weights_only=True)
            self.model.load_state_dict(state["model"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._schedule.load_state_dict(state["schedule"])
            self.step, self.seconds = state["step"], state["seconds"]

    def learn(self, batch: Sequence[torch.Tensor]) -> float:
        """One step; gives the loss."""
        torch.manual_seed(self.step)
        start = time.perf_counter()
        loss = loss_of(self.model, batch)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self._optimizer.step()
        self._schedule.step()
        self.step += 1
        self.seconds += time.perf_counter() - start
        return loss.item()

    def save(self) -> None:
        """Writes the model with tokenizer and feature extractor, and what is needed to go on."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        part = self._state.with_name(f"{self._state.name}.part")
        torch.save(state, part)
        part.replace(self._state)
        fast = self.model.wav2vec2.feature_extractor
        with torch.no_grad():
            for layer, trained in zip(self._plain.conv_layers, fast.layers, strict=True):
                width, channels, kernel = layer.conv.weight.shape
                layer.conv.weight.copy_(trained.weight.reshape(kernel, channels, width).permute(2, 1, 0))
        self.model.wav2vec2.feature_extractor = self._plain
        save_speller(self.model, LETTERS, self._folder)
        self.model.wav2vec2.feature_extractor = fast


def train(speech: Path, folder: Path, steps: int, rate: float) -> None:
    """Trains a model, or goes on training it."""
    spoken, heard = voices(speech), people(speech / "people.jsonl")
    dev_people, train_people = heard[::25], [one for index, one in enumerate(heard) if index % 25]
    test = voices(speech, "test")[:100]
    training = Training(folder, steps, rate)
    sources = [(0.6, spoken), (0.25, train_people), (0.15, espeak_voices(speech))]
    hours = [sum(one.seconds for one in source) / 3600 for _, source in sources]
    parameters = sum(weight.numel() for weight in training.model.parameters())
    print(f"{parameters / 1e6:.2f} M parameters; hours: {', '.join(f'{each:.2f}' for each in hours)}", flush=True)
    losses = []
    training.model.train()
    for batch in DataLoader(Examples(sources, training.step, steps), batch_size=None, num_workers=1, prefetch_factor=4):
        losses.append(training.learn(batch))
        if training.step % 100 == 0 or training.step == steps:
            line = f"{training.step} steps, {training.seconds:.0f} s: loss {np.mean(losses[-100:]):.3f}"
            if training.step % _SAVE == 0 or training.step == steps:
                for name, some in (("new voices", test), ("new people", dev_people)):
                    if some:
                        line += ", {}: letters {:.3f} words {:.3f} wrong".format(name, *errors(training.model, some))
                training.save()
            print(line, flush=True)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path, help="the folder that training.voices and training.people wrote to")
    parser.add_argument("folder", type=Path, help="where the model is written")
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate")
    given = parser.parse_args()
    torch.set_num_threads(2)
    train(given.speech, given.folder, given.steps, given.rate)


if __name__ == "__main__":
    main()
