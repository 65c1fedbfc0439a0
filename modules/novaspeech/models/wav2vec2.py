"""What modules on wav2vec 2.0 (Baevski et al. 2020, arXiv 2006.11477) share: loading, input, fast convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor

from novaspeech.errors import WeightsError
from novaspeech.models import weights

# Samples that pass through the convolutions at once on a CPU. After the first layer 1 s has 3,200 steps of 512
# channels, 6.5 MB: many windows at once only fall out of its caches.
CHUNK_SAMPLES = 80_000


@dataclass(frozen=True)
class Wav2Vec2:
    """A model on a wav2vec 2.0, in float32 on the CPU.

    Attributes:
        model: of transformers, or one of ours; its backbone is `model.wav2vec2`.
        config: its `Wav2Vec2Config`.
        standardised: whether it hears windows of zero mean and unit variance.
        sampling_rate: in Hz.
    """

    model: Any
    config: Any
    standardised: bool
    sampling_rate: int


def load_wav2vec2(model_class: type, folder: Path, may_miss: tuple[str, ...] = ()) -> Wav2Vec2:
    """A model on a wav2vec 2.0 from a folder.

    Args:
        model_class: has the backbone as `wav2vec2`.
        folder: as `save_pretrained` writes it, with its preprocessor_config.json.
        may_miss: weights that inference does not use.

    Raises:
        WeightsError: the folder cannot be used, or holds a model with an adapter, whose frames are others.
    """
    extractor: Any = weights.load_extractor(Wav2Vec2FeatureExtractor, folder)
    config: Any = weights.load_config(Wav2Vec2Config, folder)
    if config.add_adapter:
        raise WeightsError(f"{folder}: a model without adapter is needed; this one has add_adapter=True")
    # masked_spec_embed stands in for masked frames, which only training has.
    model: Any = weights.load_pretrained(model_class, folder, may_miss=("wav2vec2.masked_spec_embed", *may_miss))
    return Wav2Vec2(model, config, bool(extractor.do_normalize), int(extractor.sampling_rate))


def prepare_for_inference(model: Any) -> None:
    """Makes a transformers `Wav2Vec2Model`, or one of its kin such as HuBERT, compute the same faster.

    It cannot be saved any more then.
    """
    convolution = getattr(model.encoder.pos_conv_embed, "conv", None)  # data2vec has several, without such a norm
    if convolution is not None and parametrize.is_parametrized(convolution):  # its weight norm is for training
        parametrize.remove_parametrizations(convolution, "weight")
    model.feature_extractor = fast_convolutions(model.feature_extractor, model.config)


def standardise(windows: torch.Tensor) -> torch.Tensor:
    """Each window with zero mean and unit variance, as `Wav2Vec2FeatureExtractor` does it.

    Args:
        windows: (B, N) float32.
    """
    variance, mean = torch.var_mean(windows, dim=1, keepdim=True, correction=0)
    return (windows - mean) / torch.sqrt(variance + 1e-7)


def frame_geometry(config: Any) -> tuple[int, int]:
    """Samples from one hidden state to the next, and samples that one is computed from: 320 and 400 as published.

    Args:
        config: a `Wav2Vec2Config`.
    """
    hop, length = 1, 1
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        length += (kernel - 1) * hop
        hop *= stride
    return hop, length


def fast_convolutions(extractor: Any, config: Any) -> Any:
    """`ChannelsLastConvolutions` where they can stand in for transformers' own, else these.

    Args:
        extractor: `feature_extractor` of a transformers `Wav2Vec2Model`.
        config: that model's.
    """
    overlapping = all(kernel >= stride for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True))
    return ChannelsLastConvolutions(extractor, config) if overlapping else extractor


class ChannelsLastConvolutions(nn.Module):
    """The convolutions of a wav2vec 2.0 as matrix products over (time, channels).

    Same weights, same numbers up to the order of summation. All windows lie one after the other in one matrix, each
    padded to whole hops, so that a layer's stride is a reshape, and a kernel longer than its stride takes its rest from
    the next row. Layer norms then find their channels side by side. A group norm, which looks along each window's time,
    is left to transformers with the first convolution, the only one that has it.

    Args:
        extractor: `feature_extractor` of a transformers `Wav2Vec2Model`.
        config: that model's.

    Attributes:
        chunk_samples: of signal that pass through at once on a CPU; None for all.
    """

    def __init__(self, extractor: Any, config: Any) -> None:
        super().__init__()
        self.hop, self.length = frame_geometry(config)
        self.chunk_samples: int | None = CHUNK_SAMPLES
        grouped = getattr(config, "feat_extract_norm", "layer") == "group"  # data2vec has nothing but layer norms
        self.first = extractor.conv_layers[0] if grouped else None
        self.first_hop = config.conv_stride[0] if grouped else 1
        self.layers = nn.ModuleList(_Layer(layer) for layer in extractor.conv_layers[int(grouped) :])

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Features (B, C, F) of windows (B, N), in the layout that transformers expects."""
        if self.chunk_samples is None or windows.device.type != "cpu":
            return self._features(windows).transpose(1, 2)
        parts = torch.split(windows, max(1, self.chunk_samples // windows.shape[1]))
        return torch.cat([self._features(part) for part in parts]).transpose(1, 2)

    def _features(self, windows: torch.Tensor) -> torch.Tensor:
        batch, samples = windows.shape
        values = windows.unsqueeze(2) if self.first is None else self.first(windows.unsqueeze(1)).transpose(1, 2)
        hops = (samples + self.hop - 1) // self.hop
        count = hops * (self.hop // self.first_hop)
        rows = functional.pad(values, (0, 0, 0, count - values.shape[1])).reshape(batch * count, values.shape[2])
        for layer in self.layers:
            rows = layer(rows)
        frames = (samples - self.length) // self.hop + 1
        # Not a slice, whose length an export could not know.
        return rows.reshape(batch, hops, rows.shape[1]).narrow(1, 0, frames)


class _Layer(nn.Module):
    """One convolution with its layer norm, if it has one, and activation: (rows, channels) → (rows / stride, channels).

    The last rows of a window reach into the next one; `ChannelsLastConvolutions` leaves out the frame that they end in.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.stride = layer.conv.stride[0]
        weight = layer.conv.weight.detach()  # (out, in, kernel)
        self.weight = nn.Parameter(weight.permute(2, 1, 0).reshape(-1, weight.shape[0]).contiguous())
        self.bias = layer.conv.bias
        self.layer_norm = getattr(layer, "layer_norm", nn.Identity())
        self.activation = layer.activation

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        width = self.stride * rows.shape[1]
        blocks = rows.reshape(-1, width)
        pieces = [blocks]
        for shift, begin in enumerate(range(width, self.weight.shape[0], width), 1):
            rest = min(width, self.weight.shape[0] - begin)
            pieces.append(functional.pad(blocks[shift:, :rest], (0, 0, 0, shift)))
        result = torch.cat(pieces, dim=1) @ self.weight if len(pieces) > 1 else blocks @ self.weight
        return self.activation(self.layer_norm(result if self.bias is None else result + self.bias))  # type: ignore[no-any-return]
