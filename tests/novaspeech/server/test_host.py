import gc
import threading
from pathlib import Path
from typing import Any

import pytest
from discover_utils.data.provider.data_manager import SessionManager
from discover_utils.data.provider.dataset_iterator import DatasetIterator

import novaspeech
from novaspeech.errors import RequestError
from novaspeech.server import host
from novaspeech.server.request import Request

AUDIO = {"id": "audio", "type": "input", "src": "file:stream:audio"}


def iterator(audio: Path) -> DatasetIterator:
    data = [{"src": "file:stream:audio", "type": "input", "id": "audio", "uri": str(audio)}]
    return DatasetIterator(
        dataset="d", data_description=data, source_context={}, session_names=["s"], frame_size="40ms"
    )


class Processor:
    """Of a job of ours."""


def loaded(audio: Path) -> dict[str, Any]:
    """What the host's iterator holds after the `load` that du-process calls."""
    provider = iterator(audio)
    provider.load()
    data: dict[str, Any] = provider.sessions["s"]["manager"].input_data
    return data


def test_only_our_own_jobs_defer_the_hosts_loading(speech: Any) -> None:
    audio = speech("a.wav")
    found: dict[str, dict[str, Any]] = {}

    def job(name: str, ours: bool) -> None:
        processor = Processor()
        if ours:
            host.defer_loading(processor)
        found[name] = loaded(audio)

    # As the debug backend does: one thread a job, all in one process.
    for name, ours in (("ours", True), ("somebody's", False), ("ours again", True)):
        thread = threading.Thread(target=job, args=(name, ours))
        thread.start()
        thread.join()
    assert found["ours"] == found["ours again"] == {}
    assert found["somebody's"]["audio"].data.shape == (88200, 2)


def test_what_comes_after_our_job_in_the_same_thread_loads_as_ever(speech: Any) -> None:
    audio, processor = speech("a.wav"), Processor()
    host.defer_loading(processor)
    assert loaded(audio) == {}
    assert loaded(audio) == {}, "the next session of the same job"
    del processor
    assert loaded(audio)["audio"].data.shape == (88200, 2)


def test_a_job_run_by_du_process_leaves_nothing_behind(run_job: Any, speech: Any) -> None:
    audio = speech("a.wav")
    assert run_job(audio).code == 0
    assert run_job(audio.with_name("missing.wav")).code == 1
    gc.collect()  # the traceback of the failed session holds its frames
    assert loaded(audio)["audio"].data.shape == (88200, 2)


def test_a_model_of_python_does_not_defer_what_others_load(speech: Any, small_model: Path) -> None:
    audio = speech("a.wav")
    model = novaspeech.load("w2v_bert_2", model=str(small_model), device="cpu")
    assert loaded(audio)["audio"].data.shape == (88200, 2)
    assert model.module == "w2v_bert_2"


@pytest.mark.parametrize(
    ("value", "ms"), [("40ms", 40), ("1.5s", 1500), (40, 40), (0.5, 500), ("960", 960), ("-1s", -1000), (None, 0)]
)
def test_times(value: object, ms: int) -> None:
    assert host.parse_time(value, "frame") == ms


@pytest.mark.parametrize("value", ["fast", "", "4ums", [1], "1.2.3", float("inf"), "infs"])
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(RequestError, match="^left .* is no time; write 40ms or 1.5s$"):
        host.parse_time(value, "left")


def test_a_template_names_a_file_for_each_session() -> None:
    entry = AUDIO | {"uri_template": "/data/{dataset}/{session}.wav"}
    asked = Request(SessionManager("d", [entry, AUDIO | {"id": "nowhere"}], "s_1", {}))
    assert asked.input_path(asked.inputs["audio"]) == Path("/data/d/s_1.wav")
    assert asked.input_path(asked.inputs["audio"], "s_2") == Path("/data/d/s_2.wav")
    with pytest.raises(RequestError, match="entry 'nowhere' of the request names no file"):
        asked.input_path(asked.inputs["nowhere"])
