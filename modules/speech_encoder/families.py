"""The families of speech encoders: loading, input features and frames of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import RequestError
from novaspeech.models import weights
from novaspeech.models.compute import Compute
from novaspeech.models.frames import FrameModel, Front, Network, TorchNetwork
from novaspeech.models.onnx.exported import OnnxNetwork
from novaspeech.models.wav2vec2 import refuse_adapter, signal_model
from novaspeech.models.wav2vec2_bert import load_wav2vec2_bert
from speech_encoder.gated_attention import gate_positions


def raw_signal(network_class: type, config: Any, folder: Path, compute: Compute) -> FrameModel:
    """Loads encoders with convolutions on the signal; no attention mask, since a batch's windows have one length.

    They are wav2vec 2.0 (arXiv 2006.11477) with XLS-R and MMS, HuBERT (2106.07447), WavLM (2110.13900), UniSpeech-SAT
    (2110.05752) and data2vec-audio (2202.03555).
    """
    refuse_adapter(config, folder)
    network: Any = None
    if not compute.providers:
        # masked_spec_embed stands in for masked frames, which only training has.
        network = weights.load_pretrained(network_class, folder, may_miss=("masked_spec_embed",))
        if isinstance(network, transformers.WavLMModel):
            gate_positions(network)
    return signal_model(network, config, folder, compute)


def log_mel_30_seconds(network_class: type, config: Any, folder: Path, compute: Compute) -> FrameModel:
    """Loads the encoder of Whisper (arXiv 2212.04356)."""
    front = LogMel30Seconds(config, folder, compute)
    if compute.providers:
        network: Network = OnnxNetwork(folder, compute)
    else:
        model: Any = weights.load_pretrained(network_class, folder)
        network = TorchNetwork(model.encoder, model.encoder.layers, compute)
    return FrameModel(front, network, int(config.d_model), folder)


class LogMel30Seconds(Front):
    """A log-mel spectrogram of 30 s by Whisper's own extractor, which pads windows to 30 s.

    Frames that begin after the window's end do not count.
    """

    def __init__(self, config: Any, folder: Path, compute: Compute) -> None:
        self._extractor: Any = weights.load_extractor(transformers.WhisperFeatureExtractor, folder)
        self.sampling_rate = int(self._extractor.sampling_rate)
        self.frame_hop: int = self._extractor.hop_length * self._extractor.nb_max_frames // config.max_source_positions
        self.frame_length: int = self._extractor.n_fft
        self._compute = compute

    def frame_count(self, samples: int) -> int:
        return -(-samples // self.frame_hop)

    def samples_used(self, samples: int) -> int:
        return samples

    def __call__(self, batch: WindowBatch) -> torch.Tensor:
        """Spectrograms (B, bands, 3000) of a batch; RequestError for windows longer than 30 s."""
        if batch.length > self._extractor.n_samples:
            raise RequestError(
                f"windows of {batch.length * 1000 // self.sampling_rate} ms are too long for Whisper, which hears "
                f"{self._extractor.chunk_length} s; make the frame or a context shorter"
            )
        windows, device = list(batch.windows.cpu().numpy()), self._compute.device
        made = self._extractor(windows, sampling_rate=self.sampling_rate, return_tensors="pt", device=str(device))
        features: torch.Tensor = made.input_features.to(device, self._compute.dtype)
        return features


# The config's model_type → class of transformers, and function that loads it.
FAMILIES: dict[str, tuple[type, Callable[[type, Any, Path, Compute], FrameModel]]] = {
    "data2vec-audio": (transformers.Data2VecAudioModel, raw_signal),
    "hubert": (transformers.HubertModel, raw_signal),
    "unispeech-sat": (transformers.UniSpeechSatModel, raw_signal),
    "wav2vec2": (transformers.Wav2Vec2Model, raw_signal),
    # w2v-BERT 2.0 (arXiv 2312.05187) takes Kaldi's filter banks, two frames at a time.
    "wav2vec2-bert": (transformers.Wav2Vec2BertModel, lambda _class, _config, *rest: load_wav2vec2_bert(*rest)),
    "wavlm": (transformers.WavLMModel, raw_signal),
    "whisper": (transformers.WhisperModel, log_mel_30_seconds),
}


def load_family(folder: Path, compute: Compute) -> FrameModel:
    """The model in a folder, on its device; WeightsError if the folder cannot be used."""
    config: Any = weights.from_json(transformers.AutoConfig, folder / "config.json")
    network_class, load = FAMILIES[config.model_type]
    return load(network_class, config, folder, compute)
