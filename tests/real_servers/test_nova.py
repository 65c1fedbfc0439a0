"""A person before NOVA's window: each module is sent to real servers as NOVA sends it, and read back as NOVA reads it.

DISCOVER is started as NOVA wants it, with TLS, and then wants TLS of the database, too; NOVA-Server knows none. Of the
database only the wire protocol is real: see mongo.py.
"""

import dataclasses
import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

import novaspeech
from demo.server import Status
from demo.standins import options_of
from novaspeech.module.catalogue import module_names
from novaspeech.result import Result
from novaspeech.server.progress import LogProgress
from tests.real_servers import mongo
from tests.real_servers.desk import ROLE, Desk, check_annotation, make_schemes
from tests.real_servers.handed_over import REQUEST, ROLES, SESSIONS, HandedOver
from tests.real_servers.nova_client import boxes_of, sent_option
from tests.real_servers.nova_database import Label, read_annotation, read_stream


@pytest.mark.parametrize("module", module_names())
def test_every_output_of_every_module(desk: Desk, by_python: Callable[[str], Result], module: str) -> None:
    found = by_python(module)
    make_schemes(desk.database, module, found)
    form = desk.open(module)
    form.options |= options_of(module)
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


def test_novas_window_lists_every_module_with_its_options(desk: Desk) -> None:
    """Each with a box of its kind, and as it opens it sends what the module takes for its defaults."""
    listed = desk.nova.trainers()
    assert sorted(listed) == module_names()
    for module, (_, info) in listed.items():
        options = getattr(importlib.import_module(f"{module}.{module}"), info["model_create"]).options_class
        boxes = boxes_of(info["model_option_string"])
        assert boxes == {name: expected_box(field) for name, field in options.fields().items()}
        assert list(boxes) == list(options.fields())
        assert options.parse({name: sent_option(shown[0]) for name, (_, shown) in boxes.items()}) == options()


def expected_box(field: dataclasses.Field[Any]) -> tuple[str, list[str | bool]]:
    if isinstance(field.default, bool):
        return "BOOL", [field.default]
    choices = field.metadata["choices"]
    return ("LIST", list(choices)) if choices else ("STRING", ["" if field.default is None else str(field.default)])


@pytest.fixture(scope="module")
def handed_over(desk: Desk) -> HandedOver:
    return HandedOver.to(desk)


@pytest.fixture(scope="module")
def plain(handed_over: HandedOver) -> Mapping[str, Any]:
    """What the server stores of it as it stands."""
    return handed_over.send()


def test_the_request_handed_over(
    handed_over: HandedOver, plain: Mapping[str, Any], standin_places: Mapping[str, Path], tmp_path: Path
) -> None:
    """What is ticked is stored, and nothing else."""
    stored = dict(plain)
    model = novaspeech.load("emow2v", model=str(standin_places["emow2v"]))
    found = model(handed_over.recording("session_1"), ["arousal", "embedding"])
    _, ours = found.save(tmp_path)
    assert stored.pop("session_1/speaker.emow2v.stream") == ours.read_bytes()
    assert stored.pop("session_1/speaker.emow2v.stream~") == Path(f"{ours}~").read_bytes()
    [(name, labels)] = stored.items()
    assert name == "session_1 arousal speaker emow2v"
    check_annotation([Label(0, 2, row["score"], row["conf"]) for row in labels], found["arousal"], found.usable, 25)


def test_times_in_every_notation(handed_over: HandedOver, standin_places: Mapping[str, Path]) -> None:
    """In ms, in s and as bare numbers, whole ones of ms and others of s; none of them the trainer's own."""
    notations = [("80ms", "480ms"), ("80", "480"), ("0.08s", "0.48s"), ("0.08", "0.48")]
    stored = [handed_over.send(frameSize=step, stride=step, leftContext=left) for step, left in notations]
    model = novaspeech.load("emow2v", model=str(standin_places["emow2v"]), frame="80ms", left="480ms")
    found = model(handed_over.recording("session_1"), ["embedding"])["embedding"]
    assert stored[0]["session_1/speaker.emow2v.stream~"] == np.asarray(found).tobytes()
    assert stored == 4 * stored[:1]


def test_options_in_both_notations(handed_over: HandedOver, plain: Mapping[str, Any]) -> None:
    assert handed_over.send(options=None, optStr="model=None;batch_size=250;device=cpu") == plain
    rough = handed_over.send(options='{"precision":"bfloat16","batch_size":10}')
    assert handed_over.send(options=None, optStr="precision=bfloat16;batch_size=10") == rough
    assert rough.keys() == plain.keys()
    assert rough != plain
    wrong = handed_over.fields(options=None, optStr="batch_size=0;device=cpu")
    assert handed_over.desk.nova.post(wrong) is Status.ERROR
    log = handed_over.desk.nova.log(wrong["jobID"])
    assert "option 'batch_size' is 0" in log
    assert mongo.PASSWORD not in log


def test_several_sessions_and_roles(handed_over: HandedOver, plain: Mapping[str, Any]) -> None:
    data = json.loads(REQUEST["data"])
    data[1]["role"] = ROLES[1]  # arousal
    stored = handed_over.send(sessions=json.dumps(SESSIONS), data=json.dumps(data))
    names = [name.replace("arousal speaker", "arousal listener") for name in plain]
    assert set(stored) == {name.replace("session_1", session) for name in names for session in SESSIONS}
    assert [stored[name] for name in names] == list(plain.values())
    assert stored["session_2/speaker.emow2v.stream~"] != plain["session_1/speaker.emow2v.stream~"]


def test_unticked_outputs_are_not_computed(desk: Desk) -> None:
    """All others need a spoken example, of which there is no recording."""
    form = desk.open("wav2vec2_kws")
    form.options["method"] = "example"
    stored = desk.database["Annotations"].count_documents({})
    for name, output in form.outputs.items():
        output.active, output.stream = name == "embeddings", "ticked"
    assert desk.nova.send(form) is Status.FINISHED, desk.said()
    assert desk.database["Annotations"].count_documents({}) == stored
    assert read_stream(desk.database, desk.data_dir, "wav2vec2_kws", "ticked", ROLE).data.any()


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
