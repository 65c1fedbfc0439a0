"""Requests in database mode, as the NOVA client posts them, in this process.

MongoDB itself cannot be had here: mongomock stands in for the server, the host's handlers are the real ones. Over the
wire, with real servers: test_nova.py.
"""

from __future__ import annotations

import datetime
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mongomock
import numpy as np
import pytest
import soundfile
from discover_utils.data.handler.file_handler import FileHandler
from discover_utils.scripts import process
from discover_utils.utils.json_utils import TrainerEncoder

from demo.standins import make_standin
from novaspeech.module.catalogue import load_trainer
from tests.conftest import ROOT, SPELLER, SYNTHETIC
from tests.real_servers.nova_client import Form

Client = mongomock.MongoClient


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = mongomock.MongoClient()
    monkeypatch.setattr("discover_utils.data.handler.nova_db_handler.MongoClient", lambda *args, **kwargs: client)
    session = {"location": "here", "language": "en", "date": datetime.datetime(2026, 1, 1), "isValid": True}
    client["my_dataset"]["Sessions"].insert_many([session | {"name": "session_1", "duration": 20}])
    client["my_dataset"]["Streams"].insert_one({"name": "audio", "fileExt": "wav", "type": "audio", "sr": 44100})
    # NOVA makes schemes, roles and annotators before it asks for annotations.
    for name, rate in (("arousal", 10), ("valence", 25)):
        scheme = {"name": name, "type": "CONTINUOUS", "sr": rate, "min": 0, "max": 1, "isValid": True}
        client["my_dataset"]["Schemes"].insert_one(scheme)
    client["my_dataset"]["Roles"].insert_one({"name": "speaker"})
    client["my_dataset"]["Annotators"].insert_one({"name": "emow2v"})
    return client


@pytest.fixture(params=["the window", "the request handed over"])
def nova_request(request: pytest.FixtureRequest, database: Client, tmp_path: Path, small_emow2v: Path) -> list[str]:
    """As du-process gets them: what NOVA posts, and the request that this project was given as NOVA's."""
    if request.param == "the window":
        form = window("emow2v", database, model=str(small_emow2v))
        for name in ("dominance", "valence"):
            form.outputs[name].active = False
        return words_of(form.fields(), tmp_path)
    fields: dict[str, str] = json.loads((ROOT / "tests/data/requests/nova_predict.json").read_text())
    options = json.loads(fields["options"]) | {"model": str(small_emow2v)}
    return words_of({**fields, "options": json.dumps(options)}, tmp_path)


def words_of(fields: Mapping[str, str], folder: Path) -> list[str]:
    """What du-process gets of form fields, and what the server adds after them."""
    words = [
        word
        for name, value in fields.items()
        for word in ("--" + re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower(), value)
    ]
    # After --data, as the server does: argparse takes --data for an abbreviation of --data_dir, too.
    return [*words, "--cml_dir", str(ROOT), "--data_dir", str(folder / "data"), "--cache_dir", str(folder),
            "--tmp_dir", str(folder)]  # fmt: skip


def window(module: str, database: Client, **options: str) -> Form:
    """NOVA's window for a module, with some options typed in."""
    trainer = load_trainer(module)
    info = json.loads(json.dumps(trainer.content, cls=TrainerEncoder))
    form = Form.of(f"modules/{module}/{module}.trainer", info, database["my_dataset"], 27017)
    form.options |= options
    return form


def place_recording(folder: Path, speech: Callable[..., Path]) -> Path:
    session = folder / "data" / "my_dataset" / "session_1"
    session.mkdir(parents=True)
    return Path(shutil.move(speech("speaker.audio.wav", seconds=14), session / "speaker.audio.wav"))


def test_a_session_longer_than_its_audio(
    database: Client, nova_request: list[str], tmp_path: Path, speech: Callable[..., Path], run_emow2v: Any,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    recording = place_recording(tmp_path, speech)
    process.main(nova_request)
    stream = FileHandler().load(recording.with_name("speaker.emow2v.stream"))
    assert stream.data.shape == (500, 64)  # 20 s, as the database says
    assert not stream.data[350:].any()
    assert "session_1: 150 of 500 windows have no usable audio" in capfd.readouterr().out
    by_file = run_emow2v(recording)
    np.testing.assert_array_equal(stream.data[:350], by_file.load("embedding").data)
    entry = database["my_dataset"]["Streams"].find_one({"name": "emow2v"})
    assert (entry["sr"], entry["fileExt"], entry["type"]) == (25, "stream", "feature")
    # The ticked annotation, brought to the scheme's 10 Hz by the host; the unticked one is not there.
    [annotation] = database["my_dataset"]["Annotations"].find()
    labels = database["my_dataset"]["AnnotationData"].find_one({"_id": annotation["data_id"]})["labels"]
    assert len(labels) == 200
    assert [label["conf"] for label in labels[::20]] == [1, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    expected = by_file.load("arousal").data["score"]
    found = [label["score"] for label in labels[:139]]
    np.testing.assert_allclose(found, np.interp(np.linspace(0, 499, 200)[:139], np.arange(350), expected), atol=0.0051)
    assert all(np.isnan(label["score"]) for label in labels[141:])


def test_a_recording_that_is_not_on_the_servers_disk(
    database: Client, nova_request: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(SystemExit):
        process.main(nova_request)
    missing = tmp_path / "data" / "my_dataset" / "session_1" / "speaker.audio.wav"
    assert f"error: 'session_1: {missing} does not exist; give the path" in capfd.readouterr().out


def test_formats_and_leftovers_that_the_hosts_own_handler_refuses(
    database: Client, nova_request: list[str], tmp_path: Path, speech: Callable[..., Path]
) -> None:
    session = tmp_path / "data" / "my_dataset" / "session_1"
    session.mkdir(parents=True)
    shutil.move(speech("speaker.audio.flac"), session / "speaker.audio.flac")
    database["my_dataset"]["Streams"].update_one({"name": "audio"}, {"$set": {"fileExt": "flac"}})
    database["my_dataset"]["Streams"].insert_one({"name": "emow2v", "fileExt": "stream"})
    (session / "speaker.emow2v.stream").write_text("<stream><info")  # as if killed while writing
    process.main(nova_request)
    stream = FileHandler().load(session / "speaker.emow2v.stream")
    assert stream.data.shape == (500, 64)
    assert stream.data[:50].any(axis=1).all()


def test_keywords_and_words(database: Client, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    session = tmp_path / "data" / "my_dataset" / "session_1"
    session.mkdir(parents=True)
    soundfile.write(session / "speaker.audio.wav", *soundfile.read(SYNTHETIC / "words.flac"))
    schemes = database["my_dataset"]["Schemes"]
    labels = [
        {"id": number, "name": name, "color": "#0"} for number, name in enumerate(("other", "Thank_You", "MONEY"))
    ]
    schemes.insert_one({"name": "spotted", "type": "DISCRETE", "isValid": True, "labels": labels[:2]})
    schemes.insert_one({"name": "transcript", "type": "FREE", "isValid": True})
    form = window("wav2vec2_kws", database, model=str(SPELLER), keywords="money, thank you")
    form.outputs["words"].active = True
    words = words_of(form.fields(), tmp_path)
    with pytest.raises(SystemExit):
        process.main(words)
    assert "its scheme has no class 'money', only 'other', 'Thank_You'; add it" in capfd.readouterr().out
    schemes.update_one({"name": "spotted"}, {"$set": {"labels": labels}})
    process.main(words)
    found = {}
    for annotation in database["my_dataset"]["Annotations"].find():
        scheme = schemes.find_one({"_id": annotation["scheme_id"]})["name"]
        found[scheme] = database["my_dataset"]["AnnotationData"].find_one({"_id": annotation["data_id"]})["labels"]
    assert [row["id"] for row in found["spotted"]] == [1, 2, 1]
    assert found["spotted"][1]["from"] == pytest.approx(5.92, abs=0.06)
    assert {"DOCTOR", "MONEY", "WEATHER"} <= {row["name"] for row in found["transcript"]}


def test_stretches_with_the_classes_of_the_scheme(
    database: Client, tmp_path: Path, speech: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    make_standin("wav2vec2_sv", tmp_path / "model")
    recording = place_recording(tmp_path, speech)
    shutil.move(speech("reference.wav", "-ss", "5", seconds=9), recording.with_name("speaker.reference.wav"))
    database["my_dataset"]["Streams"].insert_one({"name": "reference", "fileExt": "wav", "type": "audio"})
    schemes = database["my_dataset"]["Schemes"]
    labels = [{"id": number, "name": name, "color": "#000000"} for number, name in enumerate(("other", "Same-Speaker"))]
    schemes.insert_one({"name": "turns", "type": "DISCRETE", "isValid": True, "labels": labels[:1]})
    form = window("wav2vec2_sv", database, model=str(tmp_path / "model"), threshold="-1")
    form.outputs["embeddings"].active, form.outputs["same_speaker"].active = False, True
    words = words_of(form.fields(), tmp_path)
    with pytest.raises(SystemExit):
        process.main(words)
    assert "its scheme has no class 'same_speaker', only 'other'; add it" in capfd.readouterr().out
    schemes.update_one({"name": "turns"}, {"$set": {"labels": [labels[0] | {"id": 1}, labels[1] | {"id": 2}]}})
    with pytest.raises(SystemExit):
        process.main(words)
    assert "has the id 2, which the server keeps for REST; number the scheme's" in capfd.readouterr().out
    schemes.update_one({"name": "turns"}, {"$set": {"labels": labels}})
    process.main(words)
    [annotation] = database["my_dataset"]["Annotations"].find()
    rows = database["my_dataset"]["AnnotationData"].find_one({"_id": annotation["data_id"]})["labels"]
    # The session has 20 s in the database, its audio 14.
    assert [(row["from"], row["to"], row["id"]) for row in rows] == [(0.0, 14.0, 1)]
