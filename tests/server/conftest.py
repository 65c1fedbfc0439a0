"""Real servers on loopback, and the requests of the seeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.__main__ import REFERENCE, recording_for
from demo.standins import STANDINS
from tests.conftest import ROOT

REQUESTS = ROOT / "tests" / "data" / "requests"


@pytest.fixture(scope="session")
def offline_hub(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment in which the caches hold a stand-in for every published model, and no network is asked."""
    home = tmp_path_factory.mktemp("hf-home")
    for standin in STANDINS.values():
        standin.lay_out(home)
    return {"HF_HUB_CACHE": str(home / "hub"), "HF_ASSETS_CACHE": str(home / "assets"), "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def seed_request(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """A request of `shared/requests` with nothing but its paths replaced (and its job id, to tell jobs apart)."""

    def make(name: str, job: str, audio: Path | None = None) -> dict[str, str]:
        request: dict[str, str] = json.loads((REQUESTS / f"{name}.json").read_text())
        text = request["data"].replace("path/to/my/file.wav", str(audio or recording_for(name)))
        text = text.replace("path/to/my/reference.wav", str(REFERENCE))
        return request | {"jobID": job, "data": text.replace("path/to/my/", f"{tmp_path}/")}

    return make


@pytest.fixture
def make_request(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """A request for w2v_bert_2; the recording and the output of each session are named after it."""

    def make(
        job: str,
        sessions: list[str],
        options: dict[str, Any] | None = None,
        output_id: str = "embeddings",
        **fields: str,
    ) -> dict[str, str]:
        data = [
            {"src": "file:stream:audio", "type": "input", "id": "audio", "uri_template": f"{tmp_path}/{{session}}.wav"},
            {
                "src": "file:stream:SSIStream", "type": "output", "id": output_id,
                "uri_template": f"{tmp_path}/{{session}}.stream",
            },
        ]  # fmt: skip
        return {
            "jobID": job,
            "trainerFilePath": "modules\\w2v_bert_2\\w2v_bert_2.trainer",
            "data": json.dumps(data),
            "sessions": json.dumps(sessions),
            "options": json.dumps(options or {}),
        } | fields

    return make
