"""What a keyword classifier learns from: recorded examples and background as features."""

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
from wav2vec2_kws.search.silence import is_silent, sounding_part

CONTEXT_S = 1.0  # around an example's window, so that it is encoded as it would be within a recording
PIECE_S = 10  # of background, which count as one file in cross-validation


@dataclass(frozen=True)
class TrainingSet:
    """Features of examples and background.

    Attributes:
        features: (n, PARTS * D).
        labels: (n,) keyword or `BACKGROUND`.
        groups: (n,) number of the file, or of the piece of background.
        original: (n,) whether it is no augmented copy.
        lengths: keyword → frames of each example.
    """

    features: FloatArray
    labels: np.ndarray
    groups: np.ndarray
    original: np.ndarray
    lengths: dict[str, list[int]]


def gather(
    files: dict[str, list[Path]], inference: Inference, window: int, copies: int, left_out: list[str]
) -> TrainingSet:
    """Features of all files; what cannot be used is added to `left_out`.

    Args:
        window: in samples.
    """
    generator, encoder = np.random.default_rng(0), inference.encoder
    assert isinstance(encoder, FrameEncoder)
    background, rows = _read_all(files[BACKGROUND], encoder, left_out), _Rows(inference, encoder, window)
    lengths: dict[str, list[int]] = {name: [] for name in files if name != BACKGROUND}
    group = 0
    for name in tqdm(lengths, unit="keyword", dynamic_ncols=True, disable=None):
        for example in _read_all(files[name], encoder, left_out):
            start, end = sounding_part(example, encoder)
            part = loudest_part((example - example.mean())[start:end], window)
            lengths[name].append(max(1, len(part) // encoder.frame_hop))
            for copy in range(copies + 1):
                said = augment(part, generator)[:window] if copy else part
                around = pick(background, window + 2 * rows.context, generator) if copy else None
                rows.add(centred(said, window, rows.context, around), name, group, original=not copy)
            group += 1
    for signal in background:
        for begin in range(0, len(signal), PIECE_S * encoder.sampling_rate):
            piece = signal[begin : begin + PIECE_S * encoder.sampling_rate]
            if len(piece) >= window:
                rows.add_background(piece, group)
                group += 1
    return rows.material(lengths)


class _Rows:
    """Features with what they belong to."""

    def __init__(self, inference: Inference, encoder: FrameEncoder, window: int) -> None:
        self._inference, self._encoder = inference, encoder
        self._window = window // encoder.frame_hop
        # Whole frames, so that the window's are known.
        self.context = int(CONTEXT_S * encoder.sampling_rate) // encoder.frame_hop * encoder.frame_hop
        self._rows: list[tuple[FloatArray, str, int, bool]] = []

    def add(self, signal: FloatArray, name: str, group: int, *, original: bool) -> None:
        """An example within its context."""
        begin = self.context // self._encoder.frame_hop
        frames = self._frames(signal)[begin : begin + self._window]
        self._rows.append((pool_windows(frames, self._window), name, group, original))

    def add_background(self, signal: FloatArray, group: int) -> None:
        """A piece of background, one window every half window."""
        frames = self._frames(signal)
        if len(frames) >= self._window:
            features = pool_windows(frames, self._window, max(1, self._window // 2))
            self._rows.append((features, BACKGROUND, group, True))

    def material(self, lengths: dict[str, list[int]]) -> TrainingSet:
        """All rows."""
        if not self._rows:
            raise RequestError("no recording of the folder can be used; there is nothing to learn from")
        counts = [len(features) for features, _, _, _ in self._rows]
        columns = [np.repeat([row[index] for row in self._rows], counts) for index in (1, 2, 3)]
        return TrainingSet(np.concatenate([row[0] for row in self._rows]), columns[0], columns[1], columns[2], lengths)

    def _frames(self, signal: FloatArray) -> FloatArray:
        recording = Recording.of_samples(signal, self._encoder.sampling_rate, "example", self._encoder.sampling_rate)
        return hidden_states(recording, self._inference)


def _read_all(files: Sequence[Path], encoder: FrameEncoder, left_out: list[str]) -> list[FloatArray]:
    """The signals of files (N,) at the encoder's rate; what cannot be used is added to `left_out`."""
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
    """The part of so many samples with the most energy; all of a shorter signal."""
    if len(signal) <= length:
        return signal
    energy = np.concatenate([[0.0], np.cumsum(np.square(signal, dtype=np.float64))])
    start = int(np.argmax(energy[length:] - energy[:-length]))
    return signal[start : start + length]


def centred(signal: FloatArray, window: int, context: int, around: FloatArray | None) -> FloatArray:
    """A keyword in the middle of its window, with context before and after: silence, or what is given."""
    whole = np.zeros(window + 2 * context, np.float32) if around is None else around.copy()
    begin = context + (window - len(signal)) // 2
    whole[begin : begin + len(signal)] = signal
    return whole


def augment(signal: FloatArray, generator: np.random.Generator) -> FloatArray:
    """A copy that is ±10 % faster (as a tape would be), ±6 dB louder, with noise 10 to 40 dB below it."""
    speed = generator.uniform(0.9, 1.1)
    places = np.arange(0, len(signal) - 1, speed)
    faster = np.interp(places, np.arange(len(signal)), signal)
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
