"""Windows → embeddings of BYOL-S, and the scene embedding of a recording."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import torch

from byols.base import SAMPLE_RATE, Network
from byols.log_mel import LogMel, mean_and_deviation, safe_std, shortest_signal
from novaspeech.arrays import FloatArray
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import Statistics, WindowBatch
from novaspeech.errors import RequestError
from novaspeech.hooks import Log
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.passes import check_finite
from novaspeech.models.compute import CPU_FLOAT32, Compute

LONGEST_ATTENTION_MS = 10 * 60 * 1000  # longest scene of cvt, whose attention over the recording takes as much memory


class BYOLSEncoder(Encoder):
    """Embeddings of windows, and of the recording as a whole.

    Log-mel spectrograms are normalised by the mean and the standard deviation of the whole recording's spectrogram.
    """

    padding = "zeros"

    def __init__(self, network: Network, compute: Compute = CPU_FLOAT32) -> None:
        self.network = network.for_inference().to(device=compute.device, dtype=compute.dtype)
        self.log_mel = LogMel(compute.device)
        self._known: tuple[Recording, Statistics] | None = None  # the last recording, and its statistics
        super().__init__(
            sampling_rate=SAMPLE_RATE,
            min_length=shortest_signal(network),
            dimensions={"embeddings": network.timestamp_embedding_size},
            compute=compute,
        )
        if compute.on_cpu:
            self.max_batch = 16  # 2.1 ms a window; 512 at once take 3.5

    def statistics_of(self, recording: Recording, log: Log) -> Statistics:
        """Mean and divisor of a recording's spectrogram, and how many of its frames cannot be used, (1,) each."""
        if self._known is None or self._known[0] is not recording:
            with self.compute.active():
                mean, deviation, unusable = mean_and_deviation(self._spectrogram(recording))
            log(f"log-mel spectrogram: mean {mean:.4f}, standard deviation {deviation:.4f}")
            found = (mean, safe_std(deviation), float(unusable))
            self._known = recording, tuple(torch.tensor([one]) for one in found)
        return self._known[1]

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        log_mel = self._normalised(self.log_mel.of_batch(batch), batch.statistics)
        return {"embeddings": self.network(log_mel.unsqueeze(1))}

    def scene(self, recording: Recording, log: Log) -> FloatArray:
        """The embedding (D,) of a recording as a whole; zeros if it holds NaN.

        Raises:
            RequestError: attention over the recording would take too much memory.
            RecordingError: the recording is too short.
            ModelError: the model gave NaN or infinite values.
        """
        statistics = self.statistics_of(recording, log)
        if statistics[2]:
            log(f"{recording.name} holds NaN or infinite samples: zeros in scene, which is of the whole recording")
            return self.no_scene
        if self.network.margin is None and recording.duration_ms > LONGEST_ATTENTION_MS:
            raise RequestError(
                f"the scene of a recording of {recording.duration_ms / 60000:.1f} min would need attention over all of "
                f"it; with this encoder at most {LONGEST_ATTENTION_MS / 60000:g} min, or take another one"
            )
        with self.compute.active():
            pieces = (self._normalised(piece, statistics) for piece in self._spectrogram(recording))
            scene: FloatArray = self.network.scene(pieces).float().cpu().numpy()
        check_finite(scene[None], "of the whole recording", self.compute)
        return scene

    @property
    def no_scene(self) -> FloatArray:
        """Zeros (D,) in place of a scene."""
        return np.zeros(self.network.scene_embedding_size, np.float32)

    def __str__(self) -> str:
        return f"{self.compute}, encoder {type(self.network).__name__}"

    def _spectrogram(self, recording: Recording) -> Iterator[torch.Tensor]:
        """Consecutive pieces (64, frames)."""
        blocks = recording.signal.blocks()
        return self.log_mel.of_signal(torch.from_numpy(block).to(self.compute.device) for block in blocks)

    def _normalised(self, log_mel: torch.Tensor, statistics: Statistics) -> torch.Tensor:
        """(…, 64, frames) with mean 0 and deviation 1 over the whole recording."""
        mean, divisor = (one.to(log_mel.device).reshape(-1, *(1,) * (log_mel.ndim - 1)) for one in statistics[:2])
        return ((log_mel - mean) / divisor).to(self.compute.dtype)
