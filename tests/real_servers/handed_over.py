"""The request that this project was given as NOVA's, with what it names in the database and on the server's disk."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import soundfile

from demo.server import Status
from tests.conftest import ROOT, SPEECH
from tests.real_servers import mongo
from tests.real_servers.desk import RATE, Desk

REQUEST: Mapping[str, str] = json.loads((ROOT / "tests" / "data" / "requests" / "nova_predict.json").read_text())
SESSIONS = "session_1", "session_2"
SECONDS = 2  # of each
ROLES = "speaker", "listener"


@dataclass(frozen=True)
class HandedOver:
    """The request at a server."""

    desk: Desk

    @classmethod
    def to(cls, desk: Desk) -> HandedOver:
        """With the sessions, roles, stream, scheme and annotator that it names, and one more of the first two."""
        made = cls(desk)
        always = {"location": "here", "language": "en", "date": datetime.datetime(2026, 1, 1), "isValid": True}
        for place, name in enumerate(SESSIONS):
            made.folder.joinpath(name).mkdir(parents=True)
            samples, rate = soundfile.read(
                SPEECH, dtype="int16", start=place * SECONDS * soundfile.info(SPEECH).samplerate
            )
            soundfile.write(made.recording(name), samples[: SECONDS * rate], rate)
            made.database["Sessions"].insert_one({**always, "name": name, "duration": SECONDS})
        made.database["Streams"].insert_one({"name": "audio", "fileExt": "wav", "type": "audio", "sr": 44100.0})
        made.database["Roles"].insert_many([{"name": role} for role in ROLES])
        made.database["Annotators"].insert_one({"name": "emow2v"})
        scheme = {"name": "arousal", "type": "CONTINUOUS", "sr": float(RATE), "min": 0, "max": 1, "isValid": True}
        made.database["Schemes"].insert_one(scheme)
        return made

    @property
    def database(self) -> Any:
        return self.desk.documents[REQUEST["dataset"]]

    @property
    def folder(self) -> Path:
        return self.desk.data_dir / REQUEST["dataset"]

    def recording(self, session: str) -> Path:
        return self.folder / session / f"{ROLES[0]}.audio.wav"

    def fields(self, **changed: str | None) -> dict[str, str]:
        """The request, but for where its database is and its trainer's path below the server's cml_dir.

        Args:
            changed: other fields, or another value; None takes one away.
        """
        place = {"dbPort": str(self.desk.port), "dbUser": mongo.USER, "dbPassword": mongo.PASSWORD}
        listed, _ = self.desk.nova.trainers()[PureWindowsPath(REQUEST["trainerFilePath"]).stem]
        path = {"trainerFilePath": listed.replace("/", "\\")}
        return {key: value for key, value in {**REQUEST, **place, **path, **changed}.items() if value is not None}

    def send(self, **changed: str | None) -> dict[str, Any]:
        """Posts the request, and takes what the server stored: bytes by file, labels by session, scheme and people."""
        assert self.desk.nova.post(self.fields(**changed)) is Status.FINISHED, self.desk.said()
        files = sorted(self.folder.rglob("*.stream*"))
        stored: dict[str, Any] = {str(file.relative_to(self.folder)): file.read_bytes() for file in files}
        for entry in self.database["Annotations"].find({}):
            kinds = ("Sessions", "Schemes", "Roles", "Annotators")
            named = [self.database[kind].find_one({"_id": entry[f"{kind[:-1].lower()}_id"]})["name"] for kind in kinds]
            labels = self.database["AnnotationData"].find_one({"_id": entry["data_id"]})["labels"]
            stored[" ".join(named)] = labels
        for file in files:
            file.unlink()
        for kind in ("Annotations", "AnnotationData"):
            self.database[kind].delete_many({})
        return stored
