"""The way of a recording through the code: which files it passes, and how often it returns to one that it left.

The first call of each function of novaspeech and of the module is noted, in order, from `SpeechProcessor.process_data`
or `Model.__call__` on. Neighbours of one file are one station; a return is a station in a file that was left before.

    python -m benchmarks.walk [--module emow2v] [--context window]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from discover_utils.scripts import process

import novaspeech
from demo.standins import make_standin

MODULES = Path(novaspeech.__file__).parents[1]
SPEECH = MODULES.parent / "tests" / "data" / "synthetic" / "recording.flac"


def stations(begin: str, run: Callable[[], object]) -> list[str]:
    """The files passed, from the first call of the function `begin` to its end."""
    seen: dict[CodeType, str] = {}
    inside: list[FrameType] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        file = Path(frame.f_code.co_filename)
        if frame.f_code.co_name.startswith("<"):
            return  # lambdas and comprehensions, which newer Pythons do not call
        if not inside and event == "call" and frame.f_code.co_name == begin and file.is_relative_to(MODULES):
            inside.append(frame)
        if event == "call" and len(inside) == 1 and file.is_relative_to(MODULES):
            seen.setdefault(frame.f_code, str(file.relative_to(MODULES)))
        if event == "return" and inside and frame is inside[0]:
            inside.append(frame)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return [file for file, _ in itertools.groupby(seen.values())]


def ways(module: str, context: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Name of each way in, and the files that it passes."""
    options: dict[str, Any] = {
        "model": str(make_standin(module, folder / "model")),
        "device": "cpu",
        "context": context,
    }
    output = "arousal" if module == "emow2v" else "embeddings"
    kind = "annotation:Continuous" if module == "emow2v" else "stream:SSIStream"
    data = [
        {"src": "file:stream:audio", "type": "input", "id": "audio", "uri": str(SPEECH)},
        {"src": f"file:{kind}", "type": "output", "id": output, "uri": str(folder / f"a.{kind.split(':')[0]}")},
    ]
    words = ["--trainer_file_path", f"{module}\\{module}.trainer", "--cml_dir", str(MODULES)]
    words += ["--data", json.dumps(data), "--options", json.dumps(options, default=str)]
    words += ["--cache_dir", str(folder), "--tmp_dir", str(folder)]
    with contextlib.redirect_stdout(io.StringIO()):
        request = stations("process_data", lambda: process.main(words))
    yield "SpeechProcessor.process_data", request
    model = novaspeech.load(module, **options)
    yield "Model.__call__", stations("__call__", lambda: model(SPEECH, [output]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--module", default="emow2v", choices=["byols", "emow2v", "speech_encoder", "w2v_bert_2"])
    parser.add_argument("--context", default="window", choices=["window", "recording"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for name, files in ways(given.module, given.context, Path(place)):
            returns = sum(file in files[:number] for number, file in enumerate(files))
            print(f"{name}: {len(files)} stations, {returns} returns\n  " + "\n  ".join(files))
