"""What the way around a model costs: reading, resampling, windows, filter banks and outputs, with a mean for a model.

Runs both paths over the same recording (noise bursts, 48 kHz, 2 channels) in this process, compares what they
wrote, and prints windows per second and their ratio:

- novaspeech: the module w2v_bert_2, its model replaced by the mean of its features over time;
- public: as the public modules do it: the host's iterator, librosa.resample of every window, transformers'
  feature extractor on batches of 250, the same mean.

    python -m benchmarks.path [--minutes 10]
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile
import torch
from discover_utils.data.provider.data_manager import DatasetManager
from discover_utils.data.provider.dataset_iterator import DatasetIterator
from discover_utils.data.stream import SSIStream
from transformers import SeamlessM4TFeatureExtractor

from benchmarks.record import Report, command_line
from novaspeech.audio.windows import WindowBatch
from novaspeech.inference.encoder import Encoder
from novaspeech.models.fast.filter_banks import FilterBanks
from novaspeech.module.catalogue import load_trainer
from w2v_bert_2.w2v_bert_2 import W2VBert2

BATCH = 250


class MeanOfFeatures(Encoder):
    """A model that costs nothing."""

    def __init__(self) -> None:
        super().__init__(sampling_rate=16000, min_length=560, dimensions={"embeddings": 160})
        self._filter_banks = FilterBanks(SeamlessM4TFeatureExtractor(padding_value=1), self.compute.device)

    def encode(self, batch: WindowBatch, names: Collection[str]) -> dict[str, torch.Tensor]:
        return {"embeddings": self._filter_banks(batch).mean(1)}


class OurPath(W2VBert2):
    """The module without its model."""

    def load_encoder(self) -> Encoder:  # type: ignore[override]
        return MeanOfFeatures()


class PublicPath:
    """The way of the public modules, mended where it would stop on today's NumPy."""

    def __init__(self) -> None:
        self._extractor = SeamlessM4TFeatureExtractor(padding_value=1)

    def process_data(self, iterator: DatasetIterator) -> np.ndarray:
        """(count, 160): one row a window that the iterator gives."""
        self._iterator = iterator
        batch: list[np.ndarray] = []
        rows: list[np.ndarray] = []
        for sample in iterator:
            audio = iterator.current_session.input_data["audio"]
            mono = librosa.to_mono(sample["audio"].T)
            batch.append(librosa.resample(mono, orig_sr=int(audio.meta_data.sample_rate), target_sr=16000))
            if len(batch) == BATCH:
                rows.append(self._encode(batch))
                batch = []
        if batch:
            rows.append(self._encode(batch))
        return np.concatenate(rows)

    def to_output(self, data: np.ndarray) -> dict[str, SSIStream]:
        """The stream to save."""
        return {"embeddings": SSIStream(data=data, sample_rate=1000 / self._iterator.stride)}

    def _encode(self, batch: list[np.ndarray]) -> np.ndarray:
        features = self._extractor(batch, sampling_rate=16000, return_tensors="pt")["input_features"]
        return np.asarray(features.mean(1))


def make_recording(path: Path, minutes: float) -> None:
    """Noise in bursts of syllable length, so that neither path meets only one level."""
    rate, random = 48000, np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", rate, 2, "PCM_16") as file:
        for _ in range(int(minutes * 60)):
            envelope = np.abs(np.sin(2 * np.pi * 2.5 * np.arange(rate) / rate))[:, None] ** 3
            file.write(0.2 * envelope * random.standard_normal((rate, 2)))


def run(make_processor: Callable[[], Any], recording: Path, out: Path) -> tuple[float, np.ndarray]:
    """Seconds and what was written, for one path from the open request to the saved file."""
    data = [
        {"src": "file:stream:audio", "type": "input", "id": "audio", "uri": str(recording)},
        {"src": "file:stream:SSIStream", "type": "output", "id": "embeddings", "uri": str(out)},
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        processor = make_processor()
        start = time.perf_counter()
        provider = DatasetIterator(
            dataset="d", data_description=data, source_context={}, session_names=["s"],
            frame_size="40ms", left_context="960ms", right_context="0ms", stride="40ms",
        )  # fmt: skip
        if not isinstance(processor, OurPath):
            DatasetManager.load(provider)  # du-process does this for every module; ours keep it from doing so
        outputs = processor.to_output(processor.process_data(provider))
        provider.sessions["s"]["manager"].output_data_templates.update(outputs)
        provider.save()
        seconds = time.perf_counter() - start
    return seconds, np.fromfile(f"{out}~", np.float32).reshape(-1, 160)


def main() -> None:
    """Prints the table."""
    parser = command_line(__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    given = parser.parse_args()
    report = Report("path", given.results)
    report.table("the way around the model", "path", "windows", "seconds", "windows/s", "ratio")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_recording(folder / "noise.wav", given.minutes)
        trainer = load_trainer("w2v_bert_2").content
        paths: dict[str, Callable[[], OurPath | PublicPath]] = {
            "novaspeech": lambda: OurPath(model_io=None, opts={}, trainer=trainer),
            "public": PublicPath,
        }
        found = {label: run(make, folder / "noise.wav", folder / f"{label}.stream") for label, make in paths.items()}
    for label, (seconds, rows) in found.items():
        ratio = found["public"][0] / seconds
        report.row(label, len(rows), round(seconds, 2), round(len(rows) / seconds), round(ratio, 1))
    # The public path resamples each window on its own, which rings at its edges; hence correlation, not equality.
    correlation = np.corrcoef([rows.ravel() for _, rows in found.values()])[0, 1]
    report.note(f"Correlation of what both wrote: {correlation:.6f}.")


if __name__ == "__main__":
    main()
