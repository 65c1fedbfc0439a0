"""BYOL-S (Scheidwasser-Clow et al. 2022, arXiv 2110.03414; Elbanna et al. 2022, arXiv 2203.16637) over time."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from typing_extensions import Self

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from byols.base import SAMPLE_RATE, Network
from byols.checkpoint import load_model
from byols.log_mel import LogMel, divisor, mean_and_deviation, shortest_signal
from byols.network import NETWORKS
from novaspeech.audio.buffer import WindowBatch
from novaspeech.audio.recording import Recording
from novaspeech.errors import OptionError, RequestError
from novaspeech.inference.encoder import Encoder, choose_device, choose_dtype
from novaspeech.models.downloads import fetch
from novaspeech.server import progress
from novaspeech.server.options import Options, option
from novaspeech.server.outputs import Output
from novaspeech.server.processor import SpeechProcessor

LONGEST_ATTENTION_MS = 10 * 60 * 1000  # cvt's attention spans the whole recording, and so does its memory


@dataclass(frozen=True)
class BYOLSOptions(Options):
    """The options of the module."""

    model: str = option("", text="a checkpoint file of the encoder; left empty, the published one")
    encoder: str = option("default", text="the network: default is AudioNTT", choices=tuple(NETWORKS))


class BYOLS(SpeechProcessor):
    """The server's entry."""

    options_class = BYOLSOptions
    options: BYOLSOptions
    outputs = (Output("embeddings", aliases=("embedding",)), Output("scene", whole=True))

    def load_encoder(self) -> Encoder:
        device = choose_device(self.options.device)
        network = load_model(self._checkpoint(), self.options.encoder)
        return BYOLSEncoder(network, device, choose_dtype(self.options.precision))

    def _checkpoint(self) -> str | Path:
        if self.options.model:
            return self.options.model
        published = {uri.uri_id: uri for uri in self.trainer.meta_uri}
        if self.options.encoder not in published:
            raise OptionError(
                f"there is no published checkpoint of encoder {self.options.encoder!r}; name yours in the option "
                f"'model', or choose one of {', '.join(published)}"
            )
        return fetch(published[self.options.encoder], progress.log)


class BYOLSEncoder(Encoder):
    """Embeddings of windows, and of the recording as a whole, of log-mel spectrograms that are normalised by the mean
    and the standard deviation of the whole recording's.

    Args:
        network: with its weights.
        device, dtype: where and in which number format it computes; spectrograms are float32.
    """

    padding = "zeros"

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.network = network.for_inference().to(device=device, dtype=dtype)
        self.dtype = dtype
        self.log_mel = LogMel(device)
        self.mean, self.deviation, self.unusable = 0.0, 1.0, 0  # see `adapted`
        super().__init__(
            sampling_rate=SAMPLE_RATE,
            min_length=shortest_signal(network),
            device=device,
            dimensions={"embeddings": network.timestamp_embedding_size, "scene": network.scene_embedding_size},
        )

    @property
    def best_batch(self) -> int | None:
        return 16 if self.device.type == "cpu" else None  # measured, see BENCHMARKS.md

    def adapted(self, recording: Recording, log: Callable[[str], None]) -> Self:
        encoder = copy.copy(self)
        encoder.mean, encoder.deviation, encoder.unusable = mean_and_deviation(self._spectrogram(recording))
        log(f"log-mel spectrogram: mean {encoder.mean:.4f}, standard deviation {encoder.deviation:.4f}")
        return encoder

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"embeddings": self.network(self._normalised(self.log_mel.of_batch(batch)).unsqueeze(1))}

    def encode_whole(self, recording: Recording, names: Collection[str]) -> dict[str, torch.Tensor]:
        if self.unusable:
            return {}
        if self.network.margin is None and recording.duration_ms > LONGEST_ATTENTION_MS:
            raise RequestError(
                f"the scene of a recording of {recording.duration_ms / 60000:.1f} min would need attention over all of "
                f"it; with this encoder at most {LONGEST_ATTENTION_MS / 60000:g} min; untick scene, or take another one"
            )
        return {"scene": self.network.scene(map(self._normalised, self._spectrogram(recording)))}

    def __str__(self) -> str:
        return f"{self.device}, encoder {type(self.network).__name__}"

    def _spectrogram(self, recording: Recording) -> Iterator[torch.Tensor]:
        """Consecutive pieces (64, frames)."""
        blocks = recording.blocks(self.sampling_rate)
        return self.log_mel.of_signal(torch.from_numpy(block).to(self.device) for block in blocks)

    def _normalised(self, log_mel: torch.Tensor) -> torch.Tensor:
        return ((log_mel - self.mean) / divisor(self.deviation)).to(self.dtype)
