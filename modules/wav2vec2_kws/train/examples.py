"""Training set of a keyword classifier: features of recorded examples and background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from novaspeech.arrays import FloatArray
from novaspeech.audio.recording import Recording
from novaspeech.errors import NovaspeechError, RequestError
from novaspeech.inference.encoder import FrameEncoder
from novaspeech.inference.engine import Inference
from wav2vec2_kws.encoder import hidden_states
from wav2vec2_kws.search.classifier import BACKGROUND, pool_windows
from wav2vec2_kws.search.example import is_silent, sounding_part

Row = tuple[FloatArray, str, int, bool]  # features, label, group, and True for an original

CONTEXT_S = 1.0  # context before and after an example's window, so that it is encoded as within a recording
PIECE_S = 10  # length of a piece of background, which counts as one file in cross-validation


@dataclass(frozen=True)
class TrainingSet:
    """Features of examples and background.

    Attributes:
        features: (n, PARTS * D).
        labels: (n,) keyword or `BACKGROUND`.
        groups: (n,) number of the file, or of the piece of background.
        original: (n,) False for augmented copies.
        lengths: keyword → number of frames of each example.
    """

    features: FloatArray
    labels: np.ndarray
    groups: np.ndarray
    original: np.ndarray
    lengths: dict[str, list[int]]


def gather(
    files: dict[str, list[Path]], inference: Inference, window: int, copies: int, left_out: list[str]
) -> TrainingSet:
    """Features of all files.

    Args:
        files: keyword or `BACKGROUND` → its recordings.
        window: samples of a window.
        left_out: takes a line for each file that cannot be used.
    """
    generator, encoder = np.random.default_rng(0), inference.encoder
    assert isinstance(encoder, FrameEncoder)
    background, rows = _read_all(files[BACKGROUND], encoder, left_out), list[Row]()
    lengths: dict[str, list[int]] = {name: [] for name in files if name != BACKGROUND}
    # The context is whole frames long, so that the window begins with a frame.
    first, count = int(CONTEXT_S * encoder.sampling_rate) // encoder.frame_hop, window // encoder.frame_hop
    context, group = first * encoder.frame_hop, 0
    for name in tqdm(lengths, unit="keyword", dynamic_ncols=True, disable=None):
        for example in _read_all(files[name], encoder, left_out):
            start, end = sounding_part(example, encoder)
            part = loudest_part((example - example.mean())[start:end], window)
            lengths[name].append(max(1, len(part) // encoder.frame_hop))
            for copy in range(copies + 1):
                said = augment(part, generator)[:window] if copy else part
                around = pick(background, window + 2 * context, generator) if copy else None
                frames = _frames(centred(said, window, context, around), inference)[first : first + count]
                rows.append((pool_windows(frames, count), name, group, not copy))
            group += 1
    rows += _background_rows(background, inference, window, count, group)
    if not rows:
        raise RequestError("no recording of the folder can be used; there is nothing to learn from")
    features, *columns = zip(*rows, strict=True)
    labels, groups, original = (np.repeat(column, list(map(len, features))) for column in columns)
    return TrainingSet(np.concatenate(features), labels, groups, original, lengths)


def _background_rows(
    background: Sequence[FloatArray], inference: Inference, window: int, count: int, group: int
) -> list[Row]:
    """Rows of background, one every half window (`window` samples, `count` frames); groups count from `group` on."""
    size = PIECE_S * inference.encoder.sampling_rate
    pieces = [signal[begin : begin + size] for signal in background for begin in range(0, len(signal), size)]
    encoded = (_frames(piece, inference) for piece in pieces if len(piece) >= window)
    long = (frames for frames in encoded if len(frames) >= count)
    step = max(1, count // 2)
    return [(pool_windows(frames, count, step), BACKGROUND, number, True) for number, frames in enumerate(long, group)]


def _frames(signal: FloatArray, inference: Inference) -> FloatArray:
    """Hidden states (F, D) of a signal (N,)."""
    rate = inference.encoder.sampling_rate
    return hidden_states(Recording.of_samples(signal, rate, "example", rate), inference)


def _read_all(files: Sequence[Path], encoder: FrameEncoder, left_out: list[str]) -> list[FloatArray]:
    """Signals (N,) of files at the encoder's rate. A line about each file that cannot be used goes to `left_out`."""
    signals = []
    for file in files:
        try:
            heard = Recording.open(file, encoder.sampling_rate).signal
            signal = heard.read(0, heard.samples)
            if not np.isfinite(signal).all():
                raise RequestError(f"{file} holds NaN or infinite samples")
            if is_silent(signal):
                raise RequestError(f"{file} is silent")
            signals.append(signal)
        except NovaspeechError as error:
            left_out.append(str(error))
    return signals


def loudest_part(signal: FloatArray, length: int) -> FloatArray:
    """The part of `length` samples with the most energy; a shorter signal as a whole."""
    if len(signal) <= length:
        return signal
    energy = np.concatenate([[0.0], np.cumsum(np.square(signal, dtype=np.float64))])
    start = int(np.argmax(energy[length:] - energy[:-length]))
    return signal[start : start + length]


def centred(signal: FloatArray, window: int, context: int, around: FloatArray | None) -> FloatArray:
    """A keyword in the middle of its window, with context before and after it: silence, or the signal `around`."""
    whole = np.zeros(window + 2 * context, np.float32) if around is None else around.copy()
    begin = context + (window - len(signal)) // 2
    whole[begin : begin + len(signal)] = signal
    return whole


def augment(signal: FloatArray, generator: np.random.Generator) -> FloatArray:
    """A copy that is ±10 % faster (as a tape would be), ±6 dB louder, with noise 10 to 40 dB below it."""
    speed = generator.uniform(0.9, 1.1)
    faster = np.interp(np.arange(0, len(signal) - 1, speed), np.arange(len(signal)), signal)
    level = np.sqrt(np.mean(np.square(faster))) * 10 ** (-generator.uniform(10, 40) / 20)
    louder = 10 ** (generator.uniform(-6, 6) / 20)
    return np.asarray(louder * (faster + generator.normal(0, level, len(faster))), np.float32)


def pick(signals: Sequence[FloatArray], length: int, generator: np.random.Generator) -> FloatArray | None:
    """A random part of one of the signals that are long enough."""
    long = [signal for signal in signals if len(signal) > length]
    if not long:
        return None
    signal = long[generator.integers(len(long))]
    start = int(generator.integers(len(signal) - length))
    return signal[start : start + length]
