"""Loading of wav2vec 2.0 (Baevski et al. 2020, arXiv 2006.11477) and its kin, for the modules on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.utils import parametrize
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor

from novaspeech.errors import WeightsError
from novaspeech.models import weights
from novaspeech.models.compute import Compute
from novaspeech.models.fast.convolutions import ChannelsLastConvolutions, FirstConvolution, has_group_norm
from novaspeech.models.frames import FrameModel, TorchNetwork
from novaspeech.models.front import SignalFront
from novaspeech.models.onnx.exported import OnnxConvolutions, OnnxNetwork, load_first, load_kept


def load_wav2vec2(model_class: type, folder: Path, compute: Compute, may_miss: tuple[str, ...] = ()) -> Any:
    """A model on a wav2vec 2.0, in float32 on the CPU, from a folder by `save_pretrained` or by `novaspeech export`.

    Args:
        model_class: class with the backbone as `wav2vec2`, which is absent if onnxruntime is to run it.
        may_miss: weights that inference does not use.

    Raises:
        WeightsError: the folder cannot be used, or holds a model with an adapter, whose frames differ.
    """
    config: Any = weights.from_json(Wav2Vec2Config, folder / "config.json")
    refuse_adapter(config, folder)
    if compute.providers:
        return load_kept(model_class, config, folder, "wav2vec2", may_miss)
    # masked_spec_embed stands in for masked frames, which only training has.
    return weights.load_pretrained(model_class, folder, may_miss=("wav2vec2.masked_spec_embed", *may_miss))


def backbone_of(model: Any, folder: Path, compute: Compute) -> FrameModel:
    """The backbone of a `load_wav2vec2` on its device, changed for speed: it cannot be saved any more."""
    return signal_model(getattr(model, "wav2vec2", None), model.config, folder, compute)


def refuse_adapter(config: Any, folder: Path) -> None:
    """Raises WeightsError if a model's frames go through an adapter, which makes fewer of them."""
    if getattr(config, "add_adapter", False):
        raise WeightsError(f"{folder}: a model without adapter is needed; this one has add_adapter=True")


def signal_model(network: Any, config: Any, folder: Path, compute: Compute) -> FrameModel:
    """A model of hidden states from raw signal.

    Args:
        network: a transformers `Wav2Vec2Model` or one of its kin, which is changed; None if onnxruntime runs it.
    """
    extractor = weights.load_extractor(Wav2Vec2FeatureExtractor, folder)
    first = load_first(config, folder) if network is None and has_group_norm(config) else None
    if network is None:
        runs: Any = OnnxNetwork(folder, compute)
        convolutions: Any = OnnxConvolutions(folder, compute)
    else:
        _take_off_weight_norm(network)
        if has_group_norm(config):
            layer = network.feature_extractor.conv_layers[0]
            first = FirstConvolution(config, layer.conv.weight[:, 0], layer.layer_norm.weight, layer.layer_norm.bias)
        convolutions = ChannelsLastConvolutions(network.feature_extractor, config).to(compute.device, compute.dtype)
        network.feature_extractor = nn.Identity()
        runs = TorchNetwork(network, network.encoder.layers, compute)
    front = SignalFront(config, extractor, convolutions, first, compute)
    return FrameModel(front, runs, int(config.hidden_size), folder)


def _take_off_weight_norm(network: Any) -> None:
    """Removes the weight norm of the positional convolution, which only training needs."""
    convolution = getattr(network.encoder.pos_conv_embed, "conv", None)  # data2vec has several, without such a norm
    if convolution is not None and parametrize.is_parametrized(convolution):
        parametrize.remove_parametrizations(convolution, "weight")
