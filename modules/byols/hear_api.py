"""BYOL-S behind the common API of HEAR 2021 (Turian et al. 2022, arXiv 2203.03022)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from typing import TypeVar

import numpy as np
import torch
from torch.nn import functional

from byols.base import CHUNK_FRAMES, SAMPLE_RATE, Network
from byols.log_mel import FRAME_HOP, SHORTEST, LogMel, mean_and_deviation, safe_std, shortest_signal
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import RequestError
from novaspeech.models.compute import Compute

REFERENCE = "reference"
NORMALIZATIONS = (REFERENCE, "recording")
WINDOWS_AT_ONCE = 16  # larger batches are slower on a CPU: 2.1 ms a window, with 512 at once 3.5
BLOCK = 10 * SAMPLE_RATE  # samples of a clip whose spectrogram is computed at once

Audio = TypeVar("Audio", torch.Tensor, list[torch.Tensor])
Clips = Sequence[torch.Tensor]


def get_scene_embeddings(
    audio: torch.Tensor | Clips, model: Network, *, normalization: str = REFERENCE
) -> torch.Tensor:
    """Embeddings of clips, one for each.

    Args:
        audio: (clips, samples), or a list of (samples,) of any lengths: mono, -1 to 1, at 16 kHz. Samples do not say
            their rate: audio at another rate gives wrong embeddings, and no error.
        model: a model of `load_model`; it stays where and as it is.
        normalization: "reference" takes the means over all clips of the call of their spectrograms' mean and
            deviation, as published. "recording" takes those of each clip, which then does not depend on other clips.

    Returns:
        Embeddings (clips, D) float32, on the audio's device.

    Raises:
        RequestError: there are no clips; a clip is no mono audio, too short, or not finite; or the normalization is
            unknown.
    """
    clips = _check(audio, model, normalization)
    device = clips[0].device
    log_mel, network = LogMel(device), model.for_inference().to(device)
    with torch.no_grad(), Compute(device).products():
        statistics = [mean_and_deviation(_pieces(log_mel, clip))[:2] for clip in clips]
        if normalization == REFERENCE:
            mean, deviation = np.mean(statistics, axis=0).tolist()
            statistics = [(mean, deviation)] * len(clips)
        scales = [(mean, safe_std(deviation)) for mean, deviation in statistics]
        return torch.cat(list(_scenes(log_mel, network, clips, scales)))


def get_timestamp_embeddings(
    audio: Audio, model: Network, frame_duration: float = 1000, hop_size: float = 50, *, normalization: str = REFERENCE
) -> tuple[Audio, Audio]:
    """An embedding for every `hop_size` ms of each clip, of the `frame_duration` ms around it; zeros beyond its ends.

    Args:
        audio, model: see `get_scene_embeddings`.
        frame_duration: length of a frame in ms.
        hop_size: time from the centre of a frame to that of the next, in ms.
        normalization: "reference" takes mean and deviation over all frames of the call and divides both by the number
            of these frames, as published: the same sound is scaled otherwise in a longer clip. "recording" takes those
            of the clip's own spectrogram.

    Returns:
        Embeddings (clips, T, D) float32 and times (clips, T) float32 in ms of the frames' centres, on the audio's
        device; for a list of clips, lists of (T, D) and (T,).

    Raises:
        RequestError: see `get_scene_embeddings`; or a frame is too short for the model, or a hop shorter than a sample.
    """
    clips = _check(audio, model, normalization, SHORTEST)
    _check_frames(frame_duration, hop_size, shortest_signal(model))
    length = round(frame_duration / 1000 * SAMPLE_RATE)
    starts = [_starts(clip, hop_size / 1000 * SAMPLE_RATE) for clip in clips]
    embeddings = _embed(model, clips, starts, length, normalization)
    times = [torch.arange(len(at), device=clips[0].device, dtype=torch.float32) * hop_size for at in starts]
    if isinstance(audio, torch.Tensor):
        return torch.stack(embeddings), torch.stack(times)
    return embeddings, times


def _check(audio: torch.Tensor | Clips, model: Network, normalization: str, shortest: int | None = None) -> Clips:
    """Clips (samples,) float32 on one device, with at least `shortest` samples; None is what the model needs."""
    if not isinstance(model, Network):
        raise RequestError(f"model is a {type(model).__name__}; it must come from byols.load_model")
    if normalization not in NORMALIZATIONS:
        raise RequestError(f"normalization is {normalization!r}; it must be one of {', '.join(NORMALIZATIONS)}")
    if isinstance(audio, torch.Tensor) and audio.ndim != 2:
        raise RequestError(
            f"audio has the shape {tuple(audio.shape)}; (clips, samples) is needed, one clip is audio[None]"
        )
    if not isinstance(audio, Sequence | torch.Tensor):
        raise RequestError(
            f"audio is a {type(audio).__name__}; it must be a tensor (clips, samples) or a list of clips"
        )
    if not len(audio):
        raise RequestError("audio holds no clips; it needs at least one")
    shortest = shortest or shortest_signal(model)
    for index, clip in enumerate(audio):
        if not isinstance(clip, torch.Tensor) or clip.ndim != 1 or not clip.is_floating_point():
            raise RequestError(f"clip {index} is no 1-D tensor of floats from -1 to 1")
        if len(clip) < shortest:
            raise RequestError(
                f"clip {index} has {len(clip)} samples ({len(clip) / SAMPLE_RATE * 1000:.1f} ms); this model needs at "
                f"least {shortest} ({shortest / SAMPLE_RATE * 1000:.1f} ms)"
            )
        if not torch.isfinite(clip).all():
            raise RequestError(f"clip {index} holds NaN or infinite samples; cut them out or replace them")
    return [clip.to(audio[0].device, torch.float32) for clip in audio]


def _embed(
    model: Network, clips: Clips, starts: Sequence[list[int]], length: int, normalization: str
) -> list[torch.Tensor]:
    """Embeddings (T, D) of each clip's frames: `length` samples from each of its `starts`."""
    device, total = clips[0].device, sum(map(len, starts))
    log_mel, network = LogMel(device), model.for_inference().to(device)

    def spectrograms(index: int) -> Iterator[torch.Tensor]:
        return _frames(log_mel, clips[index], starts[index], length)

    with torch.no_grad(), Compute(device).products():
        if normalization == REFERENCE:
            mean, deviation, _ = mean_and_deviation(chain.from_iterable(map(spectrograms, range(len(clips)))))
            scales = [(mean / total, safe_std(deviation) / total)] * len(clips)
        else:
            statistics = (mean_and_deviation(_pieces(log_mel, clip)) for clip in clips)
            scales = [(mean, safe_std(deviation)) for mean, deviation, _ in statistics]
        return [
            torch.cat([network(((piece - mean) / scale).unsqueeze(1)) for piece in spectrograms(index)])
            for index, (mean, scale) in enumerate(scales)
        ]


def _check_frames(frame_duration: float, hop_size: float, shortest: int) -> None:
    """Raises RequestError for frames of less than `shortest` samples, or a hop of less than one; both in ms."""
    if not shortest <= frame_duration * SAMPLE_RATE / 1000 < np.inf or not 1 <= hop_size * SAMPLE_RATE / 1000 < np.inf:
        raise RequestError(
            f"frame_duration {frame_duration} ms and hop_size {hop_size} ms: this model needs frames of at least "
            f"{shortest / SAMPLE_RATE * 1000:g} ms, and a hop of at least one sample ({1000 / SAMPLE_RATE} ms)"
        )


def _pieces(log_mel: LogMel, clip: torch.Tensor) -> Iterator[torch.Tensor]:
    """Spectrogram of a clip as a whole, in pieces (64, frames)."""
    return log_mel.of_signal(torch.split(clip, BLOCK))


def _scenes(
    log_mel: LogMel, network: Network, clips: Clips, scales: Sequence[tuple[float, float]]
) -> Iterator[torch.Tensor]:
    """Scenes (B, D), batch by batch. Clips of one length share a batch; a long clip goes alone and piece by piece."""
    for length, together in groupby(zip(clips, scales, strict=True), key=lambda pair: len(pair[0])):
        pairs = list(together)
        at_once = min(WINDOWS_AT_ONCE, CHUNK_FRAMES // (1 + length // FRAME_HOP))
        if not at_once:
            for clip, (mean, scale) in pairs:
                yield network.scene((piece - mean) / scale for piece in _pieces(log_mel, clip))[None]
            continue
        for first in range(0, len(pairs), at_once):
            part = pairs[first : first + at_once]
            windows = torch.stack([clip for clip, _ in part])
            means, divisors = torch.tensor([scale for _, scale in part], device=windows.device).T[:, :, None, None]
            yield network(((log_mel.of_windows(windows) - means) / divisors).unsqueeze(1))


def _starts(clip: torch.Tensor, step: float) -> list[int]:
    """First samples of the frames in a clip that is padded by half a frame at either end."""
    starts = (round(index * step) for index in range(int(len(clip) / step) + 2))
    return [start for start in starts if start <= len(clip)]


def _frames(log_mel: LogMel, clip: torch.Tensor, starts: list[int], length: int) -> Iterator[torch.Tensor]:
    """Spectrograms (B, 64, frames) of a clip's frames, batch by batch."""
    padded = functional.pad(clip, (length // 2, length - length // 2))
    for first in range(0, len(starts), WINDOWS_AT_ONCE):
        part = starts[first : first + WINDOWS_AT_ONCE]
        hops = set(np.diff(part).tolist()) or {length}
        if len(hops) == 1:
            yield log_mel.of_batch(WindowBatch(padded[part[0] : part[-1] + length], length, hops.pop()))
        else:  # the hop is no whole number of samples
            yield log_mel.of_windows(torch.stack([padded[start : start + length] for start in part]))
