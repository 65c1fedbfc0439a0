"""What is checked alike on every server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from discover_utils.data.annotation import DiscreteAnnotation
from discover_utils.data.handler.file_handler import FileHandler

from demo.server import Server, Status
from novaspeech.catalogue import load_trainer

# Fields that a request has besides: random weights do not reach the usual threshold anywhere.
OPTIONS = {"wav2vec2_sv": {"options": json.dumps({"threshold": -1})}}


def check_request(server: Server, request: Mapping[str, str]) -> None:
    """Posts it and holds what it asks of the module: a value for every step of the 14.018 s, all finite."""
    assert server.run(request) is Status.FINISHED, "\n".join(server.output[-20:])
    trainer = load_trainer(request["trainerFilePath"].split("\\")[-2])
    step, width = trainer.content.meta_frame_step, {"byols": 2048, "wav2vec2_sv": 48}.get(trainer.name, 64)
    outputs = [Path(entry["uri"]) for entry in json.loads(request["data"]) if entry["type"] == "output"]
    for path in outputs:
        output = FileHandler().load(path)
        if path.suffix == ".stream":
            assert output.meta_data.sample_rate == 1000 / step
            assert output.data.shape == (14018 // step, width)
            assert np.isfinite(output.data).all()
            assert output.data.any(axis=1).all()
        elif isinstance(output, DiscreteAnnotation):
            assert output.annotation_scheme.classes["0"]["name"] == "same_speaker"
            assert [tuple(row) for row in output.data] == [(0, 14000, 0, pytest.approx(0.4, abs=0.2))]
        else:
            scheme, low = output.annotation_scheme, -1 if trainer.name == "wav2vec2_sv" else 0
            assert (scheme.sample_rate, scheme.min_val, scheme.max_val) == (1000 / step, low, 1)
            assert len(output.data) == 14018 // step
            assert (output.data["conf"] == 1).all()
            assert output.data["score"].std() > 0.01
