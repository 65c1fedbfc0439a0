import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from discover_utils.data.handler.file_handler import FileHandler
from transformers import AutoFeatureExtractor, AutoModelForAudioXVector

from novaspeech.audio.grid import WindowGrid
from novaspeech.errors import WeightsError
from novaspeech.formats.read import read_tracks
from novaspeech.models.compute import Compute
from novaspeech.view.pictures import draw_picture
from tests.conftest import ROOT, Job
from tests.references import cut_windows
from wav2vec2_sv.standin import WEIGHTS

Run = Callable[..., Job]
Write = Callable[..., Path]
MODELS = ("standin", "group", "group weighted", "layer", "layer weighted")


def reference(windows: list[np.ndarray], folder: Path) -> np.ndarray:
    """(count, D) of unit length, one window at a time, by transformers alone."""
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    model = AutoModelForAudioXVector.from_pretrained(folder).eval()
    rows = []
    for window in windows:
        with torch.no_grad():
            rows.append(model(**extractor(window, sampling_rate=16000, return_tensors="pt")).embeddings[0])
    vectors = torch.stack(rows).numpy()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def least_cosine(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape
    return float((found * expected).sum(axis=1).min())


@pytest.mark.parametrize("batch_size", [1, 7, 250])
@pytest.mark.parametrize("model", MODELS)
def test_transformers_vectors(
    run_sv: Run, talk: Path, models: dict[str, Path], model: str, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compute, "on_cpu", False)  # as on a GPU: the whole batch at once
    stream = run_sv(talk, model=model, options={"batch_size": batch_size}, stride="1s").load()
    assert stream.meta_data.sample_rate == 1
    assert stream.data.shape == (14, 48)
    np.testing.assert_allclose(np.linalg.norm(stream.data, axis=1), 1, rtol=1e-6)
    expected = reference(cut_windows(talk, WindowGrid(500, 1000, 1250, 1250, 14)), models[model])
    assert least_cosine(stream.data, expected) >= 0.99999
    assert (stream.data @ stream.data.T).min() < 0


@pytest.mark.parametrize("frame", [325, 1003, 5000])
def test_windows_of_other_lengths(run_sv: Run, talk: Path, models: dict[str, Path], frame: int) -> None:
    arguments = {"frame_size": f"{frame}ms", "stride": "2s", "left_context": "0", "right_context": "0"}
    expected = reference(cut_windows(talk, WindowGrid(frame, 2000, 0, 0, 7)), models["standin"])
    assert least_cosine(run_sv(talk, **arguments).load().data, expected) >= 0.99999


def test_one_vector_for_the_recording(run_sv: Run, talk: Path) -> None:
    job = run_sv(talk, ("embeddings", "speaker"), name="both")
    speaker = job.load("speaker").data
    windows = cut_windows(talk, WindowGrid(500, 500, 1250, 1250, 28))
    energy = np.array([window.astype(np.float64).var() for window in windows])
    mean = (job.load().data * energy[:, None]).sum(axis=0)
    np.testing.assert_allclose(speaker, (mean / np.linalg.norm(mean))[None], atol=1e-6)
    np.testing.assert_array_equal(run_sv(talk, ("speaker",), name="alone").load("speaker").data, speaker)


def test_similarity_is_the_cosine_to_the_reference(run_sv: Run, talk: Path, somebody: Path) -> None:
    job = run_sv(talk, ("embeddings", "similarity"), somebody)
    annotation = job.load("similarity")
    scheme = annotation.annotation_scheme
    assert (scheme.sample_rate, scheme.min_val, scheme.max_val) == (2, -1, 1)
    # The reference has 4.6 s: windows of 3 s at 0, 0.5, 1 and 1.5 s.
    times = {"frame_size": "3s", "stride": "500ms", "left_context": "0", "right_context": "0"}
    windows = run_sv(somebody, ("embeddings",), name="somebody", **times).load().data[:4]
    signal = soundfile.read(somebody, dtype="float32")[0]
    energy = [signal[start : start + 48000].var() for start in range(0, 24001, 8000)]
    vector = np.average(windows, axis=0, weights=energy)
    expected = job.load().data @ (vector / np.linalg.norm(vector))
    np.testing.assert_allclose(annotation.data["score"], expected, atol=0.0051)  # the host writes two decimals
    assert (annotation.data["conf"] == 1).all()
    second = slice(12, 19)  # the second voice speaks from 5 to 9.3 s
    assert expected[second].mean() > expected[:10].mean() + 0.3, "even random weights tell these voices apart"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("place", [3, 10, 15])
def test_a_reference_cut_from_the_recording_is_found_at_its_place(
    run_sv: Run, talk: Path, mono: Write, model: str, place: int
) -> None:
    start = 16 * (500 * place - 1250)
    cut = mono("cut.wav", soundfile.read(talk, dtype="float32")[0][start : start + 48000])
    scores = run_sv(talk, ("similarity",), cut, model).load("similarity").data["score"]
    assert scores[place] >= 0.99
    assert scores[place] == scores.max()
    assert scores.min() < 0


def test_same_speaker_rows(run_sv: Run, talk: Path, somebody: Path) -> None:
    options = {"threshold": 0.1, "min_gap": 600, "min_duration": 1500}
    classes = {"4": {"name": "Somebody else"}, "7": {"name": "Same Speaker", "color": "#ff0000"}}
    job = run_sv(
        talk, ("similarity", "same_speaker"), somebody, options=options, fields={"same_speaker": {"classes": classes}}
    )
    annotation, scores = job.load("same_speaker"), job.load("similarity").data["score"]
    [row] = annotation.data
    begin, end = row["from"] // 500, row["to"] // 500
    assert (row["from"], row["to"], row["id"]) == (6000, 9500, 7)
    assert (scores[begin:end] >= 0.1).all()
    assert max(scores[begin - 1], scores[end]) < 0.1
    assert row["conf"] == pytest.approx((scores[begin:end].mean() + 1) / 2, abs=0.01)
    assert {key: value["name"] for key, value in annotation.annotation_scheme.classes.items()} == {
        "4": "Somebody else",
        "7": "Same Speaker",
    }
    assert annotation.annotation_scheme.classes["7"]["color"] == "#ff0000"


def test_same_speaker_without_classes_in_the_request(run_sv: Run, talk: Path, somebody: Path) -> None:
    job = run_sv(talk, ("same_speaker",), somebody, options={"threshold": -1})
    annotation = job.load("same_speaker")
    assert [tuple(row)[:3] for row in annotation.data] == [(0, 14000, 0)]
    assert annotation.annotation_scheme.classes["0"]["name"] == "same_speaker"


def test_audio_that_cannot_be_used_is_a_gap(run_sv: Run, talk: Path, somebody: Path, mono: Write) -> None:
    signal = soundfile.read(talk, dtype="float32")[0]
    signal[7 * 16000] = np.nan
    outputs = ("embeddings", "speaker", "similarity", "same_speaker")
    job = run_sv(mono("nan.wav", signal), outputs, somebody, options={"threshold": -1, "min_gap": 10_000})
    # Window i is from 500 i - 1250 to 500 i + 1750 ms.
    empty = [i for i in range(28) if 500 * i - 1250 <= 7000 < 500 * i + 1750]
    assert np.flatnonzero(~job.load().data.any(axis=1)).tolist() == empty
    assert np.flatnonzero(job.load("similarity").data["conf"] == 0).tolist() == empty
    assert np.linalg.norm(job.load("speaker").data) == pytest.approx(1)
    rows = [(int(row["from"]), int(row["to"])) for row in job.load("same_speaker").data]
    assert rows == [(0, 500 * empty[0]), (500 * (empty[-1] + 1), 14000)]


def almost_silent(kind: str, seconds: float) -> np.ndarray:
    """Digital silence, a constant offset, or the noise of a microphone that is switched off."""
    samples = np.zeros(round(16000 * seconds), np.float32)
    if kind == "offset":
        samples += 0.1
    if kind == "last bit":
        samples[:] = np.random.default_rng(0).integers(-1, 2, len(samples)) / 2**15
    return samples


@pytest.mark.parametrize("kind", ["zeros", "offset", "last bit"])
def test_silence_has_no_speaker(run_sv: Run, mono: Write, kind: str) -> None:
    job = run_sv(mono("silence.wav", almost_silent(kind, 4)), ("embeddings", "speaker"))
    assert np.isfinite(job.load().data).all()
    assert not job.load("speaker").data.any()
    assert "nothing but silence, or no usable audio: zeros in speaker" in job.printed


def test_each_session_has_its_own_reference(
    run_sv: Run, talk: Path, somebody: Path, speech: Write, tmp_path: Path
) -> None:
    speech("other.wav", "-ac", "1", "-ar", "16000", seconds=4)  # the first voice
    alone = {
        name: run_sv(talk, ("similarity",), path, name=name).load("similarity").data["score"]
        for name, path in (("somebody", somebody), ("other", tmp_path / "other.wav"))
    }
    data = [
        {"src": "file:stream:audio", "type": "input", "id": "audio", "uri": str(talk)},
        {"src": "file:stream:audio", "type": "input", "id": "reference", "uri_template": f"{tmp_path}/{{session}}.wav"},
        {
            "src": "file:annotation:continuous", "type": "output", "id": "similarity",
            "uri_template": f"{tmp_path}/{{session}}.found.annotation",
        },
    ]  # fmt: skip
    job = run_sv(talk, data=json.dumps(data), sessions=json.dumps(["somebody", "other"]))
    assert job.code == 0, job.printed
    for name, expected in alone.items():
        found = FileHandler().load(tmp_path / f"{name}.found.annotation").data["score"]
        np.testing.assert_array_equal(found, expected)
    assert np.abs(alone["somebody"] - alone["other"]).max() > 0.2


def test_the_threshold_is_the_models_where_none_is_given(
    run_sv: Run, models: dict[str, Path], talk: Path, somebody: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(models["standin"], tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    for said, rows in ((0.1, 1), (1, 0)):
        (folder / "config.json").write_text(json.dumps(config | {"same_speaker_threshold": said}))
        for given in ({}, {"threshold": ""}):
            job = run_sv(talk, ("same_speaker",), somebody, options={"model": str(folder), "min_gap": 600, **given})
            assert f"{rows} segments of the same speaker, from a similarity of {said} on" in job.printed
    (folder / "config.json").write_text(json.dumps(config | {"same_speaker_threshold": "high"}))
    with pytest.raises(WeightsError, match="same_speaker_threshold in its config.json is 'high'; it must be a cosine"):
        run_sv(talk, ("same_speaker",), somebody, options={"model": str(folder)})


def test_the_small_model_finds_his_turns_in_the_demo(run_sv: Run) -> None:
    """Of two people on whom it was not trained; the times are those of demo/README.md."""
    demo = ROOT / "demo"
    job = run_sv(demo / "recording.flac", ("same_speaker",), demo / "reference.flac", options={"model": "small"})
    assert f"{WEIGHTS.stand_in.small} on cpu" in job.printed
    his = [(0, 5060), (14030, 18510), (25130, 32190)]
    found = [(row["from"], row["to"]) for row in job.load("same_speaker").data]
    assert len(found) == len(his)
    assert np.abs(np.array(found) - his).max() <= 1500  # half a window


def test_no_segment_is_an_annotation_without_rows(run_sv: Run, talk: Path, somebody: Path) -> None:
    job = run_sv(talk, ("embeddings", "same_speaker"), somebody, options={"threshold": 1})
    assert "0 segments of the same speaker" in job.printed
    assert not len(job.load("same_speaker").data)
    draw_picture(read_tracks("talk", talk, list(job.outputs.values())), talk.with_suffix(".png"))
    assert talk.with_suffix(".png").stat().st_size > 10_000


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precisions(run_sv: Run, talk: Path, precision: str) -> None:
    usual = run_sv(talk, name="usual", end="4s").load().data
    halved = run_sv(talk, name="half", end="4s", options={"precision": precision}).load().data
    assert least_cosine(halved, usual) > 0.99


@pytest.mark.parametrize("frame", ["300ms", "312ms", "324ms"])  # 4,800 samples raise in transformers, 5,000 give NaN
def test_shorter_windows_are_refused_with_that_number(run_sv: Run, talk: Path, frame: str) -> None:
    job = run_sv(talk, frame_size=frame, left_context="0", right_context="0")
    assert job.code == 1
    assert f"windows of {frame[:3]} ms" in job.printed
    assert "are too short for this model, which needs 325 ms" in job.printed


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"0": {"name": "noise"}, "1": "speech"}, "its scheme has no class 'same_speaker', only 'noise', 'speech'"),
        ({"first": {"name": "same_speaker"}}, "classes must be numbers with names, such as"),
        ({"0": {"title": "same_speaker"}}, "classes must be numbers with names, such as"),
    ],
)
def test_classes_that_cannot_be_used(run_sv: Run, talk: Path, somebody: Path, classes: Any, message: str) -> None:
    job = run_sv(talk, ("same_speaker",), somebody, fields={"same_speaker": {"classes": classes}})
    assert job.code == 1
    assert f"output 'same_speaker': {message}" in job.printed


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.full(46400, 0.1), "somebody.wav has 2900 ms; to know a speaker by, 3000 ms are needed, one window"),
        (almost_silent("zeros", 4), "somebody.wav holds silence; to know a speaker by, some seconds of speech are"),
        (almost_silent("offset", 4), "somebody.wav holds silence"),
        (almost_silent("last bit", 4), "somebody.wav holds silence"),
        (np.full(64000, np.nan), "somebody.wav holds NaN or infinite samples in every window"),
    ],
    ids=["short", "zeros", "offset", "last bit", "nan"],
)
def test_references_that_cannot_be_used(
    run_sv: Run, talk: Path, mono: Write, samples: np.ndarray, message: str
) -> None:
    somebody = mono("somebody.wav", samples)
    job = run_sv(talk, ("similarity",), somebody)
    assert job.code == 1
    assert message in job.printed
    assert not job.outputs["similarity"].exists()
    assert run_sv(talk, ("embeddings",), somebody, name="not-needed").code == 0


def test_no_reference(run_sv: Run, talk: Path, tmp_path: Path) -> None:
    for output in ("similarity", "same_speaker"):
        job = run_sv(talk, (output,))
        assert job.code == 1
        assert "the request needs an audio input with the id 'reference'; its inputs are: 'audio'" in job.printed
    job = run_sv(talk, ("similarity",), tmp_path / "nobody.wav")
    assert "nobody.wav does not exist; give the path of an audio file" in job.printed


def test_a_reference_longer_than_the_recording_is_remarked(run_sv: Run, talk: Path, somebody: Path) -> None:
    job = run_sv(somebody, ("similarity",), talk)
    assert job.code == 0
    assert "the reference is longer than the recording: are they exchanged?" in job.printed
