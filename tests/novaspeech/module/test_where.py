"""Silence, and the option `where` that every module has: alike in Python, at a server and on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import novaspeech
from demo.standins import options_of
from novaspeech.audio.recording import Recording
from novaspeech.command.main import main
from novaspeech.module.catalogue import load_trainer, module_names, processor_class
from tests.conftest import SYNTHETIC, Job

RATE = 16000
TIMES = {"frame": "80ms", "stride": "80ms", "left": "1000ms", "right": "1000ms"}
VOICE = soundfile.read(SYNTHETIC / "reference.flac", dtype="float32")[0]
VOICE += np.random.default_rng(0).normal(0, 1e-3, len(VOICE)).astype(np.float32)  # as in a room
# A voice, 2.4 s of digital silence, a voice again: windows 15 to 44 are silent.
TALK = np.concatenate([VOICE[RATE // 2 :][: 1200 * 16], np.zeros(2400 * 16, np.float32), VOICE[RATE:][: 1200 * 16]])
SILENT = (np.arange(60) >= 15) & (np.arange(60) < 45)
CONTEXTS = {
    name: ["window", "recording"] if "context" in processor_class(load_trainer(name)).options_class.fields() else [""]
    for name in module_names()
}
Load = Callable[..., novaspeech.Model]


@pytest.fixture(scope="module")
def load(models: dict[str, Path]) -> Load:
    """Loads a module's stand-in."""

    def make(name: str, log: list[str] | None = None, **options: Any) -> novaspeech.Model:
        given = {**options_of(name), **TIMES, **options}
        return novaspeech.load(
            name, model=models[name], device="cpu", log=[].append if log is None else log.append, **given
        )

    return make


def heard(model: novaspeech.Model, samples: np.ndarray = TALK) -> novaspeech.Result:
    """All that it gives without a transcript."""
    outputs = [name for name in model.outputs if name != "alignment"]
    inputs = {"reference": (VOICE, RATE)} if model.module == "wav2vec2_sv" else {}
    return model((samples, RATE), outputs, inputs=inputs)


def gaps_of(value: np.ndarray) -> np.ndarray:
    return np.isnan(value) if value.ndim == 1 else ~value.any(axis=1)


@pytest.mark.parametrize(("name", "context"), [(name, one) for name, contexts in CONTEXTS.items() for one in contexts])
def test_silent_windows_become_gaps_and_nothing_else_changes(load: Load, name: str, context: str) -> None:
    options = {"context": context} if context else {}
    every, sound = heard(load(name, **options)), heard(load(name, where="sound", **options))
    np.testing.assert_array_equal(every.silent, SILENT)
    np.testing.assert_array_equal(sound.silent, SILENT)
    assert every.usable.all()
    np.testing.assert_array_equal(sound.usable, ~SILENT)
    compared = 0
    for output, value in sound.items():
        if isinstance(value, np.ndarray) and len(value) == len(SILENT):
            np.testing.assert_array_equal(gaps_of(value), SILENT, output)
            np.testing.assert_allclose(value[~SILENT], every[output][~SILENT], atol=1e-4, rtol=1e-4)
            compared += 1
    assert compared


@pytest.mark.parametrize("name", ["emow2v", "byols"])
def test_recordings_that_share_passes_have_the_same_gaps(load: Load, name: str) -> None:
    model = load(name, where="sound")
    talks = [TALK, VOICE[: 3 * RATE], np.roll(TALK, RATE)]
    together = model.many([(talk, RATE) for talk in talks])
    for talk, found in zip(talks, together, strict=True):
        assert isinstance(found, novaspeech.Result)
        alone = model((talk, RATE))
        np.testing.assert_array_equal(found.usable, alone.usable)
        for output in alone:
            np.testing.assert_allclose(found[output], alone[output], atol=1e-4, rtol=1e-4)
    assert [found.usable.all() for found in together if isinstance(found, novaspeech.Result)] == [False, True, False]


def test_the_model_does_not_compute_long_gaps(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for where in ("all", "sound"):
        model, seen = load("emow2v", where=where), list[int]()
        encode = model.encoder.encode

        def counted(batch: Any, names: Any, encode: Any = encode, seen: list[int] = seen) -> dict[str, torch.Tensor]:
            seen.append(len(batch))
            found: dict[str, torch.Tensor] = encode(batch, names)
            return found

        monkeypatch.setattr(model.encoder, "encode", counted)
        model((TALK, RATE))
        counts.append(sum(seen))
    assert counts == [60, 30]


@pytest.mark.parametrize(("where", "said"), [
    ("all", "digital silence or below -90 dBFS, which no microphone reaches: their values mean nothing; where=sound"),
    ("sound", "digital silence or below -90 dBFS: zeros in streams, gaps in annotations (where=sound)"),
])  # fmt: skip
def test_the_log_says_which_share_of_the_windows_is_silent(load: Load, where: str, said: str) -> None:
    log: list[str] = []
    model = load("emow2v", log, where=where)
    log.clear()
    model((TALK, RATE))
    assert [line for line in log if "silence" in line] == [line for line in log if said in line]
    assert sum(line.startswith("recording: 30 of 60 windows (50 %) are digital silence") for line in log) == 1
    assert not any("no usable audio" in line for line in log)
    log.clear()
    broken = TALK.copy()
    broken[-1] = np.nan
    model((broken, RATE))
    assert any("of 60 windows have no usable audio" in line for line in log)
    assert any("30 of 60 windows (50 %)" in line for line in log)
    log.clear()
    model((np.concatenate([np.zeros(80 * 16, np.float32), np.tile(VOICE, 3)]), RATE))  # as encoders begin
    assert any("silence" in line for line in log) == (where == "sound")
    log.clear()
    model((VOICE[: 2 * RATE], RATE))
    assert len(log) == 1


def test_what_is_of_the_whole_leaves_silence_out(load: Load) -> None:
    found = heard(load("byols", where="sound"))
    cut = TALK[np.repeat(~SILENT, 80 * 16)]
    np.testing.assert_allclose(found["scene"], heard(load("byols"), cut)["scene"], atol=1e-5)
    assert not np.allclose(found["scene"], heard(load("byols"))["scene"], atol=1e-2)
    speaker = load("wav2vec2_sv", where="sound", left="0ms", right="0ms", frame="400ms", stride="400ms")
    np.testing.assert_allclose(heard(speaker)["speaker"], heard(speaker, cut)["speaker"], atol=1e-5)


@pytest.mark.parametrize("name", ["byols", "wav2vec2_sv"])
def test_of_nothing_but_silence_the_whole_is_zeros(load: Load, name: str) -> None:
    log: list[str] = []
    found = heard(load(name, log, where="sound"), np.zeros(3 * RATE, np.float32))
    whole = found["scene" if name == "byols" else "speaker"]
    assert isinstance(whole, np.ndarray)
    assert not whole.any()
    assert not found["embeddings"].any()
    assert any("nothing but silence" in line for line in log)


def test_a_pause_of_one_speaker_is_closed_as_ever(load: Load) -> None:
    pause = np.concatenate([VOICE[RATE : 2 * RATE], np.zeros(800 * 16, np.float32), VOICE[RATE : 2 * RATE]])
    options = {"threshold": -1, "left": 0, "right": 0, "frame": "400ms", "stride": "400ms", "min_duration": 0}
    for min_gap, count in [(1000, 1), (400, 2)]:
        [*found] = heard(load("wav2vec2_sv", where="sound", min_gap=min_gap, **options), pause)["same_speaker"]
        assert len(found) == count
        assert all(0 < one.confidence <= 1 for one in found)


def test_a_server_makes_the_same_gaps(run_emow2v: Callable[..., Job], mono: Callable[..., Path]) -> None:
    times = {"frame_size": "80ms", "stride": "80ms", "left_context": "1000ms", "right_context": "1000ms"}
    job = run_emow2v(mono("talk.wav", TALK), {"where": "sound"}, **times)
    assert job.code == 0
    np.testing.assert_array_equal(job.load("arousal").data["conf"] == 0, SILENT)
    np.testing.assert_array_equal(gaps_of(job.load("embedding").data), SILENT)
    assert "30 of 60 windows (50 %) are digital silence or below -90 dBFS: zeros in streams" in job.printed


def test_the_record_the_report_and_the_summary_say_it(
    models: dict[str, Path], mono: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk, voice = mono("talk.wav", TALK), mono("voice.wav", VOICE[: 2 * RATE])
    words = ["run", "w2v_bert_2", str(talk), str(voice), "--out", str(tmp_path / "out"), "--frame", "80ms"]
    words += ["--set", f"model={models['w2v_bert_2']}", "--set", "where=sound", "--report", str(tmp_path / "report")]
    assert main(words) == 0
    said = capsys.readouterr().err
    assert "talk: 30 of 60 windows (50 %) are digital silence" in said
    assert f"silence          1   up to 50% of the windows, in {talk}" in said
    records = {file.name: json.loads(file.read_text()) for file in (tmp_path / "out").glob("*.json")}
    assert (records[".talk.w2v_bert_2.json"]["silent"], records[".voice.w2v_bert_2.json"]["silent"]) == (0.5, 0)
    report = [json.loads(line) for line in (tmp_path / "report").read_text().splitlines()]
    assert sorted(row["silent"] for row in report) == [0, 0.5]
    assert main(words) == 0
    assert "2 of them ended before" in capsys.readouterr().err


def test_a_recording_without_its_gaps_ends_where_it_ends(load: Load) -> None:
    """Also where frames overlap, or do not touch, and the last window ends before the recording."""
    for frame, stride in [("200ms", "80ms"), ("80ms", "200ms"), ("80ms", "80ms")]:
        model = load("byols", where="sound", frame=frame, stride=stride)
        processor = model.processor
        samples = np.concatenate([TALK, VOICE[: 50 * 16]])
        recording = Recording.of_samples(samples, RATE, "talk")
        session = processor.session("talk", recording, None, [], model._times)
        kept = session.without_gaps()
        assert kept is not None
        signal = kept.signal.read(0, kept.signal.samples)
        left = np.ones(len(samples), bool)
        for index in np.flatnonzero(session.silent):
            start = index * session.grid.stride_ms * 16
            left[start : start + session.grid.frame_ms * 16] = False
        np.testing.assert_array_equal(signal, samples[left])
        assert not left.all()
