"""The ways in which a module's windows are encoded, each with what it computes and what memory it takes."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch
from onnxruntime import get_available_providers
from transformers.utils import logging

from benchmarks.machine import syllables
from benchmarks.peak import peak_mb
from benchmarks.speed_parts.cases import CASES, Case
from benchmarks.speed_parts.counting import counting
from benchmarks.speed_parts.public import Run
from benchmarks.windows import RATE, cut, encoding
from novaspeech.arrays import FloatArray
from novaspeech.command.main import main
from novaspeech.inference.encoder import Encoder
from novaspeech.models.compute import Compute
from novaspeech.models.onnx.runtime import onnx_compute

PUBLIC, TORCH, ONNX = "public", "torch", "onnx"


@dataclass(frozen=True)
class Setting:
    """How windows are encoded.

    Attributes:
        backend: `PUBLIC`, or what runs our encoder: `TORCH`, `ONNX`.
        context: "window" or "recording".
        precision: "float32", "auto", "bfloat16", "float16", or "int8".
    """

    backend: str
    context: str = "window"
    precision: str = "float32"

    @property
    def exact(self) -> Setting:
        """What its numbers are held against."""
        return Setting(TORCH, self.context)


@dataclass(frozen=True)
class Audio:
    """How much is encoded.

    Attributes:
        windows: number of those that are encoded one by one.
        seconds: of the recording that is encoded once.
        batch: the most windows in one pass.
    """

    windows: int
    seconds: float
    batch: int

    def samples(self, case: Case, context: str) -> int:
        """Length at 16 kHz."""
        return round(self.seconds * RATE) if context == "recording" else (self.windows - 1) * case.hop + case.length

    def count(self, case: Case, context: str) -> int:
        """Windows that lie in so many samples."""
        return (self.samples(case, context) - case.length) // case.hop + 1


class Bench:
    """A module's model with all that runs it; an encoder is loaded once for all settings that share it.

    Args:
        name: the case's.
        place: where its model lies.
        device: where it runs.
    """

    def __init__(self, name: str, place: Path, device: torch.device, audio: Audio) -> None:
        self._case, self._place, self._device, self._audio = CASES[name], place, device, audio
        self._encoders: dict[tuple[str, str], Encoder] = {}

    def run(self, setting: Setting) -> Run:
        """What encodes the windows: name of each output → (count, D)."""
        case, batch = self._case, self._audio.batch
        signal = syllables(self._audio.samples(case, setting.context))
        if setting.backend == PUBLIC:
            return case.public(self._place, self._device, cut(signal, case.length, case.hop), batch)
        encoder, once = self.encoder(setting), setting.context == "recording"
        return encoding(encoder, signal, case.length, case.hop, case.outputs, batch, once)

    def encoder(self, setting: Setting) -> Encoder:
        key = (setting.backend, setting.precision)
        if key not in self._encoders:
            self._encoders[key] = self._load(setting)
        return self._encoders[key]

    def _load(self, setting: Setting) -> Encoder:
        device, precision = self._device.type, setting.precision
        if setting.backend == ONNX:
            # Of int8 its precision is the file's own; float32 is named, since auto would multiply in TF32 on CUDA.
            named = "auto" if precision == "int8" else precision
            return self._case.load(onnx_folder(self._place, precision), onnx_compute(device, named))
        return self._case.load(self._place, Compute.of(device, precision))


class Counted:
    """A run whose operations are counted the first time, which is to warm up.

    Attributes:
        operations: those of the first call.
    """

    def __init__(self, run: Callable[[], dict[str, FloatArray]]) -> None:
        self._run = run
        self.operations: float | None = None

    def __call__(self) -> dict[str, FloatArray]:
        """The outputs."""
        if self.operations is not None:
            return self._run()
        with counting() as counter:
            outputs = self._run()
        self.operations = float(counter.get_total_flops())
        return outputs


def quieten() -> None:
    """Keeps transformers from its bars and remarks."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def settings_of(case: Case, precisions: Sequence[str], onnx: Sequence[str]) -> list[Setting]:
    """All that are compared: the public way, and ours in each context, with these precisions of torch and of ONNX."""
    settings = [Setting(PUBLIC)]
    settings += [Setting(TORCH, context, precision) for context in case.contexts for precision in precisions]
    settings += [Setting(ONNX, context, precision) for context in case.contexts for precision in onnx]
    return settings


def onnx_precisions(device: torch.device) -> tuple[str, ...]:
    """Those worth running, if onnxruntime has the device; int8 is for CPUs."""
    if device.type == "cpu":
        return ("float32", "int8")
    return ("float32",) if f"{device.type.upper()}ExecutionProvider" in get_available_providers() else ()


def onnx_folder(place: Path, precision: str) -> Path:
    """Where the export of a model lies."""
    return place / f"onnx-{precision}"


def export_onnx(module: str, place: Path, precision: str) -> None:
    """Writes it."""
    words = ["export", module, "--model", str(place), "--precision", precision, "--out"]
    with redirect_stdout(sys.stderr):  # standard output has the tables
        if main([*words, str(onnx_folder(place, precision))]):
            raise SystemExit(1)


def peak_memory(name: str, place: Path, device: torch.device, audio: Audio, setting: Setting | None) -> float:
    """Peak memory in MB of a process that does nothing else: on CUDA what torch took of the GPU, else resident memory.

    Args:
        setting: None for a process that only imports everything.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_peak_memory, name, place, device, audio, setting).result()


def _peak_memory(name: str, place: Path, device: torch.device, audio: Audio, setting: Setting | None) -> float:
    quieten()
    if setting:
        Bench(name, place, device, audio).run(setting)()
    return torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else peak_mb()
