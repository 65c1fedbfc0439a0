"""What wav2vec2_kws costs at the published size (wav2vec2-base with a CTC head, random weights).

One recording through the whole module, in one run, round by round: transformers on the whole of it at once, with the
words' offsets of its tokenizer (its memory grows with the square of the length); transformers' pipeline in chunks; and
ours in chunks, for words, and for words, ten keywords, scores and embeddings.

    python benchmarks/wav2vec2_kws.py [--seconds 60] [--rounds 3] [--device cpu] [--precision float32]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2Processor, pipeline
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Before this script's own folder, where `wav2vec2_kws` would mean this script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

from novaspeech.audio.sources import ArraySource

from benchmarks.keywords import KEYWORDS
from benchmarks.machine import alternate, describe_machine, syllables
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.inference.engine import Inference
from novaspeech.models.compute import Compute
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.scan import scan
from wav2vec2_kws.search.methods import THRESHOLD, by_spelling
from wav2vec2_kws.standin import ALPHABET, save_speller

RATE = 16000


def public(folder: Path, device: torch.device, signal: np.ndarray) -> Callable[[], int]:
    """Number of words by transformers alone."""
    processor = Wav2Vec2Processor.from_pretrained(folder)
    model = Wav2Vec2ForCTC.from_pretrained(folder).to(device).eval()

    def run() -> int:
        values = processor(signal, sampling_rate=RATE, return_tensors="pt").input_values
        with torch.no_grad():
            letters = model(values.to(device)).logits.argmax(dim=-1)
        return len(processor.batch_decode(letters, output_word_offsets=True).word_offsets[0])

    return run


def pipelined(folder: Path, device: torch.device, signal: np.ndarray) -> Callable[[], int]:
    """Number of words by transformers' pipeline in chunks of 30 s, of which 5 s on either side are context."""
    pipe = pipeline("automatic-speech-recognition", model=str(folder), device=device)

    def run() -> int:
        return len(pipe({"raw": signal, "sampling_rate": RATE}, chunk_length_s=30, return_timestamps="word")["chunks"])

    return run


def ours(encoder: KeywordEncoder, signal: np.ndarray, *, everything: bool) -> int:
    """Number of words by the module."""
    recording = Recording("speech", ArraySource(signal, RATE))
    search = by_spelling(KEYWORDS, encoder, 1)
    found = scan(
        recording,
        WindowGrid.fit(40, 40, 0, 0, recording.duration_ms),
        Inference(encoder),
        search.detectors() if everything else (),
        threshold=THRESHOLD,
        words=True,
        pooled=everything,
    )
    return len(found.words)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    given = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    compute = Compute.of(given.device, given.precision)
    device = compute.device
    print(describe_machine())
    signal = syllables(RATE * given.seconds)
    with tempfile.TemporaryDirectory() as name:
        torch.manual_seed(0)
        config = Wav2Vec2Config(vocab_size=len(ALPHABET), pad_token_id=0)
        save_speller(Wav2Vec2ForCTC(config), Path(name))
        encoder = KeywordEncoder(Path(name), compute=compute)
        runs: dict[str, Callable[[], int]] = {
            "transformers, at once": public(Path(name), device, signal),
            "transformers' pipeline, in chunks": pipelined(Path(name), device, signal),
            "wav2vec2_kws, words": partial(ours, encoder, signal, everything=False),
            "wav2vec2_kws, all outputs": partial(ours, encoder, signal, everything=True),
        }
        seconds, words = alternate(runs, device, given.rounds)
    print(f"| {given.seconds} s on {device} | seconds | × real time | × at once | × pipeline | words |")
    print("|---|---|---|---|---|---|")
    for label, took in seconds.items():
        ratios = " | ".join(f"{seconds[other] / took:.2f}" for other in list(seconds)[:2])
        print(f"| {label} | {took:.2f} | {given.seconds / took:.1f} | {ratios} | {words[label]} |")


if __name__ == "__main__":
    main()
