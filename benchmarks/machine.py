"""What a benchmark ran on and with, and how long it took."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime
import torch
import transformers

T = TypeVar("T")


def machine() -> str:
    """Processor, cores and GPU."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(": ")[1] for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = names[0] if names else processor
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{processor}, {os.cpu_count()} cores{gpu}"


def versions() -> str:
    """Of Python and of what computes."""
    return (
        f"Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}, "
        f"onnxruntime {onnxruntime.__version__}, NumPy {np.__version__}"
    )


def timed(work: Callable[[], T], device: torch.device) -> tuple[float, T]:
    """Seconds of one call, the device's queue included, and what it gave."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def syllables(samples: int) -> np.ndarray:
    """(samples,) float32 of noise at 16 kHz, louder and softer as speech is, so that windows differ."""
    envelope = np.abs(np.sin(2 * np.pi * 2.3 * np.arange(samples) / 16000)).astype(np.float32) ** 3
    return np.random.default_rng(0).standard_normal(samples).astype(np.float32) * (np.float32(0.1) * envelope)


def alternate(
    runs: Mapping[str, Callable[[], T]], device: torch.device, rounds: int
) -> tuple[dict[str, float], dict[str, T]]:
    """Median seconds and results of all runs, taken in turn, round by round, so that a machine's moods meet them alike.

    One more round comes first, to warm up.
    """
    seconds: dict[str, list[float]] = {label: [] for label in runs}
    results: dict[str, T] = {}
    for turn in range(rounds + 1):
        for label, run in runs.items():
            took, results[label] = timed(run, device)
            if turn:
                seconds[label].append(took)
    return {label: statistics.median(took) for label, took in seconds.items()}, results
