"""What is checked alike on every server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from discover_utils.data.annotation import DiscreteAnnotation, FreeAnnotation
from discover_utils.data.handler.file_handler import FileHandler

from demo.server import Server, Status
from novaspeech.audio.recording import Recording
from novaspeech.server.catalogue import load_trainer

# Fields that a request has besides: random weights do not reach the usual threshold anywhere.
WIDTHS = {"byols": 2048, "wav2vec2_kws": 192, "wav2vec2_sv": 48}
OPTIONS = {"wav2vec2_sv": {"options": json.dumps({"threshold": -1})}}


def check_request(server: Server, request: Mapping[str, str]) -> None:
    """Posts it and holds what it asks of the module: a value for every step of the recording, all finite."""
    assert server.run(request) is Status.FINISHED, "\n".join(server.output[-20:])
    trainer = load_trainer(request["trainerFilePath"].split("\\")[-2])
    step, width = trainer.content.meta_frame_step, WIDTHS.get(trainer.name, 64)
    entries = json.loads(request["data"])
    outputs = [Path(entry["uri"]) for entry in entries if entry["type"] == "output"]
    count = Recording.open(Path(entries[0]["uri"])).duration_ms // step
    for path in outputs:
        output = FileHandler().load(path)
        if path.suffix == ".stream":
            assert output.meta_data.sample_rate == 1000 / step
            assert output.data.shape == (count, width)
            assert np.isfinite(output.data).all()
            assert output.data.any(axis=1).all()
        elif trainer.name == "wav2vec2_kws" and not path.match("*score*"):
            check_words(output)
        elif isinstance(output, DiscreteAnnotation):
            assert output.annotation_scheme.classes["0"]["name"] == "same_speaker"
            assert [tuple(row) for row in output.data] == [(0, 14000, 0, pytest.approx(0.4, abs=0.2))]
        else:
            scheme, low = output.annotation_scheme, -1 if trainer.name == "wav2vec2_sv" else 0
            assert (scheme.sample_rate, scheme.min_val, scheme.max_val) == (1000 / step, low, 1)
            assert len(output.data) == count
            assert (output.data["conf"] == 1).all()
            assert output.data["score"].std() > 0.01


def check_words(output: Any) -> None:
    """What is said in words.flac, as the small checkpoint hears it."""
    if isinstance(output, FreeAnnotation):
        words = [str(word) for word in output.data["name"]]
        assert {"THANK", "YOU", "DOCTOR", "MONEY", "QUESTION", "WEATHER"} <= set(words)
    else:
        names = {key: entry["name"] for key, entry in output.annotation_scheme.classes.items()}
        assert names == {"0": "thank you", "1": "money", "2": "question"}
        assert output.data["id"].tolist() == [0, 1, 2, 0]
        assert output.data["from"].tolist() == pytest.approx([220, 5920, 9080, 11100], abs=60)
