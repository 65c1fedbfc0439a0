"""Kaldi's log mel filter banks, the features of w2v-BERT 2.0, for a whole batch on the model's device."""

from __future__ import annotations

import numpy as np
import torch
from transformers import SeamlessM4TFeatureExtractor

from novaspeech.audio.signal import Signal
from novaspeech.audio.windows import Statistics, WindowBatch, chunk_batches, sent, usable_windows
from novaspeech.models.frames import Front

FRAME_LENGTH = 400  # 25 ms at 16 kHz; fixed in SeamlessM4TFeatureExtractor, as are the next four
FRAME_HOP = 160  # 10 ms at 16 kHz
FFT_LENGTH = 512
PREEMPHASIS = 0.97
LOG_FLOOR = 1.192092955078125e-07
INT16_SCALE = 2**15  # Kaldi counts amplitude in 16-bit steps
VARIANCE_FLOOR = 1e-7
FRAMES_AT_ONCE = 3000  # maximum frames in one pass for statistics


class FilterBanks(Front):
    """The features of `SeamlessM4TFeatureExtractor`, bit for bit on the CPUs tested.

    Kaldi's log mel filter banks, scaled to zero mean and unit variance per band and window, neighbouring frames
    stacked. An odd last frame, which the extractor pads and masks, is left out: no mask is needed, and no padding
    enters the mean over time.

    Numbers are rounded where the extractor rounds them. In a window that is mostly digital silence the bands differ
    by that rounding alone, and the model's first layer norm makes that 5e-3 in the embedding.

    Args:
        device: device of the computation; MPS, which has no float64, computes in float32 throughout.

    Attributes:
        stacked: filter bank frames that make one frame of the model.
        frame_hop, frame_length: samples from one frame of the model to the next, and samples of one.
    """

    def __init__(self, extractor: SeamlessM4TFeatureExtractor, device: torch.device) -> None:
        self.sampling_rate: int = extractor.sampling_rate
        self.stacked: int = extractor.stride
        self.frame_hop: int = FRAME_HOP * self.stacked
        self.frame_length: int = FRAME_LENGTH + FRAME_HOP * (self.stacked - 1)
        self._real = torch.float32 if device.type == "mps" else torch.float64
        self._mel = torch.as_tensor(np.asarray(extractor.mel_filters), dtype=self._real, device=device)
        self._taper = torch.as_tensor(np.asarray(extractor.window), dtype=self._real, device=device)

    def statistics_of(self, signal: Signal) -> Statistics:
        """Mean and deviation (1, bands) of each band over a recording. Frames with bad samples do not count."""
        count = 0
        moments = []  # sums of each batch, on the device, so that nothing waits for them
        for _, batch, _ in chunk_batches(signal, FRAME_LENGTH, FRAME_HOP, FRAMES_AT_ONCE):
            if batch.length < FRAME_LENGTH:
                break
            frames = batch.to(self._mel.device).windows
            finite = usable_windows(batch.signal.numpy(), len(batch), FRAME_LENGTH, FRAME_HOP)
            if not finite.all():
                frames = frames[sent(torch.from_numpy(np.flatnonzero(finite)), frames.device)]
            log_mel = self._log_mel(frames).to(self._real)
            count += len(log_mel)
            moments.append(torch.stack([log_mel.sum(dim=0), log_mel.square().sum(dim=0)]))
        bands = self._mel.shape[1]
        if count < 2:
            return torch.zeros(1, bands), torch.ones(1, bands)
        total, squares = torch.stack(moments).cpu().double().sum(dim=0)
        mean = total / count
        variance = ((squares - count * mean.square()) / (count - 1)).clamp_min(0)
        return mean.float()[None], (variance + VARIANCE_FLOOR).sqrt().float()[None]

    def __call__(self, batch: WindowBatch) -> torch.Tensor:
        """Features (B, frames // stacked, bands * stacked) float32, one row a window."""
        count = (batch.length - FRAME_LENGTH) // FRAME_HOP + 1
        kept = self.frame_count(batch.length)
        if batch.hop % FRAME_HOP == 0:
            # Frames of neighbouring windows coincide: each is computed once.
            shared = self._log_mel(batch.signal.unfold(0, FRAME_LENGTH, FRAME_HOP))
            log_mel = shared.unfold(0, count, batch.hop // FRAME_HOP).transpose(1, 2)
        else:
            log_mel = self._log_mel(batch.windows.unfold(1, FRAME_LENGTH, FRAME_HOP))
        return self._normalize(log_mel, batch.statistics)[:, : kept * self.stacked].reshape(len(batch), kept, -1)

    def _log_mel(self, frames: torch.Tensor) -> torch.Tensor:
        """Log energy (..., bands) float32 of frames (..., FRAME_LENGTH)."""
        frames = frames.to(self._real) * INT16_SCALE
        frames = frames - frames.mean(-1, keepdim=True)
        previous = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
        spectrum = torch.fft.rfft((frames - PREEMPHASIS * previous) * self._taper, n=FFT_LENGTH)
        magnitude = torch.view_as_real(spectrum).float().to(self._real).square().sum(-1)
        return (magnitude @ self._mel).clamp_min(LOG_FLOOR).log().float()

    def _normalize(self, log_mel: torch.Tensor, statistics: Statistics) -> torch.Tensor:
        """(B, frames, bands) → the same with mean 0 and variance 1 over frames, the window's or the recording's."""
        if statistics:
            mean, deviation = statistics
            return (log_mel - mean.unsqueeze(1)) / deviation.unsqueeze(1)
        count = log_mel.shape[1]
        centred = log_mel - (_sum_like_numpy(log_mel) / count).unsqueeze(1)
        variance = _sum_like_numpy(centred * centred) / (count - 1)
        # torch's float32 root is not always the nearest number, its float64 root rounded to float32 is.
        deviation = (variance + VARIANCE_FLOOR).to(self._real).sqrt().float()
        return centred / deviation.unsqueeze(1)


def _sum_like_numpy(values: torch.Tensor) -> torch.Tensor:
    """(B, F, C) float32 → (B, C), summed over F in the order of NumPy's pairwise summation."""
    count = values.shape[1]
    if count > 128:
        half = count // 2 // 8 * 8
        return _sum_like_numpy(values[:, :half]) + _sum_like_numpy(values[:, half:])
    whole = count // 8 * 8
    if not whole:
        return _sum_in_order(values)
    eight = values[:, :8]
    for start in range(8, whole, 8):
        eight = eight + values[:, start : start + 8]
    pairs = eight[:, 0::2] + eight[:, 1::2]
    quads = pairs[:, 0::2] + pairs[:, 1::2]
    total = quads[:, 0] + quads[:, 1]
    return _sum_in_order(torch.cat([total.unsqueeze(1), values[:, whole:]], dim=1))


def _sum_in_order(values: torch.Tensor) -> torch.Tensor:
    total = values[:, 0]
    for row in range(1, values.shape[1]):
        total = total + values[:, row]
    return total
