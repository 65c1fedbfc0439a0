"""What is checked alike on every server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from discover_utils.data.annotation import DiscreteAnnotation, FreeAnnotation
from discover_utils.data.handler.file_handler import FileHandler

import novaspeech
from demo.server import Server, Status
from novaspeech.audio.recording import Recording
from novaspeech.server.catalogue import load_trainer, standins


def with_standin(request: Mapping[str, str]) -> dict[str, str]:
    """The same with the options that a stand-in needs to find something."""
    standin = standins()[request["trainerFilePath"].split("\\")[-2]]
    options = json.loads(request.get("options", "{}")) | dict(standin.own_options)
    return {**request, "options": json.dumps(options)} if options else dict(request)


def check_request(server: Server, request: Mapping[str, str], model: Path, *, same_bytes: bool = True) -> None:
    """Posts it and holds what it asks of the module.

    A value for every step of the recording, all finite; and what Python gives of the same recording.

    Args:
        model: what the request's model is, as a path.
        same_bytes: whether the server writes with the host's package that is installed here.
    """
    assert server.run(request) is Status.FINISHED, "\n".join(server.output[-20:])
    trainer = load_trainer(request["trainerFilePath"].split("\\")[-2])
    entries = json.loads(request["data"])
    inputs = {entry["id"]: Path(entry["uri"]) for entry in entries if entry["type"] == "input"}
    audio = inputs.pop("audio")
    options = {"model": str(model), **json.loads(request.get("options", "{}"))}
    result = novaspeech.load(trainer.name, **options)(
        audio, [entry["id"] for entry in entries if entry["type"] == "output"], inputs=inputs
    )
    step = trainer.content.meta_frame_step
    with TemporaryDirectory() as folder:
        saved = result.save(folder)
        files = [Path(entry["uri"]) for entry in entries if entry["type"] == "output"]
        assert len(files) == len(saved) > 0
        for file, ours in zip(files, saved, strict=True):
            written = FileHandler().load(file)
            check_output(written, Recording.open(audio).duration_ms // step, 1000 / step)
            np.testing.assert_array_equal(written.data, FileHandler().load(ours).data)
            if same_bytes:
                assert file.read_bytes() == ours.read_bytes()
                assert Path(f"{file}~").read_bytes() == Path(f"{ours}~").read_bytes()


def check_output(output: Any, count: int, rate: float) -> None:
    """A value for every step, all of them usable, and not all the same."""
    if isinstance(output, (DiscreteAnnotation, FreeAnnotation)):
        assert len(output.data) > 0
        assert (output.data["to"] > output.data["from"]).all()
    elif hasattr(output, "annotation_scheme"):
        assert (len(output.data), output.annotation_scheme.sample_rate) == (count, rate)
        assert (output.data["conf"] == 1).all()
        assert output.data["score"].std() > 0.01
    else:
        assert (len(output.data), output.meta_data.sample_rate) == (count, rate)
        assert np.isfinite(output.data).all()
        assert output.data.any(axis=1).all()
        assert output.data.std(axis=0).max() > 1e-4
