"""Runs a public package on signals, in a process of its own: reference.py WHAT GIVEN.npz TOLD.npy [WORD …].

resemblyzer: a vector of its speaker encoder for each signal. pocketsphinx: keywords, at several thresholds.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence

import numpy as np

RATE = 16000
THRESHOLDS = tuple(10.0**power for power in range(-30, 1, 3))


def resemblyzer(signals: Sequence[np.ndarray]) -> np.ndarray:
    """A vector each."""
    from resemblyzer import VoiceEncoder, preprocess_wav

    encoder = VoiceEncoder("cpu", verbose=False)
    return np.array([encoder.embed_utterance(preprocess_wav(signal, RATE)) for signal in signals])


def pocketsphinx(signals: Sequence[np.ndarray], words: Sequence[str]) -> np.ndarray:
    """Rows of (signal, word, seconds of start and end, the strictest threshold at which it is found)."""
    from pocketsphinx import Decoder

    rows: dict[tuple[int, str, float], list[float]] = {}
    for threshold in THRESHOLDS:
        with tempfile.NamedTemporaryFile("w", suffix=".kws") as file:
            file.writelines(f"{word} /{threshold}/\n" for word in words)
            file.flush()
            decoder = Decoder(kws=file.name, samprate=RATE, loglevel="FATAL")
        for number, signal in enumerate(signals):
            decoder.start_utt()
            decoder.process_raw((signal * 32767).astype("<i2").tobytes(), full_utt=True)
            decoder.end_utt()
            for part in decoder.seg() or []:
                word, start, end = part.word.strip(), part.start_frame / 100, (part.end_frame + 1) / 100
                rows[number, word, round(start, 1)] = [number, words.index(word), start, end, threshold]
    return np.array(list(rows.values())).reshape(-1, 5)


def main(what: str, given: str, told: str, *words: str) -> None:
    """Reads signals, writes what was found."""
    with np.load(given) as loaded:
        signals = [loaded[name] for name in loaded.files]
    np.save(told, resemblyzer(signals) if what == "resemblyzer" else pocketsphinx(signals, words))


if __name__ == "__main__":
    main(*sys.argv[1:])
