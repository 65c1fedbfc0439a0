"""The log-mel spectrogram of BYOL-S, for recordings piece by piece, and for many windows at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch.nn import functional

from byols.base import MELS, SAMPLE_RATE, Network
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import RecordingError

# The checkpoints were trained with these settings.
FRAME_LENGTH = 400  # 25 ms
FRAME_HOP = 160  # 10 ms
FFT_LENGTH = 1024
LOWEST_HZ, HIGHEST_HZ = 60, 7800
OFFSET = torch.finfo(torch.float32).eps  # added before the logarithm

REACH = FRAME_LENGTH // 2  # samples of a frame on either side of its centre
SHORTEST = FFT_LENGTH // 2 + 1  # samples of the shortest signal; the reference mirrors half an FFT at either end
NO_DEVIATION = 1e-5  # largest deviation of digital silence, whose values differ by rounding only


class LogMel:
    """Log power in 64 mel bands (HTK's scale, 60 to 7800 Hz), a frame every 10 ms.

    Frame t is centred on sample 160 t, and the signal is mirrored beyond its ends. Only the 400 samples under the Hann
    window are transformed: their place among the zeros that make them 1024 changes the phase, not the power.
    """

    def __init__(self, device: torch.device) -> None:
        self._mel = mel_bands(MELS, LOWEST_HZ, HIGHEST_HZ, SAMPLE_RATE, FFT_LENGTH).to(device)
        self._taper = torch.hann_window(FRAME_LENGTH, device=device)

    def of_windows(self, windows: torch.Tensor) -> torch.Tensor:
        """Windows (B, N) float32, N at least `SHORTEST` → spectrograms (B, 64, 1 + N // 160)."""
        return self._frames(functional.pad(windows, (REACH, REACH), mode="reflect"))

    def of_batch(self, batch: WindowBatch) -> torch.Tensor:
        """The spectrograms of `of_windows` for a batch; frames that its windows share are computed once."""
        # No mirrored sample enters the frames from first to last.
        first, last = -(-REACH // FRAME_HOP), (batch.length - REACH) // FRAME_HOP
        if batch.hop % FRAME_HOP or batch.hop >= batch.length or last < first:
            return self.of_windows(batch.windows)
        shared = self._frames(batch.signal[first * FRAME_HOP - REACH :])
        inner = shared.unfold(1, last - first + 1, batch.hop // FRAME_HOP).transpose(0, 1)
        start = batch.windows[:, : (first - 1) * FRAME_HOP + REACH]
        end = batch.windows[:, (last + 1) * FRAME_HOP - REACH :]
        before = self._frames(functional.pad(start, (REACH, 0), mode="reflect"))
        after = self._frames(functional.pad(end, (0, REACH), mode="reflect"))
        return torch.cat([before, inner, after], dim=2)

    def of_signal(self, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Consecutive pieces (64, frames) for those (n,) of a signal; RecordingError if it is too short."""
        held, started = self._taper[:0], False
        for block in blocks:
            held = torch.cat([held, block])
            if not started and len(held) >= SHORTEST:
                held, started = torch.cat([held[1 : REACH + 1].flip(0), held]), True
            if started and len(held) >= FRAME_LENGTH:
                yield self._frames(held)
                held = held[(len(held) - FRAME_LENGTH) // FRAME_HOP * FRAME_HOP + FRAME_HOP :]
        if not started:
            raise RecordingError(
                f"{len(held) / SAMPLE_RATE * 1000:.1f} ms of audio are too short for a log-mel spectrogram of BYOL-S, "
                f"which needs {SHORTEST / SAMPLE_RATE * 1000:.1f} ms"
            )
        yield self._frames(torch.cat([held, held[-REACH - 1 : -1].flip(0)]))

    def _frames(self, signal: torch.Tensor) -> torch.Tensor:
        """Signal (…, N) → (…, 64, frames), the first frame at the signal's start."""
        spectrum = torch.fft.rfft(signal.unfold(-1, FRAME_LENGTH, FRAME_HOP) * self._taper, n=FFT_LENGTH)
        power = torch.view_as_real(spectrum).square().sum(-1)
        return (power @ self._mel.T + OFFSET).log().transpose(-1, -2)


def mel_bands(bands: int, lowest_hz: float, highest_hz: float, sampling_rate: int, fft_length: int) -> torch.Tensor:
    """Weights (bands, fft_length / 2 + 1) float32 of each FFT bin's power in each band; `fft_length` is even.

    The bands are triangles of height 1. Each begins at the middle of the one before and ends at the middle of the next.
    The middles are equally spaced on the mel scale of HTK, 2595 log10(1 + f / 700) (O'Shaughnessy 1987).
    """
    bins = torch.linspace(0, sampling_rate / 2, fft_length // 2 + 1, dtype=torch.float64)
    lowest, highest = (2595 * math.log10(1 + frequency / 700) for frequency in (lowest_hz, highest_hz))
    mels = torch.linspace(lowest, highest, bands + 2, dtype=torch.float64)
    edges = (700 * (10 ** (mels / 2595) - 1)).unsqueeze(1)
    begin, middle, end = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - begin) / (middle - begin), (end - bins) / (end - middle)
    return torch.minimum(rising, falling).clamp_min(0).float()


def shortest_signal(network: Network) -> int:
    """Samples of the shortest signal that an encoder has an embedding for."""
    return max(SHORTEST, (network.min_frames - 1) * FRAME_HOP)


def mean_and_deviation(spectrograms: Iterable[torch.Tensor]) -> tuple[float, float, int]:
    """Mean and standard deviation of all values, and the number of frames that were left out as not finite.

    Pieces are (…, 64, frames). Mean and deviation are 0 if there are no finite frames.
    """
    count, mean, squares, broken = 0, 0.0, 0.0, 0
    for piece in spectrograms:
        finite = torch.isfinite(piece).all(dim=-2)
        broken += int((~finite).sum())
        values = piece if finite.all() else piece.transpose(-1, -2)[finite]
        if not values.numel():
            continue
        variance, middle = (float(value) for value in torch.var_mean(values, correction=0))
        # Moments of two parts are joined as Chan, Golub and LeVeque 1983 do it.
        added, step = values.numel(), middle - mean
        squares += variance * added + step**2 * count * added / (count + added)
        mean += step * added / (count + added)
        count += added
    return mean, (squares / (count - 1)) ** 0.5 if count else 0.0, broken


def safe_std(deviation: float) -> float:
    """A standard deviation to divide by: 1 for digital silence, which has none."""
    return deviation if deviation > NO_DEVIATION else 1.0
