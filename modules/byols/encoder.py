"""Windows → embeddings of BYOL-S, and the scene embedding of a recording."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator

import numpy as np
import torch

from byols.base import SAMPLE_RATE, Network
from byols.log_mel import LogMel, mean_and_deviation, safe_std, shortest_signal
from novaspeech.arrays import FloatArray
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import RequestError
from novaspeech.hooks import Log
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.passes import check_finite, refuse_absurd, to_numpy
from novaspeech.models.compute import Compute

LONGEST_ATTENTION_MS = 10 * 60 * 1000  # longest scene of cvt, whose attention over the recording takes as much memory


class BYOLSEncoder(Encoder):
    """Embeddings of windows, and of the recording as a whole.

    Log-mel spectrograms are normalised by the mean and the standard deviation of the whole recording's spectrogram.

    Args:
        network: an encoder with its weights.
        compute: device and number format; spectrograms are float32.
    """

    padding = "zeros"

    def __init__(self, network: Network, compute: Compute | None = None) -> None:
        compute = compute or Compute()
        self.network = network.for_inference().to(device=compute.device, dtype=compute.dtype)
        self.log_mel = LogMel(compute.device)
        self.mean, self.deviation, self.unusable = 0.0, 1.0, 0  # `prepared_for` sets them
        self._recording: Recording | None = None  # the recording that they belong to
        super().__init__(
            sampling_rate=SAMPLE_RATE,
            min_length=shortest_signal(network),
            dimensions={"embeddings": network.timestamp_embedding_size},
            compute=compute,
        )
        if compute.on_cpu:
            self.max_batch = 16  # measured, see BENCHMARKS.md

    def prepared_for(self, recording: Recording, log: Log) -> BYOLSEncoder:
        if recording is self._recording:
            return self
        encoder = copy.copy(self)
        encoder._recording = recording
        with self.compute.active():
            encoder.mean, encoder.deviation, encoder.unusable = mean_and_deviation(self._spectrogram(recording))
        log(f"log-mel spectrogram: mean {encoder.mean:.4f}, standard deviation {encoder.deviation:.4f}")
        return encoder

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"embeddings": self.network(self._normalised(self.log_mel.of_batch(batch)).unsqueeze(1))}

    def scene(self, recording: Recording, log: Log) -> FloatArray:
        """The embedding (D,) of a recording that the encoder is prepared for; zeros if it holds NaN.

        Raises:
            RequestError: attention over the recording would take too much memory.
            RecordingError: the recording is too short.
            ModelError: the model gave NaN or infinite values.
        """
        if self.unusable:
            log(f"{recording.name} holds NaN or infinite samples: zeros in scene, which is of the whole recording")
            return np.zeros(self.network.scene_embedding_size, np.float32)
        if self.network.margin is None and recording.duration_ms > LONGEST_ATTENTION_MS:
            raise RequestError(
                f"the scene of a recording of {recording.duration_ms / 60000:.1f} min would need attention over all of "
                f"it; with this encoder at most {LONGEST_ATTENTION_MS / 60000:g} min; untick scene, or take another one"
            )
        with self.compute.active():
            scene = to_numpy(self.network.scene(map(self._normalised, self._spectrogram(recording))))
        check_finite(scene[None], "of the whole recording", self.compute)
        return scene

    def __str__(self) -> str:
        return f"{self.compute}, encoder {type(self.network).__name__}"

    def _spectrogram(self, recording: Recording) -> Iterator[torch.Tensor]:
        """Consecutive pieces (64, frames)."""
        blocks = refuse_absurd(recording, self.sampling_rate)
        return self.log_mel.of_signal(torch.from_numpy(block).to(self.compute.device) for block in blocks)

    def _normalised(self, log_mel: torch.Tensor) -> torch.Tensor:
        return ((log_mel - self.mean) / safe_std(self.deviation)).to(self.compute.dtype)
