"""A person at work: NOVA before a server, with a database and its files as NOVA's own windows make them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from demo.__main__ import inputs_of
from novaspeech.audio.recording import Recording
from novaspeech.result import Result
from novaspeech.server.catalogue import load_trainer, module_names
from tests.conftest import outputs_of
from tests.server.nova_client import Form, NovaClient
from tests.server.nova_database import write_annotation

RATE = 25  # Hz, of every continuous scheme here


@dataclass
class Desk:
    """NOVA at a server, with a database and its files."""

    nova: NovaClient
    database: Any
    port: int

    @property
    def data_dir(self) -> Path:
        return self.nova.server.folder / "data"

    def open(self, module: str) -> Form:
        """The window with this module, and the session that is named after it."""
        form = Form.of(*self.nova.trainers()[module], self.database, self.port)
        form.sessions = [module]
        return form

    def said(self) -> str:
        return "\n".join(self.nova.server.output[-20:])


def furnished(desk: Desk) -> Desk:
    """With a session for each module, as NOVA's own windows write them; one speaker and one annotator."""
    always = {"location": "here", "language": "en", "date": datetime.datetime(2026, 1, 1), "isValid": True}
    for module in module_names():
        folder = desk.data_dir / desk.database.name / module
        folder.mkdir(parents=True)
        files = inputs_of(load_trainer(module))
        for name, file in files.items():
            if file.suffix == ".txt":
                continue
            soundfile.write(folder / f"speaker.{name}.wav", *soundfile.read(file, dtype="int16"))
            stream = {"name": name, "fileExt": "wav", "type": "audio", "sr": 44100.0, "dimlabels": [], "isValid": True}
            desk.database["Streams"].replace_one({"name": name}, stream, upsert=True)
        seconds = Recording.open(files["audio"]).duration_ms / 1000
        desk.database["Sessions"].insert_one({**always, "name": module, "duration": seconds})
    desk.database["Roles"].insert_one({"name": "speaker", "isValid": True})
    desk.database["Annotators"].insert_one({"name": "model", "isValid": True})
    for module in module_names():
        for name, file in inputs_of(load_trainer(module)).items():
            if file.suffix == ".txt":
                write_down(desk.database, module, name, file.read_text().splitlines())
    return desk


def write_down(database: Any, session: str, scheme: str, lines: Sequence[str]) -> None:
    """A free annotation, as a person makes it in NOVA: a label for each line, half a second long."""
    free = {"name": scheme, "type": "FREE", "color": "#FF000000", "isValid": True}
    database["Schemes"].replace_one({"name": scheme}, free, upsert=True)
    rows = [{"from": n / 2, "to": (n + 1) / 2, "name": line} for n, line in enumerate(lines)]
    write_annotation(database, session, scheme, "speaker", "model", rows)


def make_schemes(database: Any, module: str, found: Result) -> None:
    """The schemes that the module's outputs need, as a person makes them in NOVA."""
    trainer = load_trainer(module)
    for entry, output in zip(trainer.outputs, outputs_of(trainer), strict=True):
        kind, subtype = entry.io_data.split(":")
        scheme = {"name": entry.io_default_value, "type": subtype.upper(), "color": "#FF000000", "isValid": True}
        if subtype == "Continuous":
            scheme |= {"sr": float(RATE), "min": output.low, "max": output.high, "min_color": "#0", "max_color": "#1"}
        elif subtype == "Discrete":
            names = ["something else", *sorted({segment.name for segment in found[entry.io_id]})]
            classes = [{"name": name, "color": "#FF000000", "isValid": True} for name in names]
            scheme |= {"labels": [{"id": number, **one} for number, one in enumerate(classes)]}
        if kind == "annotation":
            database["Schemes"].replace_one({"name": scheme["name"]}, scheme, upsert=True)
