"""The families of speech encoders: how each is loaded, what it hears, and where its frames lie."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import transformers
from typing_extensions import Self

from novaspeech.arrays import FloatArray
from novaspeech.audio.buffer import WindowBatch
from novaspeech.errors import RequestError, WeightsError
from novaspeech.models import filter_banks, weights
from novaspeech.models.compute import Compute
from novaspeech.models.relative_key import gather_positions
from novaspeech.models.whole import SignalNetwork


class Family(ABC):
    """A network, and what comes before it.

    Attributes:
        network: of transformers; its layers are `network.encoder.layers` or, in Whisper, `network.layers`.
        layers: its transformer layers, a `ModuleList`.
        sampling_rate: in Hz.
        frame_hop, frame_length: samples from one frame to the next, and of one frame.
    """

    network: Any
    layers: Any
    sampling_rate: int
    frame_hop: int
    frame_length: int

    def hear(self, blocks: Iterable[FloatArray]) -> Self:
        """The family for chunks of a recording, pieces (n,) with NaN; itself if it takes them as windows."""
        return self

    @abstractmethod
    def hidden_states(self, batch: WindowBatch) -> tuple[torch.Tensor, ...]:
        """What enters the first layer and what each layer gives, each (B, F, D)."""


def _load_without_adapter(network_class: type, folder: Path) -> Any:
    # masked_spec_embed stands in for masked frames, which only training has.
    network: Any = weights.load_pretrained(network_class, folder, may_miss=("masked_spec_embed",))
    if getattr(network.config, "add_adapter", False):
        raise WeightsError(f"{folder}: a model without adapter is needed; this one has add_adapter=True")
    return network


class RawSignal(Family):
    """wav2vec 2.0 (arXiv 2006.11477) with XLS-R and MMS, HuBERT (2106.07447), WavLM (2110.13900), UniSpeech-SAT
    (2110.05752) and data2vec-audio (2202.03555): convolutions on the signal.

    No attention mask is needed, since the windows of a batch are of one length.
    """

    def __init__(self, network_class: type, folder: Path, compute: Compute) -> None:
        extractor: Any = weights.load_extractor(transformers.Wav2Vec2FeatureExtractor, folder)
        network = _load_without_adapter(network_class, folder)
        self._run = SignalNetwork(network, bool(extractor.do_normalize), compute.device, compute.dtype)
        self.network = self._run.network
        self.layers = network.encoder.layers
        self.sampling_rate = int(extractor.sampling_rate)
        self.frame_hop, self.frame_length = self._run.frame_hop, self._run.frame_length

    def hear(self, blocks: Iterable[FloatArray]) -> Self:
        heard = copy.copy(self)
        heard._run = self._run.hear(blocks)
        return heard

    def hidden_states(self, batch: WindowBatch) -> tuple[torch.Tensor, ...]:
        return tuple(self._run(batch.windows, output_hidden_states=True).hidden_states)


class FilterBank(Family):
    """w2v-BERT 2.0 (arXiv 2312.05187): Kaldi's filter banks, two frames at a time."""

    def __init__(self, network_class: type, folder: Path, compute: Compute) -> None:
        extractor = weights.load_extractor(transformers.SeamlessM4TFeatureExtractor, folder)
        network = _load_without_adapter(network_class, folder)
        self._filter_banks = filter_banks.FilterBanks(extractor, compute.device)
        gather_positions(network)
        self.network = network.to(compute.device, compute.dtype)
        self.layers = network.encoder.layers
        self.sampling_rate = self._filter_banks.sampling_rate
        self.frame_hop, self.frame_length = self._filter_banks.frame_hop, self._filter_banks.frame_length
        self._dtype = compute.dtype

    def hear(self, blocks: Iterable[FloatArray]) -> Self:
        heard = copy.copy(self)
        heard._filter_banks = self._filter_banks.hear(blocks)
        return heard

    def hidden_states(self, batch: WindowBatch) -> tuple[torch.Tensor, ...]:
        features = self._filter_banks(batch).to(self._dtype)
        return tuple(self.network(features, output_hidden_states=True).hidden_states)


class LogMel30Seconds(Family):
    """The encoder of Whisper (arXiv 2212.04356): a log-mel spectrogram of 30 s, which its own extractor makes.

    Windows are padded to 30 s, as the extractor does it; the hidden states of frames that begin after the window's end
    are left out.
    """

    def __init__(self, network_class: type, folder: Path, compute: Compute) -> None:
        self._extractor: Any = weights.load_extractor(transformers.WhisperFeatureExtractor, folder)
        model: Any = weights.load_pretrained(network_class, folder)
        self.network = model.encoder.to(compute.device, compute.dtype)
        self.layers = self.network.layers
        self.sampling_rate = int(self._extractor.sampling_rate)
        self.frame_hop = self._extractor.hop_length * self.network.conv1.stride[0] * self.network.conv2.stride[0]
        self.frame_length = self._extractor.n_fft
        self._compute = compute

    def hidden_states(self, batch: WindowBatch) -> tuple[torch.Tensor, ...]:
        if batch.length > self._extractor.n_samples:
            raise RequestError(
                f"windows of {batch.length * 1000 // self.sampling_rate} ms are too long for Whisper, which hears "
                f"{self._extractor.chunk_length} s; make the frame or a context shorter"
            )
        windows = list(batch.windows.cpu().numpy())
        made = self._extractor(
            windows, sampling_rate=self.sampling_rate, return_tensors="pt", device=str(self._compute.device)
        )
        features = made.input_features.to(self._compute.device, self._compute.dtype)
        count = -(-batch.length // self.frame_hop)
        states = self.network(features, output_hidden_states=True).hidden_states
        return tuple(layer[:, :count] for layer in states)


# model_type of config.json → class of transformers, and its family.
FAMILIES: dict[str, tuple[type, Callable[[type, Path, Compute], Family]]] = {
    "data2vec-audio": (transformers.Data2VecAudioModel, RawSignal),
    "hubert": (transformers.HubertModel, RawSignal),
    "unispeech-sat": (transformers.UniSpeechSatModel, RawSignal),
    "wav2vec2": (transformers.Wav2Vec2Model, RawSignal),
    "wav2vec2-bert": (transformers.Wav2Vec2BertModel, FilterBank),
    "wavlm": (transformers.WavLMModel, RawSignal),
    "whisper": (transformers.WhisperModel, LogMel30Seconds),
}


def load_family(folder: Path, compute: Compute) -> Family:
    """The network in a folder, on its device.

    Raises:
        WeightsError: the folder cannot be used.
    """
    config: Any = weights.load_config(transformers.AutoConfig, folder)
    network_class, family = FAMILIES[config.model_type]
    return family(network_class, folder, compute)
