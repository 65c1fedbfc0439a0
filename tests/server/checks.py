"""What is checked alike on every server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from discover_utils.data.handler.file_handler import FileHandler

from demo.server import Server, Status


def check_seed_request(server: Server, request: Mapping[str, str]) -> None:
    """Posts it and holds what it asks of the module: 25 Hz, a row for every 40 ms of the 14.018 s, all finite."""
    assert server.run(request) is Status.FINISHED, "\n".join(server.output[-20:])
    stream = FileHandler().load(Path(json.loads(request["data"])[1]["uri"]))
    assert stream.meta_data.sample_rate == 25
    assert stream.data.shape == (350, 64)
    assert np.isfinite(stream.data).all()
    assert stream.data.any(axis=1).all()
