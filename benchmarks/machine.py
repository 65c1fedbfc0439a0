"""What a benchmark ran on."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

import numpy as np
import torch
import transformers


def describe_machine() -> str:
    """Date, processor, GPU and versions, in one line."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(": ")[1] for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = names[0] if names else processor
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{datetime.date.today()}: {processor}, {os.cpu_count()} cores{gpu}; Python {platform.python_version()}, "
        f"torch {torch.__version__}, transformers {transformers.__version__}, NumPy {np.__version__}"
    )
