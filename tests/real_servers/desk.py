"""A person at work: NOVA before a server, with a database and its files as NOVA's own windows make them."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from discover_utils.utils.anno_utils import resample
from discover_utils.utils.type_definitions import LabelDType

from demo.__main__ import inputs_of
from novaspeech.audio.recording import Recording
from novaspeech.module.catalogue import load_trainer, module_names
from novaspeech.segments import Segment
from tests.conftest import outputs_of
from tests.real_servers.nova_client import Form, NovaClient
from tests.real_servers.nova_database import Label, write_annotation

RATE = 25  # Hz, of every continuous scheme here
ROLE, FURTHER_ROLE = "speaker", "teacher"  # of a recording, and of what else a module wants to hear


@dataclass
class Desk:
    """NOVA at a server, with a database and its files.

    Attributes:
        nova: asks the server.
        documents: all that the database holds, by dataset.
        port: where the database is served.
    """

    nova: NovaClient
    documents: Any
    port: int

    @property
    def database(self) -> Any:
        """The dataset with a session for each module."""
        return self.documents["lessons"]

    @property
    def data_dir(self) -> Path:
        return self.nova.server.folder / "data"

    def open(self, module: str) -> Form:
        """The window with this module, and the session that is named after it; further inputs are the teacher's."""
        form = Form.of(*self.nova.trainers()[module], self.database, self.port)
        form.sessions = [module]
        for shown in list(form.inputs.values())[1:]:
            shown.role = FURTHER_ROLE
        return form

    def said(self) -> str:
        return "\n".join(self.nova.server.output[-20:])


def furnished(desk: Desk) -> Desk:
    """With a session for each module, as NOVA's own windows write them; two roles and one annotator."""
    always = {"location": "here", "language": "en", "date": datetime.datetime(2026, 1, 1), "isValid": True}
    for module in module_names():
        folder = desk.data_dir / desk.database.name / module
        folder.mkdir(parents=True)
        files = inputs_of(load_trainer(module))
        for name, file in files.items():
            if file.suffix == ".txt":
                continue
            role = ROLE if name == "audio" else FURTHER_ROLE
            soundfile.write(folder / f"{role}.{name}.wav", *soundfile.read(file, dtype="int16"))
            stream = {"name": name, "fileExt": "wav", "type": "audio", "sr": 44100.0, "dimlabels": [], "isValid": True}
            desk.database["Streams"].replace_one({"name": name}, stream, upsert=True)
        seconds = Recording.open(files["audio"]).duration_ms / 1000
        desk.database["Sessions"].insert_one({**always, "name": module, "duration": seconds})
    desk.database["Roles"].insert_many([{"name": role, "isValid": True} for role in (ROLE, FURTHER_ROLE)])
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
    write_annotation(database, session, scheme, FURTHER_ROLE, "model", rows)


def make_schemes(database: Any, module: str, found: Mapping[str, Any]) -> None:
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


def check_annotation(labels: list[Label], found: Any, usable: Any, rate: float) -> None:
    """What NOVA shows is what Python found."""
    assert labels
    if isinstance(found, list):
        rows: list[Segment] = found
        shown = [(row.start_ms / 1000, row.end_ms / 1000, row.name) for row in rows]
        assert [(label.start, label.stop, label.value) for label in labels] == shown
        np.testing.assert_allclose([label.confidence for label in labels], [row.confidence for row in rows], rtol=1e-6)
        return
    scores = np.array(list(zip(found, usable.astype(float), strict=True)), dtype=LabelDType.CONTINUOUS.value)
    expected = resample(scores, rate, RATE)  # as the server does by itself
    # The last bit of a sum depends on where its terms lie in memory.
    np.testing.assert_allclose([float(label.value) for label in labels], expected["score"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal([label.confidence for label in labels], expected["conf"])
    assert labels[-1].stop == pytest.approx(len(found) / rate, abs=1 / RATE)
