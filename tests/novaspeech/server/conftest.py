"""A database as NOVA fills it, and jobs on it by the host's du-process in this process.

MongoDB itself cannot be had here: mongomock stands in for it behind the host's own handlers.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mongomock
import numpy as np
import pytest
import soundfile
from discover_utils.scripts import process

from novaspeech.audio.recording import Recording
from tests.conftest import ROOT, SPEECH
from tests.novaspeech.audio.sounds import signal_of
from tests.real_servers.nova_database import write_annotation
from tests.wav2vec2_kws.conftest import RATE

Entry = dict[str, Any]
DATASET, SESSIONS = "lessons", ("monday", "tuesday")
SCHEMES: Sequence[Entry] = (
    {"name": "arousal", "type": "CONTINUOUS", "sr": 25, "min": 0, "max": 1},
    {"name": "similarity", "type": "CONTINUOUS", "sr": 2, "min": -1, "max": 1},
    {"name": "turns", "type": "DISCRETE", "labels": [{"id": 0, "name": "Teacher"}, {"id": 1, "name": "pupil"}]},
    {"name": "spotted", "type": "DISCRETE", "labels": [{"id": 0, "name": "Thank_You"}, {"id": 1, "name": "money"}]},
    {"name": "one", "type": "DISCRETE", "labels": [{"id": 0, "name": "MONEY"}]},
    {"name": "notes", "type": "FREE"},
)
AUDIO = {"src": "db:stream:Audio", "type": "input", "id": "audio", "role": "room", "name": "audio", "active": True}


class Nova:
    """A database with two sessions, and jobs on it."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.client = mongomock.MongoClient()
        self.tables = self.client[DATASET]
        self.data = folder / "data"
        self._folder, self._capfd = folder, capfd
        for name in SESSIONS:
            self.tables["Sessions"].insert_one(
                {"name": name, "duration": 0, "location": "", "language": "", "date": 0, "isValid": True}
            )
            (self.data / DATASET / name).mkdir(parents=True)
        for table, names in {"Roles": ("room", "teacher"), "Annotators": ("anna", "ben", "machine")}.items():
            self.tables[table].insert_many([{"name": name} for name in names])
        self.tables["Schemes"].insert_many([scheme | {"isValid": True} for scheme in SCHEMES])
        self.tables["Streams"].insert_one({"name": "audio", "fileExt": "wav", "type": "audio", "sr": RATE})

    def record(self, session: str, samples: np.ndarray, stream: str = "room.audio") -> Path:
        path = self.data / DATASET / session / f"{stream}.wav"
        soundfile.write(path, samples, RATE, subtype="FLOAT")
        return path

    def annotate(self, session: str, scheme: str, annotator: str, rows: Sequence[Entry], role: str = "room") -> None:
        write_annotation(self.tables, session, scheme, role, annotator, rows)

    def run(
        self, module: str, data: Sequence[Entry], options: Entry, sessions: Sequence[str] = ("monday",), **fields: str
    ) -> str:
        """What the job printed, with "ended with 1" at its end if it did."""
        words = ["--trainer_file_path", f"modules\\{module}\\{module}.trainer", "--data", json.dumps(list(data))]
        words += ["--cml_dir", str(ROOT), "--data_dir", str(self.data), "--cache_dir", str(self._folder)]
        words += ["--tmp_dir", str(self._folder), "--dataset", DATASET, "--sessions", json.dumps(list(sessions))]
        words += ["--db_host", "x", "--db_port", "1", "--db_user", "x", "--db_password", "x"]
        words += ["--options", json.dumps(options), *(f"--{key}={value}" for key, value in fields.items())]
        self._capfd.readouterr()
        try:
            process.main(words)
        except SystemExit as end:
            print(f"ended with {end.code}")
        return self._capfd.readouterr().out

    def rows(self, scheme: str, session: str = "monday") -> list[Entry]:
        wanted = {
            "scheme_id": self.tables["Schemes"].find_one({"name": scheme})["_id"],
            "session_id": self.tables["Sessions"].find_one({"name": session})["_id"],
            "annotator_id": self.tables["Annotators"].find_one({"name": "machine"})["_id"],
        }
        found = self.tables["Annotations"].find_one(wanted)
        return list(self.tables["AnnotationData"].find_one({"_id": found["data_id"]})["labels"]) if found else []


@pytest.fixture
def nova(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Nova:
    made = Nova(tmp_path, capfd)
    monkeypatch.setattr("discover_utils.data.handler.nova_db_handler.MongoClient", lambda *args, **kwargs: made.client)
    return made


def annotation(output: str, scheme: str, **changed: Any) -> Entry:
    entry = {"src": "db:annotation", "type": "output", "id": output, "scheme": scheme, "role": "room"}
    return {**entry, "annotator": "machine", "active": True, **changed}


def stream(output: str, name: str) -> Entry:
    return {"src": "db:stream:SSIStream", "type": "output", "id": output, "name": name, "role": "room", "active": True}


@pytest.fixture
def speaker_model(models: dict[str, Path]) -> Path:
    return models["wav2vec2_sv"]


@pytest.fixture(scope="module")
def voices() -> np.ndarray:
    """(N,) at 16 kHz: 14 s of the demo's first voice."""
    samples, rate = soundfile.read(SPEECH, dtype="float32")
    return signal_of(Recording.of_samples(samples[: 14 * rate], rate, "voices"))
