"""What is checked alike on every server."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from discover_utils.data.annotation import DiscreteAnnotation, FreeAnnotation
from discover_utils.data.handler.file_handler import FileHandler

import novaspeech
from demo.__main__ import inputs_of
from demo.server import Server, Status
from novaspeech.audio.recording import Recording
from novaspeech.module.catalogue import Trainer, load_trainer, standins
from tests.conftest import outputs_of


def trainer_of(request: Mapping[str, str]) -> Trainer:
    """The trainer that a request names."""
    return load_trainer(request["trainerFilePath"].split("\\")[-2])


def with_standin(request: Mapping[str, str]) -> dict[str, str]:
    """The same with the options that a stand-in needs to find something."""
    standin = standins().get(trainer_of(request).name)
    options = json.loads(request.get("options", "{}")) | dict(standin.own_options if standin else {})
    return {**request, "options": json.dumps(options)} if options else dict(request)


def with_everything(
    request: Mapping[str, str], folder: Path, further: Mapping[str, Path] = MappingProxyType({})
) -> dict[str, str]:
    """The same with every output of the module into the folder, and every input that the demo has a file for.

    What the request has already stays as it is.

    Args:
        further: inputs in place of the demo's.
    """
    trainer, data = trainer_of(request), json.loads(request["data"])
    inputs = {**inputs_of(trainer), **further}
    there = {entry["id"] for entry in data}
    for entry in trainer.inputs:
        if entry.io_id not in there and entry.io_id in inputs:
            uri = str(inputs[entry.io_id])
            data.append({"src": f"file:{entry.io_data}", "type": "input", "id": entry.io_id, "uri": uri})
    for output in outputs_of(trainer):
        if not there & {output.id, *output.aliases}:
            uri = str(folder / f"{output.id}.{output.kind}")
            data.append({"src": f"file:{output.data}", "type": "output", "id": output.id, "uri": uri})
    return {**request, "data": json.dumps(data)}


def files_of(request: Mapping[str, str]) -> list[Path]:
    """Where a request's outputs are to be, in its order."""
    return [Path(entry["uri"]) for entry in json.loads(request["data"]) if entry["type"] == "output"]


def files_by_python(request: Mapping[str, str], model: Path, folder: Path) -> list[Path]:
    """What Python gives of the same recording with the model at this path: files in the order of the request's outputs.

    It writes them into the folder.
    """
    entries = json.loads(request["data"])
    inputs = {entry["id"]: Path(entry["uri"]) for entry in entries if entry["type"] == "input"}
    audio = inputs.pop("audio")
    module = trainer_of(request).name
    options = ({"model": str(model)} if module in standins() else {}) | json.loads(request.get("options", "{}"))
    asked = [entry["id"] for entry in entries if entry["type"] == "output"]
    return novaspeech.load(module, **options)(audio, asked, inputs=inputs).save(folder)


def check_request(server: Server, request: Mapping[str, str], model: Path) -> None:
    """Posts it and holds what it asks of the module."""
    assert server.run(request) is Status.FINISHED, "\n".join(server.output[-20:])
    with TemporaryDirectory() as folder:
        check_files(request, files_by_python(request, model, Path(folder)))


def check_files(request: Mapping[str, str], ours: Sequence[Path]) -> None:
    """A value for every step of the recording, all finite; in files that have the bytes of those that Python wrote."""
    trainer, data = trainer_of(request), json.loads(request["data"])
    [audio] = [Recording.open(Path(entry["uri"])) for entry in data if entry["id"] == "audio"]
    step = trainer.content.meta_frame_step
    whole = {name for output in outputs_of(trainer) for name in (output.id, *output.aliases) if output.whole}
    asked = [entry["id"] for entry in data if entry["type"] == "output"]
    for name, file, other in zip(asked, files_of(request), ours, strict=True):
        count, rate = (1, 1000 / audio.duration_ms) if name in whole else (audio.duration_ms // step, 1000 / step)
        check_output(FileHandler().load(file), count, rate)
        for written, expected in ((file, other), (Path(f"{file}~"), Path(f"{other}~"))):
            assert written.read_bytes() == expected.read_bytes(), written


def check_output(output: Any, count: int, rate: float) -> None:
    """So many values, all of them usable, and not all the same."""
    if isinstance(output, (DiscreteAnnotation, FreeAnnotation)):
        assert len(output.data) > 0
        assert (output.data["to"] > output.data["from"]).all()
    elif hasattr(output, "annotation_scheme"):
        assert (len(output.data), output.annotation_scheme.sample_rate) == (count, rate)
        assert (output.data["conf"] == 1).all()
        assert output.data["score"].std() > 0.01
    else:
        assert len(output.data) == count
        assert output.meta_data.sample_rate == pytest.approx(rate, abs=0.0005)  # the header has three decimals
        assert np.isfinite(output.data).all()
        assert output.data.any(axis=1).all()
        assert output.data.std(axis=0 if count > 1 else 1).max() > 1e-4
