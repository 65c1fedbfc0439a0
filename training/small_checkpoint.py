"""Trains the small checkpoint of wav2vec2_kws: python -m training.small_checkpoint OUT.

A wav2vec 2.0 with a CTC head, of the published architecture in a small size, learns to spell from speech that espeak-ng
makes. Of words put together from separate takes, each frame's letter is known besides (a word's letters spread evenly
over it), which teaches in minutes what CTC alone finds in hours, and keeps the letters where the word is.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

from novaspeech.inference.pooling import FrameBlock
from novaspeech.models.convolutions import ChannelsLastConvolutions
from novaspeech.models.signal import standardise
from training.speech import HELD_OUT_VOICES, PITCHES, SPEEDS, TRAINING_PITCHES, TRAINING_SPEEDS, VOICES
from training.utterances import (
    BLANK,
    HOP,
    IGNORED,
    LENGTH,
    LETTERS,
    SENTENCES,
    TAKES,
    VOCABULARY,
    Speakers,
    Utterance,
)
from wav2vec2_kws.encoder import LETTERS as OUTPUT
from wav2vec2_kws.standin import save_speller
from wav2vec2_kws.words import WordDecoder

BATCH = 10  # utterances
FRAME_SHARE = 0.5  # of the cross-entropy, beside CTC


def collate(utterances: list[Utterance]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Standardised signals (B, N), lengths (B,), letters of all one after the other, frames (B, F)."""
    longest = max(len(utterance.signal) for utterance in utterances)
    signals = torch.zeros(len(utterances), longest)
    frames = torch.full((len(utterances), (longest - LENGTH) // HOP + 1), IGNORED)
    for index, utterance in enumerate(utterances):
        signal = torch.from_numpy(utterance.signal)
        signals[index, : len(signal)] = standardise(signal[None])[0]
        frames[index, : len(utterance.frames)] = torch.from_numpy(utterance.frames)
    lengths = torch.tensor([len(utterance.signal) for utterance in utterances])
    letters = torch.tensor([letter for utterance in utterances for letter in utterance.letters])
    return signals, lengths, letters, frames


def small_model() -> Wav2Vec2ForCTC:
    """An untrained model of the published architecture, with the layer norms of its large variant."""
    config = Wav2Vec2Config(
        vocab_size=len(LETTERS), hidden_size=192, num_hidden_layers=3, num_attention_heads=4, intermediate_size=640,
        conv_dim=(32, 64, 64, 96, 128, 128, 160), feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True,
        num_conv_pos_embeddings=48, num_conv_pos_embedding_groups=16, hidden_dropout=0.0, attention_dropout=0.0,
        activation_dropout=0.0, feat_proj_dropout=0.0, final_dropout=0.0, layerdrop=0.0, apply_spec_augment=False,
        pad_token_id=BLANK, ctc_zero_infinity=True,
    )  # fmt: skip
    return Wav2Vec2ForCTC(config)


def loss_of(model: Wav2Vec2ForCTC, utterances: list[Utterance]) -> torch.Tensor:
    """CTC of all, and cross-entropy of the frames that are known."""
    signals, lengths, letters, frames = collate(utterances)
    mask = (torch.arange(signals.shape[1]) < lengths[:, None]).long()
    logits = model(signals, attention_mask=mask).logits
    logged = functional.log_softmax(logits, dim=-1)
    counts = torch.tensor([len(utterance.letters) for utterance in utterances])
    ctc = functional.ctc_loss(
        logged.transpose(0, 1), letters, (lengths - LENGTH) // HOP + 1, counts, blank=BLANK, zero_infinity=True
    )
    known = frames[:, : logged.shape[1]]
    if (known == IGNORED).all():
        return ctc
    return ctc + FRAME_SHARE * functional.nll_loss(logged.flatten(0, 1), known.flatten())


@torch.inference_mode()
def words_right(model: Wav2Vec2ForCTC, speakers: Speakers, count: int = 60) -> float:
    """Share of words that are spelt right at their place, of sentences of separate words."""
    generator = np.random.default_rng(1)
    right = total = 0
    for _ in range(count):
        utterance = speakers.draw(generator, 0, 8)
        logits = model(collate([utterance])[0]).logits[0]
        block = FrameBlock(0, {OUTPUT: logits}, np.ones(len(logits), bool), last=True)
        found = [word.name for word in WordDecoder(VOCABULARY).add(block)]
        meant = VOCABULARY.write(utterance.letters).split()
        total += len(meant)
        right += sum(one == other for one, other in zip(found, meant, strict=False))
    return right / total


def save(model: Wav2Vec2ForCTC, plain: Any, folder: Path) -> None:
    """Writes the model with tokenizer and feature extractor.

    Args:
        plain: transformers' own convolutions, which take the weights of the faster ones.
    """
    fast = model.wav2vec2.feature_extractor
    with torch.no_grad():
        for layer, trained in zip(plain.conv_layers, fast.layers, strict=True):
            width, channels, kernel = layer.conv.weight.shape
            layer.conv.weight.copy_(trained.weight.reshape(kernel, channels, width).permute(2, 1, 0))
    model.wav2vec2.feature_extractor = plain
    save_speller(model, LETTERS, folder)
    model.wav2vec2.feature_extractor = fast


def train(folder: Path, steps: int, rate: float) -> None:
    """Trains a model for so many steps and writes it into `folder`, and every 500 steps what there is of it."""
    torch.manual_seed(0)
    start = time.perf_counter()
    speakers = Speakers(VOICES, TRAINING_SPEEDS, TRAINING_PITCHES, TAKES, SENTENCES, seed=0)
    known = Speakers(VOICES, SPEEDS, PITCHES, 1, 1, seed=1)
    unknown = Speakers(HELD_OUT_VOICES, SPEEDS, PITCHES, 2, 1, seed=2)
    print(f"{time.perf_counter() - start:.0f} s for the speech", flush=True)
    model = small_model()
    plain = model.wav2vec2.feature_extractor
    # Biases and norms are the same objects in both; a third of the time.
    model.wav2vec2.feature_extractor = ChannelsLastConvolutions(plain, model.config)
    print(f"{sum(weight.numel() for weight in model.parameters()) / 1e6:.2f} M parameters", flush=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    generator = np.random.default_rng(0)
    losses = []
    for step in range(1, steps + 1):
        most_words, fluent = (3, 0.0) if step < 400 else (5, 0.35)
        model.train()
        loss = loss_of(model, [speakers.draw(generator, fluent, most_words) for _ in range(BATCH)])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 100 == 0:
            line = f"{step} steps, {time.perf_counter() - start:.0f} s: loss {np.mean(losses[-100:]):.3f}"
            if step % 500 == 0 or step == steps:
                model.eval()
                line += (
                    f", words right {words_right(model, known):.3f}, by new voices {words_right(model, unknown):.3f}"
                )
                save(model, plain, folder)
            print(line, flush=True)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the model is written")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate")
    arguments = parser.parse_args()
    train(arguments.folder, arguments.steps, arguments.rate)


if __name__ == "__main__":
    main()
