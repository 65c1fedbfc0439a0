"""Requests in database mode, as the NOVA client posts them.

MongoDB itself cannot be had here: mongomock stands in for the server, the host's handlers are the real ones.
"""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mongomock
import numpy as np
import pytest
import soundfile
from discover_utils.data.handler.file_handler import FileHandler
from discover_utils.scripts import process

from demo.__main__ import recording_for
from demo.standins import make_standin
from tests.conftest import ROOT
from wav2vec2_kws.standin import SMALL

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


@pytest.fixture
def nova_request(tmp_path: Path, small_emow2v: Path) -> list[str]:
    """The client's own request, and what the server adds; as du-process gets them."""
    request: dict[str, str] = json.loads((ROOT / "tests/data/requests/nova_predict.json").read_text())
    words = ["--trainer_file_path", request["trainerFilePath"], "--data", request["data"]]
    # After --data, as the server does: argparse takes --data for an abbreviation of --data_dir, too.
    words += ["--cml_dir", str(ROOT), "--data_dir", str(tmp_path / "data")]
    words += ["--cache_dir", str(tmp_path), "--tmp_dir", str(tmp_path)]
    words += ["--options", json.dumps(json.loads(request["options"]) | {"model": str(small_emow2v)})]
    names = {"dbHost": "db_host", "dbPort": "db_port", "dbUser": "db_user", "dbPassword": "db_password"}
    names |= {"leftContext": "left_context", "rightContext": "right_context", "frameSize": "frame_size"}
    for field, argument in (names | {"stride": "stride", "sessions": "sessions", "dataset": "dataset"}).items():
        words += [f"--{argument}", request[field]]
    return words


def database_job(module: str, data: list[dict[str, str]], options: dict[str, Any], folder: Path) -> list[str]:
    """What du-process gets for one session in the database."""
    words = ["--trainer_file_path", f"modules\\{module}\\{module}.trainer", "--data", json.dumps(data)]
    words += ["--cml_dir", str(ROOT), "--data_dir", str(folder / "data"), "--cache_dir", str(folder)]
    words += ["--tmp_dir", str(folder), "--dataset", "my_dataset", "--sessions", '["session_1"]', "--db_host", "x"]
    words += ["--db_port", "1", "--db_user", "x", "--db_password", "x"]
    return [*words, "--options", json.dumps(options)]


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
    soundfile.write(session / "speaker.audio.wav", *soundfile.read(recording_for("wav2vec2_kws")))
    place = {"type": "output", "annotator": "emow2v", "role": "speaker"}
    data = [
        {"src": "db:stream:Audio", "type": "input", "id": "audio", "role": "speaker", "name": "audio"},
        place | {"src": "db:annotation:Discrete", "id": "keywords", "scheme": "spotted"},
        place | {"src": "db:annotation:Free", "id": "words", "scheme": "transcript"},
    ]
    words = database_job("wav2vec2_kws", data, {"model": str(SMALL), "keywords": "money, thank you"}, tmp_path)
    schemes = database["my_dataset"]["Schemes"]
    labels = [
        {"id": number, "name": name, "color": "#0"} for number, name in enumerate(("other", "Thank_You", "MONEY"))
    ]
    schemes.insert_one({"name": "spotted", "type": "DISCRETE", "isValid": True, "labels": labels[:2]})
    schemes.insert_one({"name": "transcript", "type": "FREE", "isValid": True})
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
    place_recording(tmp_path, speech)
    reference = speech("reference.wav", "-ss", "5", seconds=9)
    entry = {"src": "db:annotation:Discrete", "type": "output", "id": "same_speaker", "scheme": "turns"}
    data = [
        {"src": "db:stream:Audio", "type": "input", "id": "audio", "role": "speaker", "name": "audio"},
        {"src": "file:stream:Audio", "type": "input", "id": "reference", "uri": str(reference)},
        entry | {"annotator": "emow2v", "role": "speaker"},
    ]
    words = database_job("wav2vec2_sv", data, {"model": str(tmp_path / "model"), "threshold": -1}, tmp_path)
    schemes = database["my_dataset"]["Schemes"]
    labels = [{"id": number, "name": name, "color": "#000000"} for number, name in enumerate(("other", "Same-Speaker"))]
    schemes.insert_one({"name": "turns", "type": "DISCRETE", "isValid": True, "labels": labels[:1]})
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
