"""Folders of exports that are of no use, and what onnxruntime cannot do: one line each."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import novaspeech
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.errors import OptionError, WeightsError
from novaspeech.inference.engine import Inference
from novaspeech.models.onnx.runtime import OnnxGraph, onnx_compute
from tests.conftest import ROOT
from tests.novaspeech.test_export import noise
from tests.references import assert_close

CPU = ("CPUExecutionProvider",)
Exported = Callable[..., Path]


def test_folders_for_the_other_backend(models: dict[str, Path], exported: Exported) -> None:
    with pytest.raises(WeightsError, match="holds no model for onnxruntime; make one first: novaspeech export MODULE"):
        novaspeech.load("w2v_bert_2", model=str(models["w2v_bert_2"]), backend="onnx")
    with pytest.raises(WeightsError, match="was written by `novaspeech export`, for onnxruntime: it needs backend=onn"):
        novaspeech.load("w2v_bert_2", model=str(exported("w2v_bert_2", models["w2v_bert_2"])))
    with pytest.raises(WeightsError, match="backend=onnx needs the folder of an export, which model 'facebook/w2v"):
        novaspeech.load("w2v_bert_2", backend="onnx")


def test_exports_of_other_models(models: dict[str, Path], exported: Exported, tmp_path: Path) -> None:
    emotion, speaker = (str(exported(name, models[name])) for name in ("emow2v", "wav2vec2_sv"))
    with pytest.raises(WeightsError, match="holds a 'wav2vec2' model; this module needs one of type 'wav2vec2-bert'"):
        novaspeech.load("w2v_bert_2", model=emotion, backend="onnx")
    with pytest.raises(WeightsError, match="holds another kind of model: .* is missing; make one"):
        novaspeech.load("wav2vec2_sv", model=emotion, backend="onnx")
    mixed = Path(shutil.copytree(speaker, tmp_path / "mixed"))
    shutil.copy(ROOT / "LICENSE", mixed / "network.onnx")
    with pytest.raises(WeightsError, match=r"network\.onnx cannot be used by onnxruntime: "):
        novaspeech.load("wav2vec2_sv", model=str(mixed), backend="onnx")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("network.onnx", "is no model folder"),
        ("network.onnx.data", r"network\.onnx cannot be used by onnxruntime"),
        ("convolutions.onnx", r"convolutions\.onnx cannot be used by onnxruntime"),
        ("torch.safetensors", r"torch\.safetensors cannot be read"),
    ],
)
def test_exports_that_are_not_whole(
    models: dict[str, Path], exported: Exported, tmp_path: Path, name: str, message: str
) -> None:
    cut = Path(shutil.copytree(exported("wav2vec2_sv", models["wav2vec2_sv"]), tmp_path / "cut"))
    (cut / name).unlink()
    with pytest.raises(WeightsError, match=message) as caught:
        novaspeech.load("wav2vec2_sv", model=str(cut), backend="onnx")
    assert "\n" not in str(caught.value)


def test_without_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(OptionError, match=r"backend=onnx needs onnxruntime: pip install onnxruntime \(onnxruntime-gpu"):
        onnx_compute()


def test_devices_and_precisions_of_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    assert onnx_compute("auto", "auto").providers == onnx_compute("cpu", "float32").providers == CPU
    for device in ("cuda", "mps"):
        with pytest.raises(OptionError, match=f"'device' is '{device}', which onnxruntime .* does not offer here"):
            onnx_compute(device)
    with pytest.raises(OptionError, match="option 'precision' is 'float16'; with backend=onnx it is the file's own"):
        onnx_compute("auto", "float16")
    # No CUDA build of onnxruntime here: what it would say stands in for it.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", *CPU])
    for device, precision, tf32 in (("auto", "auto", 1), ("cuda", "float32", 0)):
        compute = onnx_compute(device, precision)
        assert compute.providers == (("CUDAExecutionProvider", {"use_tf32": tf32}), *CPU)
        assert not compute.on_cpu


def test_a_cuda_that_does_not_start(
    models: dict[str, Path], exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As above: offered, but onnxruntime falls back to the CPU.
    file = exported("w2v_bert_2", models["w2v_bert_2"]) / "network.onnx"
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", *CPU])
    assert OnnxGraph(file, onnx_compute("auto", "auto")).provider == CPU[0]
    with pytest.raises(OptionError, match="option 'device' is 'cuda', which onnxruntime cannot start here"):
        OnnxGraph(file, onnx_compute("cuda", "auto"))


def test_float32_of_an_int8_folder_is_refused(models: dict[str, Path], exported: Exported) -> None:
    folder = str(exported("w2v_bert_2", models["w2v_bert_2"], "int8"))
    with pytest.raises(OptionError, match="option 'precision' is 'float32', but .* is int8; leave it at auto"):
        novaspeech.load("w2v_bert_2", model=folder, backend="onnx", precision="float32")


def test_a_full_gpu_is_known_by_its_words(
    models: dict[str, Path], exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The error is onnxruntime's own class; that a GPU is full cannot be had here.
    folder = str(exported("w2v_bert_2", models["w2v_bert_2"]))
    encoder = novaspeech.load("w2v_bert_2", model=folder, backend="onnx").encoder
    recording, grid = Recording.of_samples(noise(2), 16000, "noise"), WindowGrid(1000, 40, 0, 0, 10)
    expected = Inference(encoder, 10).encode(recording, grid, ["embeddings"])["embeddings"].values
    graph = encoder.model.network._graph  # type: ignore[union-attr]
    whole = graph.session

    class Full:
        def run(self, wanted: list[str], feed: dict[str, np.ndarray], options: Any) -> Any:
            if len(feed["features"]) > 3:
                raise onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException("Failed to allocate memory")
            return whole.run(wanted, feed, options)

    monkeypatch.setattr(graph, "session", Full())
    said: list[str] = []
    found = Inference(encoder, 10, said.append).encode(recording, grid, ["embeddings"])
    assert_close(found["embeddings"].values, expected)
    assert said == ["out of GPU memory: going on with 2 windows at once"]
