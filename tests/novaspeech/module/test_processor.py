import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile
from discover_utils.data.provider.data_manager import SessionManager
from discover_utils.data.provider.dataset_iterator import DatasetIterator

from novaspeech.module.catalogue import load_trainer
from novaspeech.server.request import Request
from tests.conftest import SPEECH, Job
from w2v_bert_2.w2v_bert_2 import W2VBert2

Run = Callable[..., Job]


def test_start_is_answered_not_silently_ignored(run_job: Run) -> None:
    job = run_job(SPEECH, start="1s", end="2s")
    assert job.load().data.shape[0] == 50
    assert "start=1000 ms is not used: output 0 is always the window at 0 ms" in job.printed


def test_a_rate_that_the_file_cannot_state_is_told(run_job: Run) -> None:
    job = run_job(SPEECH, frame_size="300ms", left_context="700ms")
    assert "hold 3.333333 Hz (a stride of 300 ms) as 3.333: who reads them drifts by 1 ms" in job.printed
    assert "drift" not in run_job(SPEECH, frame_size="40ms", left_context="960ms").printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"left_context": "-10ms"}, "left context -10 ms must be from 0 to 86400000 (a day); write for example 40ms"),
        ({"frame_size": "-40ms"}, "frame size -40 ms must be from 1 to 86400000"),
        ({"frame_size": "40ms", "stride": "0ms"}, "stride 0 ms must be from 1 to"),
        (
            {"frame_size": "20ms"},
            "windows of 20 ms (frame 20, left 0, right 0) are too short for this model, which needs 35",
        ),
        (
            {"end": "39ms"},
            "recording.flac: 0.039 s of audio are shorter than one step of 40 ms: there is no window; take a longer "
            "recording, a later end, or a stride of at most 39 ms",
        ),
        ({"end": "-1s"}, "end -1000 ms must not be negative; 0 is the recording"),
        (
            {"frame_size": "40ms", "left_context": "36000s"},
            "windows of 36000040 ms (frame 40, left 36000000, right 0) are too long for this module, which takes 60000",
        ),
        ({"frame_size": "40ms", "left_context": "600s"}, "windows of 600040 ms (frame 40, left 600000, right 0)"),
        ({"frame_size": "99999999999s"}, "frame size 99999999999000 ms must be from 1 to 86400000 (a day)"),
        ({"frame_size": "40ms", "stride": "-40ms"}, "stride -40 ms must be from 1 to"),
    ],
)
def test_windows_that_cannot_be(run_job: Run, arguments: dict[str, str], message: str) -> None:
    job = run_job(SPEECH, **arguments)
    assert job.code == 1
    [line] = [line for line in job.printed.splitlines() if "Processor exited with error: 'dummy_session: " in line]
    assert message in line
    assert not job.outputs["embeddings"].exists()


def test_a_job_of_many_sessions_does_not_hold_what_it_has_written(small_model: Path, tmp_path: Path) -> None:
    trainer = load_trainer("w2v_bert_2").content
    processor = W2VBert2(model_io=None, opts={"model": str(small_model)}, trainer=trainer)
    data = [
        {"src": "file:stream:audio", "type": "input", "id": "audio", "uri": str(SPEECH)},
        {
            "src": "file:stream:SSIStream",
            "type": "output",
            "id": "embedding",
            "uri_template": f"{tmp_path}/{{session}}.stream",
        },
    ]
    providers = [DatasetIterator(dataset="d", data_description=data, session_names=[name], end="1s") for name in "ab"]
    for provider in providers:  # as du-process does
        [manager] = [entry["manager"] for entry in provider.sessions.values()]
        manager.output_data_templates.update(processor.to_output(processor.process_data(provider)))
        provider.save()
    held = [
        len(entry["manager"].output_data_templates) for provider in providers for entry in provider.sessions.values()
    ]
    assert held == [0, 1]
    assert len({(tmp_path / f"{name}.stream~").stat().st_size for name in "ab"}) == 1


def test_an_input_by_url_is_the_array_that_the_host_loads(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (8000, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/a.wav"
        entry = {"type": "input", "id": "audio", "src": "url:stream:audio", "uri": url}
        audio = Request(SessionManager("d", [entry], "s", {})).audio
        server.shutdown()
    assert isinstance(audio, tuple)
    assert audio[1] == 8000
    np.testing.assert_allclose(audio[0], samples, atol=1e-6)


def test_one_channel_of_a_recording(run_job: Run, mono: Callable[..., Path], tmp_path: Path) -> None:
    """One person a channel: the second one's values are those of the second channel alone, by whichever way."""
    voices = np.random.default_rng(0).normal(0, 0.1, (32000, 2)).astype(np.float32) * (0.2, 1.0)
    soundfile.write(tmp_path / "two.wav", voices, 16000, subtype="FLOAT")
    alone = [run_job(mono(f"{number}.wav", voices[:, number]), name=f"alone{number}").load().data for number in (0, 1)]
    mixed = run_job(tmp_path / "two.wav", name="mixed").load().data
    np.testing.assert_array_equal(run_job(tmp_path / "two.wav", {"channel": "mix"}, name="mix").load().data, mixed)
    for number in (0, 1):
        found = run_job(tmp_path / "two.wav", {"channel": number + 1}, name=f"one{number}").load().data
        np.testing.assert_array_equal(found, alone[number])
        assert not np.allclose(found, mixed, atol=1e-3)


def test_a_channel_that_is_not_there(run_job: Run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "two.wav", np.zeros((32000, 2), np.float32), 16000)
    job = run_job(tmp_path / "two.wav", {"channel": "3"})
    assert job.code == 1
    assert "two.wav has 2 channels; option 'channel' is 3; it may be mix or 1 to 2" in job.printed
