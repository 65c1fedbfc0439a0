"""The encoder against transformers' own extractors and models, family by family."""

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from transformers import AutoFeatureExtractor, AutoModel, Wav2Vec2ForXVector

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import OptionError, RequestError, WeightsError
from novaspeech.inference.engine import Inference
from novaspeech.inference.pooling import HIDDEN, POOLINGS
from novaspeech.models.compute import Compute
from novaspeech.models.onnx.runtime import onnx_compute
from speech_encoder.encoder import SpeechEncoder
from speech_encoder.options import SpeechEncoderOptions
from tests.conftest import SPEECH, Job
from tests.references import cut_windows, pooled
from tests.speech_encoder.conftest import LARGE, MODELS

LAYERS = ("-1", "0", "1", "3", "-2", "all")


def test_the_option_names_the_poolings() -> None:
    assert SpeechEncoderOptions.fields()["pooling"].metadata["choices"] == tuple(POOLINGS)


def speech(seconds: float = 4.0) -> np.ndarray:
    samples, _ = soundfile.read(SPEECH, dtype="float32")
    return samples[16000 : 16000 + round(16000 * seconds), 0].copy()


@lru_cache(maxsize=1)
def loaded(folder: Path) -> tuple[Any, Any]:
    """Extractor and model, by transformers alone."""
    extractor, model = AutoFeatureExtractor.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    return extractor, model.get_encoder() if model.config.model_type == "whisper" else model


def reference(folder: Path, window: np.ndarray) -> list[np.ndarray]:
    """Hidden states (F, D) of each layer of one window, by transformers alone."""
    return reference_of_bytes(folder, np.asarray(window, np.float32).tobytes())


@lru_cache(maxsize=64)
def reference_of_bytes(folder: Path, window: bytes) -> list[np.ndarray]:
    samples = np.frombuffer(window, np.float32)
    extractor, model = loaded(folder)
    inputs = extractor([samples], sampling_rate=16000, return_tensors="pt")
    count = None
    if "whisper" in folder.name:
        count = -(-len(samples) // 320)
        inputs.pop("attention_mask", None)
    with torch.no_grad():
        states = model(**inputs, output_hidden_states=True).hidden_states
    if "w2v-bert" in folder.name:  # half a pair of frames is padded and masked
        count = int(inputs["attention_mask"].sum())
    return [layer[0, :count].numpy() for layer in states]


POOLED = {
    "mean": lambda hidden: hidden.mean(axis=0),
    "max": lambda hidden: hidden.max(axis=0),
    "mean_std": lambda hidden: np.concatenate([hidden.mean(axis=0), hidden.std(axis=0)]),
}


def chosen(states: list[np.ndarray], layer: str) -> np.ndarray:
    return np.mean(states, axis=0) if layer == "all" else states[int(layer)]


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    """1e-4 of the largest value, and of what tells windows apart: small random models say nearly the same of all."""
    assert found.shape == expected.shape
    difference = np.abs(found - expected).max()
    assert difference <= 1e-4 * np.abs(expected).max()
    assert difference <= 1e-2 * np.abs(expected - expected.mean(axis=0)).max()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("length", [16000, 15889, 400])
def test_every_layer_equals_transformers(folders: dict[str, Path], name: str, length: int) -> None:
    batch = WindowBatch(torch.from_numpy(speech(2.0)), length, 8000)
    if name == "w2v-bert-2.0":
        length = max(length, 720)
        batch = WindowBatch(batch.signal, length, 8000)
    states = [reference(folders[name], window.numpy()) for window in batch.windows]
    assert len(states[0]) == 4
    for layer in LAYERS:
        with torch.inference_mode():
            found = SpeechEncoder(folders[name], layer).encode(batch, ["embeddings"])["embeddings"].numpy()
        assert_close(found, np.stack([chosen(layers, layer).mean(axis=0) for layers in states]))


@pytest.mark.parametrize("pooling", POOLED)
@pytest.mark.parametrize("name", ["wavlm-base-plus", "w2v-bert-2.0", "whisper"])
def test_poolings(folders: dict[str, Path], name: str, pooling: str) -> None:
    batch = WindowBatch(torch.from_numpy(speech(2.0)), 16000, 8000)
    encoder = SpeechEncoder(folders[name], "2", pooling)
    with torch.inference_mode():
        found = encoder.encode(batch, ["embeddings"])["embeddings"].numpy()
    assert found.shape[1] == encoder.dimensions["embeddings"] == (64 if pooling == "mean_std" else 32)
    assert_close(found, np.stack([POOLED[pooling](reference(folders[name], one.numpy())[2]) for one in batch.windows]))


def test_one_frame_has_a_deviation_of_0(folders: dict[str, Path]) -> None:
    encoder = SpeechEncoder(folders["wavlm-base-plus"], pooling="mean_std")
    with torch.inference_mode():
        found = encoder.encode(WindowBatch(torch.from_numpy(speech()[:400]), 400, 400), ["embeddings"])["embeddings"]
    assert not found[:, 32:].any()
    assert found[:, :32].any()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["wavlm-base-plus", "w2v-bert-2.0", "whisper"])
def test_half_precision_is_close(folders: dict[str, Path], name: str, precision: str) -> None:
    batch = WindowBatch(torch.from_numpy(speech(1.5)), 16000, 8000)
    with torch.inference_mode():
        full, half = (
            SpeechEncoder(folders[name], compute=compute).encode(batch, ["embeddings"])["embeddings"].float()
            for compute in (Compute(), Compute.of("cpu", precision))
        )
    assert torch.cosine_similarity(full, half).min() > 0.999


@pytest.mark.parametrize("layer", ["4", "-5", "last", "", "1.5"])
def test_a_layer_that_is_not_there(folders: dict[str, Path], layer: str) -> None:
    with pytest.raises(OptionError, match=f"option 'layer' is '{layer}'; this model has the layers 0 to 3; -1 is its"):
        SpeechEncoder(folders["xls-r"], layer)


def test_a_window_longer_than_whisper_hears(folders: dict[str, Path]) -> None:
    recording = Recording.of_samples(np.zeros(40 * 16000, np.float32), 16000, "long")
    grid = WindowGrid.fit(31000, 31000, 0, 0, 40000)
    with pytest.raises(RequestError, match="windows of 31000 ms are too long for Whisper, which hears 30 s; make the"):
        Inference(SpeechEncoder(folders["whisper"])).encode(recording, grid, ["embeddings"])


def test_whisper_hears_a_recording_that_has_nan_in_its_last_chunk(folders: dict[str, Path]) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 32 * 16000).astype(np.float32)
    samples[31 * 16000] = np.nan
    recording, grid = Recording.of_samples(samples, 16000, "a"), WindowGrid.fit(1000, 1000, 0, 0, 32000)
    inference = Inference(SpeechEncoder(folders["whisper"]), context="recording")
    found = inference.encode(recording, grid, ["embeddings"])["embeddings"]
    assert np.flatnonzero(~found.usable).tolist() == [30, 31]


def test_a_model_with_an_adapter(tmp_path: Path) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    Wav2Vec2Model(Wav2Vec2Config(**LARGE, add_adapter=True, output_hidden_size=32)).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="a model without adapter is needed; this one has add_adapter=True"):
        SpeechEncoder(tmp_path)


def test_an_extractor_of_another_family(folders: dict[str, Path], tmp_path: Path) -> None:
    for file in folders["whisper"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"feature_extractor_type": "Wav2Vec2FeatureExtractor"})
    )
    with pytest.raises(WeightsError, match="is for 'Wav2Vec2FeatureExtractor'; this module needs 'WhisperFeature"):
        SpeechEncoder(tmp_path)


def test_a_model_that_was_tuned_further_gives_its_backbone(folders: dict[str, Path], tmp_path: Path) -> None:
    """A checkpoint with a head, as most on the Hub are."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor

    torch.manual_seed(0)
    tuned = Wav2Vec2ForXVector(Wav2Vec2Config(**LARGE, tdnn_dim=(8,) * 5, xvector_output_dim=8))
    tuned.save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    window = speech(1.0)
    with torch.inference_mode():
        batch = WindowBatch(torch.from_numpy(window), 16000, 16000)
        found = SpeechEncoder(tmp_path).encode(batch, ["embeddings"])["embeddings"].numpy()
    expected = reference(tmp_path, window)[-1].mean(axis=0)
    np.testing.assert_allclose(found[0], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("pooling", POOLED)
@pytest.mark.parametrize("model", MODELS)
def test_a_recording_of_one_chunk_is_one_forward_pass(folders: dict[str, Path], model: str, pooling: str) -> None:
    samples = speech(7.3)
    recording, grid = Recording.of_samples(samples, 16000, "made"), WindowGrid.fit(40, 40, 960, 0, 7000)
    encoder = SpeechEncoder(folders[model], pooling=pooling)
    found = Inference(encoder, context="recording").encode(recording, grid, ["embeddings"])["embeddings"]
    hidden = chosen(reference(folders[model], samples), "-1")
    expected = [POOLED[pooling](part) for part in pooled(hidden, encoder.frame_hop, encoder.frame_length, grid)]
    assert_close(found.values, np.stack(expected))
    assert found.usable.all()


@pytest.mark.parametrize("model", ["hubert-large", "data2vec-audio", "whisper"])
def test_an_export_of_each_kind(folders: dict[str, Path], exported: Callable[..., Path], model: str) -> None:
    recording, grid = Recording.of_samples(speech(7.3), 16000, "made"), WindowGrid.fit(600, 600, 400, 0, 7000)
    onnx = SpeechEncoder(exported("speech_encoder", folders[model]), compute=onnx_compute("cpu", "float32"))
    for context in ("window", "recording"):
        rows = [
            Inference(encoder, context=context).encode(recording, grid, ["embeddings"])
            for encoder in (onnx, SpeechEncoder(folders[model]))
        ]
        assert_close(rows[0]["embeddings"].values, rows[1]["embeddings"].values)


@pytest.mark.parametrize("model", ["wavlm-base-plus", "wavlm-large", "wav2vec2-base", "w2v-bert-2.0"])
def test_what_a_model_takes_from_the_whole_is_that_of_the_recording(folders: dict[str, Path], model: str) -> None:
    """The first layer's input hears a second only: over chunks it is that of one forward pass over all of it."""
    samples = np.tile(speech(6.7) * np.linspace(0.2, 1, 107_200, dtype=np.float32), 10)
    recording = Recording.of_samples(samples, 16000, "made")
    blocks = list(Inference(SpeechEncoder(folders[model], layer="0")).frames(recording, [HIDDEN]))
    assert len(blocks) == 3
    found = np.concatenate([block.array(HIDDEN) for block in blocks])
    assert_close(found, reference(folders[model], samples)[0][: len(found)])


@pytest.mark.parametrize("model", ["wavlm-base-plus", "w2v-bert-2.0"])
def test_one_nan_costs_the_windows_that_hear_it(folders: dict[str, Path], model: str) -> None:
    samples, grid, encoder = speech(20), WindowGrid.fit(40, 40, 960, 0, 20_000), SpeechEncoder(folders[model])
    inference = Inference(encoder, context="recording")
    intact = inference.encode(Recording.of_samples(samples.copy(), 16000, "a"), grid, ["embeddings"])["embeddings"]
    samples[160_000] = np.nan
    found = inference.encode(Recording.of_samples(samples, 16000, "b"), grid, ["embeddings"])["embeddings"]
    assert np.flatnonzero(~found.usable).tolist() == list(range(249, 275))
    assert not found.values[~found.usable].any()
    difference = np.abs(found.values - intact.values)[found.usable].max()
    assert difference < 1e-2 * np.abs(intact.values).max()


Run = Callable[..., Job]


@pytest.fixture
def run(run_module: Run, folders: dict[str, Path]) -> Run:
    def run(name: str, audio: Path = SPEECH, options: dict[str, object] | None = None, **arguments: str) -> Job:
        model = {"model": str(folders[name])}
        return run_module("speech_encoder", audio, model | (options or {}), ["embeddings"], "out", **arguments)

    return run


@pytest.mark.parametrize("name", ["wavlm-base-plus", "whisper"])
def test_a_job(run: Run, folders: dict[str, Path], name: str) -> None:
    from novaspeech.audio.grid import WindowGrid

    job = run(name, frame_size="1s", left_context="500ms", options={"layer": "all", "pooling": "mean_std"})
    stream = job.load()
    assert stream.data.shape == (14, 64)
    assert stream.meta_data.sample_rate == 1
    windows = cut_windows(SPEECH, WindowGrid.fit(1000, 1000, 500, 0, 14018))
    for row in (0, 7, 13):
        hidden = np.mean(reference(folders[name], windows[row].astype(np.float32)), axis=0)
        expected = np.concatenate([hidden.mean(axis=0), hidden.std(axis=0)])
        np.testing.assert_allclose(stream.data[row], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"pooling": "median"}, OptionError, "option 'pooling' is 'median'; it must be one of mean, max, mean_std"),
        ({"layer": 9}, OptionError, "option 'layer' is '9'; this model has the layers 0 to 3"),
        ({"model": "{demo}"}, WeightsError, "is no model folder: it needs config.json"),
    ],
)
def test_wrong_options(run: Run, options: dict[str, object], kind: type[Exception], message: str) -> None:
    filled = {name: str(SPEECH.parent) if value == "{demo}" else value for name, value in options.items()}
    with pytest.raises(kind, match=message):
        run("wavlm-base-plus", options=filled)
