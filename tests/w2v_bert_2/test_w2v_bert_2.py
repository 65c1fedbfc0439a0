"""Numbers: what a job writes against transformers on the same windows."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

from novaspeech.audio.grid import WindowGrid
from novaspeech.errors import WeightsError
from novaspeech.models.compute import CPU_FLOAT32, Compute
from novaspeech.models.fast.conformer import ConvolutionModule
from novaspeech.models.fast.relative_key import gather_positions
from novaspeech.models.wav2vec2_bert import load_wav2vec2_bert
from tests.conftest import Job
from tests.references import assert_close, cut_windows, decoded, pooled

Run = Callable[..., Job]
Speech = Callable[..., Path]


def reference(path: Path, model: Path, grid: WindowGrid) -> np.ndarray:
    """(count, D): transformers' extractor and model on windows cut from the whole resampled signal."""
    windows = cut_windows(path, grid)
    extractor = SeamlessM4TFeatureExtractor.from_pretrained(model)
    network = Wav2Vec2BertModel.from_pretrained(model).eval()
    rows = []
    for begin in range(0, len(windows), 50):
        features = extractor(windows[begin : begin + 50], sampling_rate=16000, return_tensors="pt")
        with torch.inference_mode():
            hidden = network(**features).last_hidden_state
        mask = features["attention_mask"].unsqueeze(-1)
        rows.append(((hidden * mask).sum(1) / mask.sum(1)).numpy())
    return np.concatenate(rows)


@pytest.fixture
def wav(speech: Speech) -> Path:
    return speech("16k.wav", "-ac", "1", "-ar", "16000", "-c:a", "pcm_f32le")


@pytest.mark.parametrize("batch_size", [1, 7, 250])
def test_batch_sizes(
    speech: Speech, run_job: Run, small_model: Path, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compute, "on_cpu", False)  # as on a GPU: the whole batch at once
    wav = speech("16k.wav", "-ac", "1", "-ar", "16000", seconds=12)
    job = run_job(wav, {"batch_size": batch_size})
    assert_close(job.load().data, reference(wav, small_model, WindowGrid(40, 40, 960, 0, 300)))


@pytest.mark.parametrize(
    ("grid", "arguments"),
    [
        (WindowGrid(40, 40, 960, 0, 50), {}),
        (WindowGrid(40, 40, 960, 0, 50), {"frame_size": "40ms", "left_context": "960ms", "stride": "40ms"}),
        (WindowGrid(33, 33, 960, 0, 60), {"frame_size": "33ms", "left_context": "960ms"}),
        (WindowGrid(40, 33, 960, 0, 60), {"frame_size": "40ms", "left_context": "960ms", "stride": "33ms"}),
        (WindowGrid(40, 250, 960, 0, 8), {"frame_size": "40ms", "left_context": "960ms", "stride": "250ms"}),
        (WindowGrid(40, 40, 480, 480, 50), {"frame_size": "40", "left_context": "480", "right_context": "0.48s"}),
        (WindowGrid(1000, 1000, 0, 0, 2), {"frame_size": "1s"}),
        (WindowGrid(40, 40, 960, 0, 25), {"end": "1000ms"}),
        (WindowGrid(40, 40, 960, 0, 24), {"end": "999ms"}),
        (WindowGrid(40, 40, 960, 0, 50), {"end": "3600s"}),
        (WindowGrid(40, 40, 200, 0, 50), {"left_context": "200ms"}),
    ],
    ids=str,
)
def test_windows(wav: Path, run_job: Run, small_model: Path, grid: WindowGrid, arguments: dict[str, str]) -> None:
    stream = run_job(wav, **arguments).load()
    assert_close(stream.data, reference(wav, small_model, grid))
    assert stream.meta_data.sample_rate == pytest.approx(1000 / grid.stride_ms, abs=5e-4)


FORMATS: dict[str, list[str]] = {
    "16k mono float.wav": ["-ac", "1", "-ar", "16000", "-c:a", "pcm_f32le"],
    "8k.wav": ["-ar", "8000"],
    "44k stereo 16.wav": ["-c:a", "pcm_s16le"],
    "48k 6 channels 24.wav": ["-ar", "48000", "-ac", "6", "-c:a", "pcm_s24le"],
    "32.wav": ["-c:a", "pcm_s32le"],
    "float.wav": ["-c:a", "pcm_f32le"],
    "a.flac": [],
    "a.ogg": ["-c:a", "libvorbis"],
    "a.mp3": [],
    "a.m4a": [],
    "video.mp4": ["-f", "lavfi", "-i", "testsrc=d=2:s=64x64:r=25", "-map", "1:v", "-map", "0:a", "-t", "2"],
}


@pytest.mark.parametrize("name", FORMATS)
def test_rates_channels_and_formats(speech: Speech, run_job: Run, small_model: Path, name: str) -> None:
    path = speech(name, *FORMATS[name])
    job = run_job(path)
    assert job.code == 0
    found = job.load().data
    assert len(found) == 50
    assert_close(found, reference(path, small_model, WindowGrid(40, 40, 960, 0, 50)))


@pytest.mark.parametrize(
    ("config", "extractor", "message"),
    [
        ({"add_adapter": True}, {}, "add_adapter=True"),
        ({}, {"feature_extractor_type": "Wav2Vec2FeatureExtractor"}, "needs 'SeamlessM4TFeatureExtractor'"),
    ],
)
def test_models_whose_parts_do_not_fit(
    small_model: Path, tmp_path: Path, config: dict[str, Any], extractor: dict[str, Any], message: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(small_model, folder)
    if config:
        whole = Wav2Vec2BertConfig.from_pretrained(small_model)
        whole.update(config)
        Wav2Vec2BertModel(whole).save_pretrained(folder)
    stated = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(stated | extractor))
    with pytest.raises(WeightsError, match=message):
        load_wav2vec2_bert(folder, CPU_FLOAT32)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precisions_are_near(wav: Path, run_job: Run, precision: str) -> None:
    exact, near = run_job(wav, name="a").load().data, run_job(wav, {"precision": precision}, name="b").load().data
    cosine = (exact * near).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(near, axis=1)
    assert cosine.min() > 0.995
    assert not np.array_equal(exact, near)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_float32_equals_the_cpu(wav: Path, run_job: Run) -> None:
    cpu = run_job(wav, {"device": "cpu"}, name="a").load().data
    cuda = run_job(wav, {"device": "cuda", "precision": "float32"}, name="b").load().data
    assert_close(cuda, cpu, 1e-3)


def test_a_job_with_context_recording_is_one_forward_pass(wav: Path, run_job: Run, small_model: Path) -> None:
    extractor, network = SeamlessM4TFeatureExtractor.from_pretrained(small_model), Wav2Vec2BertModel.from_pretrained
    features = extractor(decoded(wav)[0][:, 0], sampling_rate=16000, return_tensors="pt")
    with torch.inference_mode():
        hidden = network(small_model).eval()(**features).last_hidden_state[0, : features["attention_mask"].sum()]
    grid = WindowGrid(40, 40, 960, 0, 50)
    expected = [frames.mean(axis=0) for frames in pooled(hidden.numpy(), 320, 560, grid)]
    job = run_job(wav, {"context": "recording"})
    assert_close(job.load().data, np.stack(expected))
    assert not np.allclose(job.load().data, reference(wav, small_model, grid), atol=1e-2)


@pytest.mark.parametrize("frames", [1, 5, 64, 200])
def test_attention_and_convolutions_are_those_of_transformers(frames: int) -> None:
    """200 frames: further apart than the farthest distance that has an embedding of its own."""
    torch.manual_seed(0)
    network = Wav2Vec2BertModel(Wav2Vec2BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4)).eval()
    features = torch.randn(3, frames, 160)
    mask = torch.ones(3, frames)
    mask[1, frames // 2 + 1 :] = 0
    with torch.inference_mode():
        expected = [network(features, attention_mask=given).last_hidden_state for given in (None, mask)]
        gather_positions(network)
        for layer in network.encoder.layers:
            layer.conv_module = ConvolutionModule(layer.conv_module)
        found = [network(features, attention_mask=given).last_hidden_state for given in (None, mask)]
    assert_close(found[0].numpy(), expected[0].numpy(), 1e-5)
    assert_close((found[1] * mask[..., None]).numpy(), (expected[1] * mask[..., None]).numpy(), 1e-5)
