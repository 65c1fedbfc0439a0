"""The commands `novaspeech find`, `novaspeech align` and `novaspeech train-keywords`."""

from __future__ import annotations

from typing import Any

from wav2vec2_kws.align import align_command
from wav2vec2_kws.search import find_command
from wav2vec2_kws.train import train_command


def add_commands(commands: Any) -> None:
    """Adds `find`, `align` and `train-keywords` to the subparsers of `novaspeech`."""
    for command in (find_command, align_command, train_command):
        command.add_command(commands)
