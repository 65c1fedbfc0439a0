"""What is checked alike on every server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from discover_utils.data.handler.file_handler import FileHandler

from demo.server import Server, Status


def check_seed_request(server: Server, request: Mapping[str, str]) -> None:
    """Posts it and holds what it asks of the module: 25 Hz, a value for every 40 ms of the 14.018 s, all finite."""
    assert server.run(request) is Status.FINISHED, "\n".join(server.output[-20:])
    outputs = [Path(entry["uri"]) for entry in json.loads(request["data"]) if entry["type"] == "output"]
    for path in outputs:
        output = FileHandler().load(path)
        if path.suffix == ".stream":
            assert output.meta_data.sample_rate == 25
            assert output.data.shape == (350, 64)
            assert np.isfinite(output.data).all()
            assert output.data.any(axis=1).all()
        else:
            scheme = output.annotation_scheme
            assert (scheme.sample_rate, scheme.min_val, scheme.max_val) == (25, 0, 1)
            assert len(output.data) == 350
            assert (output.data["conf"] == 1).all()
            assert output.data["score"].std() > 0.01
