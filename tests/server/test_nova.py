"""A person before NOVA's window: each module is sent to real servers as NOVA sends it, and read back as NOVA reads it.

DISCOVER is started as NOVA wants it, with TLS, and then wants TLS of the database, too; NOVA-Server knows none. Of the
database only the wire protocol is real: see mongo.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import mongomock
import numpy as np
import pymongo
import pytest
import requests
from discover_utils.utils.anno_utils import resample
from discover_utils.utils.type_definitions import LabelDType

import novaspeech
from demo.__main__ import inputs_of
from demo.server import Server, Status
from novaspeech.result import Result
from novaspeech.segments import Segment
from novaspeech.server.catalogue import load_trainer, module_names, standins
from novaspeech.server.progress import LogProgress
from tests.conftest import ROOT
from tests.server import mongo
from tests.server.desk import RATE, Desk, furnished, make_schemes
from tests.server.nova_client import Form, NovaClient, hash_of, sent_option
from tests.server.nova_database import Label, read_annotation, read_stream


@pytest.fixture(scope="module")
def discover(tmp_path_factory: pytest.TempPathFactory, offline_hub: dict[str, str]) -> Iterator[Desk]:
    documents: Any = mongomock.MongoClient()
    with (
        Server(tmp_path_factory.mktemp("discover-tls"), ROOT, environment=offline_hub, tls=True) as server,
        mongo.serve(documents, server.certificate) as port,
    ):
        yield furnished(Desk(NovaClient(server), documents["my_dataset"], port))


@pytest.fixture(scope="module")
def older(nova_server: Server) -> Iterator[Desk]:
    documents: Any = mongomock.MongoClient()
    with mongo.serve(documents) as port:
        yield furnished(Desk(NovaClient(nova_server), documents["my_dataset"], port))


@pytest.fixture(scope="module", params=["discover", "older"])
def desk(request: pytest.FixtureRequest) -> Desk:
    found: Desk = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def by_python(standin_places: Mapping[str, Path]) -> Callable[[str], Result]:
    """Everything that a module finds in its session, without any server."""

    @cache
    def find(module: str) -> Result:
        audio, *further = inputs_of(load_trainer(module)).items()
        outputs = [entry.io_id for entry in load_trainer(module).outputs]
        options: dict[str, Any] = {
            **standins()[module].options,
            **standins()[module].own_options,
            "model": str(standin_places[module]),
        }
        return novaspeech.load(module, **options)(audio[1], outputs, inputs=dict(further))

    return find


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


@pytest.mark.parametrize("module", module_names())
def test_every_output_of_every_module(desk: Desk, by_python: Callable[[str], Result], module: str) -> None:
    found = by_python(module)
    make_schemes(desk.database, module, found)
    form = desk.open(module)
    form.options |= {**standins()[module].options, **standins()[module].own_options}
    for output in form.outputs.values():
        output.active = True
    assert desk.nova.send(form) is Status.FINISHED, desk.said()
    rate = 1000 / int(form.frame_size)
    for name, output in form.outputs.items():
        if output.kind == "annotation":
            labels = read_annotation(desk.database, module, output.scheme, output.role, output.annotator)
            check_annotation(labels, found[name], found.usable, rate)
        else:
            stream = read_stream(desk.database, desk.data_dir, module, output.stream, output.role)
            np.testing.assert_array_equal(stream.data, np.atleast_2d(np.asarray(found[name])))
            assert stream.meta_data.sample_rate == rate or len(stream.data) == 1


def test_the_window_as_it_opens(discover: Desk) -> None:
    """All that NOVA posts, nothing touched: chosen is what the trainer names, else the first that there is."""
    database: Any = mongomock.MongoClient()["fresh"]
    for name, kind in (("Zeal", "CONTINUOUS"), ("arousal", "CONTINUOUS"), ("arousal ", "DISCRETE")):
        database["Schemes"].insert_one({"name": name, "type": kind, "isValid": True})
    database["Schemes"].insert_one({"name": "aaa", "type": "CONTINUOUS", "isValid": False})
    database["Annotators"].insert_one({"name": "anna"})
    database["Roles"].insert_many([{"name": "teacher"}, {"name": "child"}])
    database["Sessions"].insert_many([{"name": "monday"}, {"name": "friday"}])
    fields = Form.of(*discover.nova.trainers()["emow2v"], database, 27017).fields()
    output = {"annotator": "anna", "role": "child", "active": True}
    scores = [("arousal", "arousal"), ("dominance", "arousal"), ("valence", "arousal")]
    stream = {"name": "emow2v", "role": "child", "active": True}
    assert json.loads(fields.pop("data")) == [
        {"id": "audio", "type": "input", "src": "db:stream:Audio", "name": "audio", "role": "child", "active": True},
        *(
            {"id": name, "type": "output", "src": "db:annotation", "scheme": scheme, **output}
            for name, scheme in scores
        ),
        {"id": "embedding", "type": "output", "kind": "SSIStream", "src": "db:stream:SSIStream", **stream},
    ]
    options = {"batch_size": 250, "device": "auto", "precision": "auto", "backend": "torch"}
    assert json.loads(fields.pop("options")) == options | {"model": load_trainer("emow2v").options["model"]}
    assert fields.pop("jobID").isdecimal()
    assert fields == {
        "trainerFilePath": "modules/emow2v/emow2v.trainer", "frameSize": "40", "leftContext": "960",
        "rightContext": "0", "force": "False", "sessions": '["friday"]', "dataset": "fresh", "dbHost": "127.0.0.1",
        "dbPort": "27017", "dbUser": mongo.USER, "dbPassword": mongo.PASSWORD,
    }  # fmt: skip


def test_labels_are_not_merged_behind_the_modules_back(discover: Desk) -> None:
    """NOVA has the server do it for every trainer with a discrete output that does not forbid it."""
    path, info = discover.nova.trainers()["wav2vec2_kws"]
    allowed = Form.of(path, info | {"meta_enable_post_process": True}, discover.database, discover.port).fields()
    assert (allowed["anno_min_gap"], allowed["anno_min_dur"]) == ("0.5", "0.15")
    for module in module_names():
        assert not {"anno_min_gap", "anno_min_dur"} & set(discover.open(module).fields()), module


def test_boxes_send_numbers_as_numbers() -> None:
    shown: list[str | bool] = ["250", " -1", "0.5", "None", "thank you, money", "3,6", "", True]
    assert [sent_option(value) for value in shown] == [250, -1, 0.5, None, "thank you, money", 36.0, "", True]
    assert hash_of("") == 757602046  # as .NET has it


def test_what_is_typed_into_the_window(discover: Desk) -> None:
    """Steps, contexts and an end; several sessions; and the same job again, which replaces what it made."""
    form = discover.open("w2v_bert_2")
    form.frame_size, form.stride, form.left_context, form.end = "40ms", "100ms", "0.5s", "2s"
    form.sessions = ["w2v_bert_2", "emow2v"]
    form.outputs["embeddings"].stream = "typed"
    for _ in range(2):
        assert discover.nova.send(form) is Status.FINISHED, discover.said()
        for session in form.sessions:
            stream = read_stream(discover.database, discover.data_dir, session, "typed", "speaker")
            assert (stream.data.shape, stream.meta_data.sample_rate) == ((20, 64), 10)
    assert discover.database["Streams"].count_documents({"name": "typed"}) == 1


def test_three_outputs_on_the_only_scheme_are_refused(discover: Desk) -> None:
    """NOVA preselects for each output the first scheme of its kind, if the one that its trainer names is not there."""
    discover.database["Schemes"].delete_many({})
    assert refusal(discover, "emow2v").startswith("output 'arousal': no scheme is chosen; it needs a continuous scheme")
    discover.database["Schemes"].insert_one({"name": "only", "type": "CONTINUOUS", "sr": 25.0, "min": 0, "max": 1})
    assert refusal(discover, "emow2v").startswith("output 'dominance' would replace output 'arousal'")


def refusal(desk: Desk, module: str) -> str:
    """Why the server does not do what the untouched window asks."""
    before, saved = len(desk.nova.server.output), desk.database["Annotations"].count_documents({})
    assert desk.nova.send(desk.open(module)) is Status.ERROR
    assert desk.database["Annotations"].count_documents({}) == saved
    [said] = [line for line in desk.nova.server.output[before:] if "Processor exited with error" in line]
    return said.partition(f"{module}: ")[2]


def test_a_wrong_option_is_in_the_log_that_nova_shows(discover: Desk) -> None:
    form = discover.open("w2v_bert_2")
    form.options["batch_size"] = "many"
    assert discover.nova.send(form) is Status.ERROR
    log = discover.nova.log(form)
    assert "option 'batch_size' is 'many'; it must be a whole number of at least 1" in log
    assert mongo.PASSWORD not in log


def test_the_progress_field_over_tls(discover: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a job of the venv backend sets it, in whose environment the server says where it is."""
    server = discover.nova.server
    job = server.post({"jobID": "told", "trainerFilePath": "none"})
    monkeypatch.setenv("DISCOVER_JOB_KEY", job)
    monkeypatch.setenv("DISCOVER_HOST", "127.0.0.1")
    monkeypatch.setenv("DISCOVER_PORT", server.url.rpartition(":")[2])
    monkeypatch.setenv("DISCOVER_USE_TLS", "true")
    LogProgress("monday")(3, 3)
    jobs = requests.get(f"{server.url}/job_status_all", timeout=30, verify=str(server.certificate)).json()
    assert [entry["progress"] for entry in jobs if entry["job_key"] == job] == ["monday 100%"]


def test_a_server_with_tls_takes_no_http(discover: Desk) -> None:
    """Nor does NOVA ask a server without: since 1.3.0.3 it knows https only."""
    plain = discover.nova.server.url.replace("https", "http")
    with pytest.raises(requests.RequestException):  # a reset or, if it arrives before, an answer that says so
        requests.post(f"{plain}/cml_info", timeout=30).raise_for_status()
    assert discover.nova.trainers()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_the_stand_in_for_mongodb_asks_for_the_password(mechanism: str) -> None:
    with mongo.serve(mongomock.MongoClient()) as port:
        place: dict[str, Any] = {"host": "127.0.0.1", "port": port, "username": mongo.USER, "authMechanism": mechanism}
        with pymongo.MongoClient(**place, password=mongo.PASSWORD) as client:
            client["d"]["c"].insert_one({"name": "it"})
            assert client["d"]["c"].find_one({"name": "it"}, {"_id": 0}) == {"name": "it"}
        with (
            pymongo.MongoClient(**place, password="open barley") as client,  # noqa: S106
            pytest.raises(pymongo.errors.OperationFailure, match="Authentication failed"),
        ):
            client["d"]["c"].find_one()
