"""novaspeech from Python: load, call, arrays, tables, files."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import novaspeech
from demo.__main__ import inputs_of
from demo.standins import options_of
from novaspeech.errors import WeightsError
from novaspeech.module.catalogue import load_trainer, standins
from tests.conftest import SPEECH, SPELLER, SYNTHETIC, Job

Run = Callable[..., Job]


@pytest.fixture(scope="session")
def loaded(models: dict[str, Path]) -> dict[str, novaspeech.Model]:
    """Each module, loaded once, with options in which its stand-in finds something in the demo's recording."""
    return {
        name: novaspeech.load(name, model=place, device="cpu", **options_of(name)) for name, place in models.items()
    }


def test_arrays_and_times(loaded: dict[str, novaspeech.Model]) -> None:
    result = loaded["emow2v"](SPEECH, ["arousal", "embedding"])
    assert result["arousal"].shape == (350,)
    assert result["arousal"].dtype == np.float32
    assert result["embedding"].shape == (350, 64)
    np.testing.assert_array_equal(result["embeddings"], result["embedding"], "its alias")
    assert result.times.shape == (350, 2)
    assert result.times.dtype == np.float64
    np.testing.assert_allclose(result.times[[0, 1, 349]], [[0, 0.04], [0.04, 0.08], [13.96, 14.0]])
    assert result.usable.all()
    assert len(result) == 2
    with pytest.raises(KeyError, match="'valence' was not asked for; there are: arousal, embedding"):
        result["valence"]


def test_one_output_and_a_list_of_recordings(loaded: dict[str, novaspeech.Model], tmp_path: Path) -> None:
    model = loaded["emow2v"]
    assert list(model(SPEECH, "arousal", end="2s")) == ["arousal"]
    first, missing = model([SPEECH, tmp_path / "nowhere.wav"], "arousal", end="2s")
    assert isinstance(first, novaspeech.Result)
    assert first["arousal"].shape == (50,)
    assert isinstance(missing, novaspeech.RecordingError)
    assert [one["arousal"].shape for one in model.many([SPEECH], "arousal", end="1s")] == [(25,)]
    with pytest.raises(novaspeech.RequestError, match="name, progress and reading are for one recording; many"):
        model([SPEECH], name="a")  # type: ignore[call-overload]


def test_segments_and_a_vector_of_the_whole(loaded: dict[str, novaspeech.Model]) -> None:
    inputs = inputs_of(load_trainer("wav2vec2_sv"))
    result = loaded["wav2vec2_sv"](SPEECH, ["same_speaker", "speaker"], inputs={"reference": inputs["reference"]})
    segments = result["same_speaker"]
    assert segments
    assert all(isinstance(segment, novaspeech.Segment) for segment in segments)
    assert all(0 <= segment.start_ms < segment.end_ms <= 14000 for segment in segments)
    assert result["speaker"].shape == (48,)
    assert np.linalg.norm(result["speaker"]) == pytest.approx(1, abs=1e-5)


def test_samples_in_place_of_a_file(loaded: dict[str, novaspeech.Model]) -> None:
    samples, rate = soundfile.read(SPEECH, dtype="float32")
    by_file = loaded["w2v_bert_2"](SPEECH, end="3s")
    by_array = loaded["w2v_bert_2"]((samples, rate), end=3)
    np.testing.assert_array_equal(by_array["embeddings"], by_file["embeddings"])
    assert by_array.name == "recording"
    assert len(loaded["w2v_bert_2"]((samples[: 2 * rate], rate), end=0)["embeddings"]) == 50
    assert by_array["embeddings"].shape == (75, 64)


def test_gaps_are_nan_in_scores_and_zeros_in_streams(loaded: dict[str, novaspeech.Model]) -> None:
    samples, rate = soundfile.read(SPEECH, dtype="float32")
    samples = samples[: 3 * rate, 0].copy()
    samples[2 * rate] = np.nan
    said: list[str] = []
    loaded["emow2v"].processor.log = said.append
    result = loaded["emow2v"]((samples, rate), ["arousal", "embedding"])
    bad = np.flatnonzero(~result.usable)
    assert bad.tolist() == list(range(50, 75))
    assert np.isnan(result["arousal"][bad]).all()
    assert not result["embedding"][bad].any()
    assert np.isfinite(result["arousal"][:50]).all()
    assert any(line.startswith("recording: 25 of 75 windows have no usable audio") for line in said)


def test_tables_as_audformat_has_them(loaded: dict[str, novaspeech.Model]) -> None:
    result = loaded["emow2v"](SPEECH, ["arousal", "embedding"], end="2s")
    table = result.to_frame("arousal")
    assert table.index.names == ["file", "start", "end"]
    assert table.columns.tolist() == ["arousal"]
    assert table.index[1] == (str(SPEECH), pd.Timedelta("40ms"), pd.Timedelta("80ms"))
    np.testing.assert_array_equal(table["arousal"], result["arousal"])
    wide = result.to_frame("embedding")
    assert wide.shape == (50, 64)
    assert wide.columns[[0, 63]].tolist() == ["embedding-0", "embedding-63"]
    np.testing.assert_array_equal(wide.to_numpy(), result["embedding"])


def test_tables_of_segments_and_of_the_whole(loaded: dict[str, novaspeech.Model]) -> None:
    spotter = novaspeech.load("wav2vec2_kws", model=SPELLER, device="cpu", keywords="thank you, money, question")
    result = spotter(SYNTHETIC / "words.flac", ["keywords", "words"])
    table = result.to_frame("keywords")
    assert table["label"].tolist() == ["thank you", "money", "question", "thank you"]
    assert table["confidence"].between(0, 1).all()
    start, end = table.index[1][1:]
    assert (start.total_seconds(), end.total_seconds()) == pytest.approx((5.92, 6.18), abs=0.06)
    assert "DOCTOR" in set(result.to_frame("words")["label"])
    nothing = spotter((np.zeros(16000, np.float32), 16000), ["keywords"]).to_frame("keywords")
    assert nothing.shape == (0, 2)
    scene = loaded["byols"](SPEECH, ["scene"], end="2s").to_frame("scene")
    assert scene.shape == (1, 2048)
    assert scene.index[0][1:] == (pd.Timedelta(0), pd.Timedelta("14.018s"))


def test_a_model_is_used_by_threads_one_after_the_other(loaded: dict[str, novaspeech.Model]) -> None:
    expected = loaded["byols"](SPEECH, end="3s")["embeddings"]
    found: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: found.append(loaded["byols"](SPEECH, end="3s")["embeddings"])) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for embeddings in found:
        np.testing.assert_array_equal(embeddings, expected)


def test_progress_is_a_hook_and_nothing_is_printed(models: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    calls, read = list[tuple[int, int]](), list[tuple[int, int]]()
    model = novaspeech.load("w2v_bert_2", model=models["w2v_bert_2"])
    model(SPEECH, end="4s", progress=lambda *of: calls.append(of), reading=lambda *of: read.append(of))
    length = int(1000 * soundfile.info(SPEECH).duration)
    assert read[0] == (5000, length)
    assert read[-1] == (length, length)
    assert calls[-1] == (100, 100)
    assert len(calls) > 1
    assert capfd.readouterr() == ("", "")


def test_what_is_logged_at_loading(models: dict[str, Path]) -> None:
    said: list[str] = []
    novaspeech.load("w2v_bert_2", model=models["w2v_bert_2"], device="cpu", log=said.append)
    assert said == [f"{models['w2v_bert_2']} on cpu, float32"]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"outputs": ["valenz"]}, novaspeech.RequestError, "emow2v has no output 'valenz'; it has arousal, dominance"),
        ({"outputs": []}, novaspeech.RequestError, "no output is asked for; emow2v has arousal"),
        ({"inputs": {"x": "a.wav"}}, novaspeech.RequestError, "emow2v has no further input 'x'; it has none"),
        ({"end": "fast"}, novaspeech.RequestError, "end is 'fast'; it must be a time"),
        ({"end": "10ms"}, novaspeech.RequestError, "0.010 s of audio are shorter than one step of 40 ms"),
        ({"recording": "/no/such.wav"}, novaspeech.RecordingError, "such: /no/such.wav does not exist; give the path"),
        (
            {"recording": (np.zeros((2, 9000)), 9000)},
            novaspeech.RecordingError,
            r"samples of shape \(2, 9000\) at 9000",
        ),
        ({"recording": (np.zeros(0), 16000)}, novaspeech.RecordingError, "recording holds no samples"),
        ({"recording": (np.zeros(9000), 0)}, novaspeech.RecordingError, r"shape \(9000,\) at 0 Hz"),
    ],
)
def test_wrong_calls(
    loaded: dict[str, novaspeech.Model], arguments: dict[str, object], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        loaded["emow2v"](**{"recording": SPEECH, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("module", "options", "kind", "message"),
    [
        ("emo", {}, novaspeech.RequestError, "there is no module 'emo'; there are: byols, emow2v"),
        (
            "emow2v",
            {"speed": 2},
            novaspeech.OptionError,
            "unknown option 'speed'; this module's options are model, context",
        ),
        ("emow2v", {"frame": "fast"}, novaspeech.RequestError, "frame is 'fast'; it must be a time"),
        ("emow2v", {"model": "/no/such"}, novaspeech.WeightsError, "'/no/such' is neither a folder on this machine"),
    ],
)
def test_wrong_loads(module: str, options: dict[str, object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        novaspeech.load(module, **options)  # type: ignore[arg-type]


def test_an_input_that_is_missing(loaded: dict[str, novaspeech.Model]) -> None:
    with pytest.raises(novaspeech.RequestError, match="needs the input 'reference': pass inputs="):
        loaded["wav2vec2_sv"](SPEECH, ["similarity"])


def test_without_pandas_a_table_says_what_to_install(
    loaded: dict[str, novaspeech.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = loaded["w2v_bert_2"](SPEECH, end="2s")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(novaspeech.PackageError, match=r"^tables need pandas: pip install novaspeech\[frames\]"):
        result.to_frame("embeddings")
    assert issubclass(novaspeech.PackageError, ImportError)


def test_small_is_the_modules_own_model_where_it_has_one() -> None:
    lines: list[str] = []
    novaspeech.load("wav2vec2_kws", model="small", device="cpu", log=lines.append)
    assert lines == [f"{standins()['wav2vec2_kws'].small} on cpu, float32"]
    with pytest.raises(WeightsError, match="model 'small' is neither a folder on this machine nor a Hub id"):
        novaspeech.load("w2v_bert_2", model="small", device="cpu")
