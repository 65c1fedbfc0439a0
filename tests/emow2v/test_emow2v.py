"""Numbers: what a job writes against transformers and the published head on the same windows."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

from emow2v.encoder import EmoW2VEncoder
from emow2v.network import SCORES, load_emotion_model
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import WeightsError
from novaspeech.inference.pooling import HIDDEN
from novaspeech.models.compute import Compute
from novaspeech.models.front import standardise
from tests.conftest import Job
from tests.references import assert_close, cut_windows, pooled

Run = Callable[..., Job]
Speech = Callable[..., Path]


def reference(path: Path, model: Path, grid: WindowGrid) -> dict[str, np.ndarray]:
    """(count, D) and (count,): transformers' extractor and model, and the head's two layers, from the same files."""
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(model)
    network = Wav2Vec2Model.from_pretrained(model).eval()
    head = load_file(model / "model.safetensors")
    dense, out_proj = (
        [head[f"classifier.{layer}.{part}"] for part in ("weight", "bias")] for layer in ("dense", "out_proj")
    )
    values = extractor(cut_windows(path, grid), sampling_rate=16000, return_tensors="pt").input_values
    with torch.inference_mode():
        pooled = torch.cat([network(part).last_hidden_state.mean(1) for part in values.split(50)])
        scores = torch.tanh(pooled @ dense[0].T + dense[1]) @ out_proj[0].T + out_proj[1]
    return {"embedding": pooled.numpy()} | {name: scores[:, index].numpy() for index, name in enumerate(SCORES)}


def assert_scores(job: Job, expected: dict[str, np.ndarray]) -> None:
    """The host writes two decimals."""
    for name in SCORES:
        annotation = job.load(name)
        np.testing.assert_allclose(annotation.data["score"], np.clip(expected[name], 0, 1), atol=0.00501)
        assert (annotation.data["conf"] == 1).all()


@pytest.mark.parametrize("batch_size", [1, 7, 250])
def test_batch_sizes(
    speech: Speech, run_emow2v: Run, small_emow2v: Path, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compute, "on_cpu", False)  # as on a GPU: the whole batch at once
    wav = speech("16k.wav", "-ac", "1", "-ar", "16000", seconds=11)
    job = run_emow2v(wav, {"batch_size": batch_size})
    expected = reference(wav, small_emow2v, WindowGrid(40, 40, 960, 0, 275))
    assert_close(job.load("embedding").data, expected["embedding"])
    assert_scores(job, expected)


def test_scores_before_rounding(small_emow2v: Path, speech: Speech) -> None:
    wav = speech("16k.wav", "-ac", "1", "-ar", "16000")
    grid = WindowGrid(1000, 40, 0, 0, 20)
    windows = torch.from_numpy(np.stack(cut_windows(wav, grid)))
    signal = torch.cat([windows[0], *(window[-640:] for window in windows[1:])])
    with torch.inference_mode():
        found = EmoW2VEncoder(small_emow2v).encode(WindowBatch(signal, 16000, 640), ["embedding", *SCORES])
    for name, values in reference(wav, small_emow2v, grid).items():
        assert_close(found[name].numpy().reshape(values.shape), values)


@pytest.mark.parametrize(
    ("grid", "arguments"),
    [
        (WindowGrid(33, 33, 960, 0, 60), {"frame_size": "33ms", "left_context": "960ms"}),
        (WindowGrid(40, 250, 960, 0, 8), {"frame_size": "40ms", "left_context": "960ms", "stride": "250ms"}),
        (WindowGrid(40, 40, 480, 480, 50), {"frame_size": "40", "left_context": "480", "right_context": "0.48s"}),
        (WindowGrid(25, 25, 0, 0, 80), {"frame_size": "25ms"}),
        (WindowGrid(2000, 40, 1017, 0, 50), {"frame_size": "2s", "stride": "40ms", "left_context": "1017ms"}),
    ],
    ids=str,
)
def test_windows(
    speech: Speech, run_emow2v: Run, small_emow2v: Path, grid: WindowGrid, arguments: dict[str, str]
) -> None:
    wav = speech("48k.wav", "-ar", "48000")
    job = run_emow2v(wav, **arguments)
    expected = reference(wav, small_emow2v, grid)
    assert_close(job.load("embedding").data, expected["embedding"])
    assert_scores(job, expected)
    assert job.load("valence").annotation_scheme.sample_rate == pytest.approx(1000 / grid.stride_ms, abs=5e-4)


def test_only_what_is_asked_for_is_computed_and_written(
    speech: Speech, run_emow2v: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any, pooled: torch.Tensor) -> torch.Tensor:
        raise AssertionError("nobody asked for scores")

    wav = speech("a.wav")
    job = run_emow2v(wav, outputs=["valence"], name="one")
    assert [file.name for file in sorted(tmp_path.glob("one.*"))] == [
        "one.valence.annotation",
        "one.valence.annotation~",
    ]
    assert len(job.load("valence").data) == 50
    monkeypatch.setattr("emow2v.network.RegressionHead.forward", refuse)
    assert run_emow2v(wav, outputs=["embeddings"], name="two").load("embeddings").data.shape == (50, 64)


def test_a_nan_is_a_gap_in_scores_and_zeros_in_embeddings(mono: Callable[..., Path], run_emow2v: Run) -> None:
    samples = np.random.default_rng(0).standard_normal(32000).astype(np.float32) * 0.1
    samples[8000] = np.nan
    job = run_emow2v(mono("nan.wav", samples))
    holding = (np.arange(50) >= 12) & (np.arange(50) < 37)  # windows that hold 500 ms
    for name in SCORES:
        data = job.load(name).data
        np.testing.assert_array_equal(np.isnan(data["score"]), holding)
        np.testing.assert_array_equal(data["conf"], ~holding)
    np.testing.assert_array_equal(job.load("embedding").data.any(axis=1), ~holding)


def test_digital_silence_is_finite(mono: Callable[..., Path], run_emow2v: Run) -> None:
    job = run_emow2v(mono("silence.wav", np.zeros(32000, np.float32)))
    assert np.isfinite(job.load("embedding").data).all()
    assert np.isfinite(job.load("arousal").data["score"]).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precisions_are_near(speech: Speech, run_emow2v: Run, precision: str) -> None:
    wav = speech("a.wav")
    exact, near = run_emow2v(wav, name="a"), run_emow2v(wav, {"precision": precision}, name="b")
    a, b = exact.load("embedding").data, near.load("embedding").data
    assert ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min() > 0.995
    assert not np.array_equal(a, b)


@pytest.fixture
def copy(small_emow2v: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_emow2v, tmp_path / "model"))


def state(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_emotion_model(folder).state_dict()
    return state


def test_a_pickled_checkpoint_with_the_older_names_of_weight_norm(small_emow2v: Path, copy: Path) -> None:
    # So the published pytorch_model.bin has them.
    older = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    weights = load_file(copy / "model.safetensors")
    for new, old in older.items():
        [key] = [key for key in weights if key.endswith(f"pos_conv_embed.conv.{new}")]
        weights[key.replace(new, old)] = weights.pop(key)
    (copy / "model.safetensors").unlink()
    torch.save(weights, copy / "pytorch_model.bin")
    expected, found = state(small_emow2v), state(copy)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_checkpoint_without_the_head(copy: Path) -> None:
    weights = {k: v for k, v in load_file(copy / "model.safetensors").items() if not k.startswith("classifier")}
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match=r"4 are missing and 0 have another shape \(classifier\.dense\.bias"):
        EmoW2VEncoder(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"id2label": {"0": "sad", "1": "glad"}},
            r"has the labels sad, glad; a model whose config\.json names arousal",
        ),
        ({"id2label": {"0": "valence", "1": "arousal", "2": "dominance"}}, "arousal, dominance, valence in this order"),
        ({"add_adapter": True}, "this one has add_adapter=True"),
    ],
)
def test_models_of_another_kind(copy: Path, changes: dict[str, Any], message: str) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(WeightsError, match=message):
        EmoW2VEncoder(copy)


def test_an_extractor_that_does_not_normalise_is_followed(small_emow2v: Path, copy: Path) -> None:
    stated = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").write_text(json.dumps(stated | {"do_normalize": False}))
    batch = WindowBatch(torch.randn(16000) * 3, 16000, 640)
    with torch.inference_mode():
        expected = Wav2Vec2Model.from_pretrained(small_emow2v).eval()(batch.windows).last_hidden_state
        assert_close(EmoW2VEncoder(copy).frames(batch, [HIDDEN])[HIDDEN].numpy(), expected.numpy())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_float32_equals_the_cpu(speech: Speech, run_emow2v: Run) -> None:
    wav = speech("a.wav")
    cpu = run_emow2v(wav, {"device": "cpu"}, name="a").load("embedding").data
    cuda = run_emow2v(wav, {"device": "cuda", "precision": "float32"}, name="b").load("embedding").data
    assert_close(cuda, cpu, 1e-3)


def test_a_job_with_context_recording_is_one_forward_pass(
    mono: Callable[..., Path], run_emow2v: Run, small_emow2v: Path
) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32) * np.linspace(0.1, 1, 48000)
    model = load_emotion_model(small_emow2v)
    with torch.inference_mode():
        signal = standardise(torch.from_numpy(samples.astype(np.float32))[None])
        hidden = model.wav2vec2(signal).last_hidden_state[0].numpy()
        frames = np.stack([part.mean(axis=0) for part in pooled(hidden, 320, 400, WindowGrid(40, 40, 960, 0, 75))])
        scores = model.classifier(torch.from_numpy(frames)).numpy()
    job = run_emow2v(mono("a.wav", samples), {"context": "recording"})
    assert_close(job.load("embedding").data, frames)
    assert_scores(job, dict(zip(SCORES, scores.T, strict=True)))
