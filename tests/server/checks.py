"""What is checked alike on every server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from discover_utils.data.handler.file_handler import FileHandler

from demo.server import Server, Status
from novaspeech.catalogue import load_trainer


def check_request(server: Server, request: Mapping[str, str]) -> None:
    """Posts it and holds what it asks of the module: a value for every step of the 14.018 s, all finite."""
    assert server.run(request) is Status.FINISHED, "\n".join(server.output[-20:])
    trainer = load_trainer(request["trainerFilePath"].split("\\")[-2])
    step, width = trainer.content.meta_frame_step, {"byols": 2048}.get(trainer.name, 64)
    outputs = [Path(entry["uri"]) for entry in json.loads(request["data"]) if entry["type"] == "output"]
    for path in outputs:
        output = FileHandler().load(path)
        if path.suffix == ".stream":
            assert output.meta_data.sample_rate == 1000 / step
            assert output.data.shape == (14018 // step, width)
            assert np.isfinite(output.data).all()
            assert output.data.any(axis=1).all()
        else:
            scheme = output.annotation_scheme
            assert (scheme.sample_rate, scheme.min_val, scheme.max_val) == (1000 / step, 0, 1)
            assert len(output.data) == 14018 // step
            assert (output.data["conf"] == 1).all()
            assert output.data["score"].std() > 0.01
