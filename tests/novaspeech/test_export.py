"""`novaspeech export` and backend=onnx: every module against torch, and folders that are of no use."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnxruntime import InferenceSession

import novaspeech
from novaspeech.command.main import main
from novaspeech.models.onnx import exported as exported_models
from novaspeech.models.onnx import runtime as onnx_module
from tests.conftest import SYNTHETIC
from tests.references import assert_close

MODULES = ("w2v_bert_2", "emow2v", "wav2vec2_sv", "wav2vec2_kws", "speech_encoder")
FRAMES = ("w2v_bert_2", "emow2v", "speech_encoder")  # with both contexts
CPU = ("CPUExecutionProvider",)
Exported = Callable[..., Path]


def noise(seconds: float) -> np.ndarray:
    """Samples at 16 kHz that grow louder."""
    count = round(16000 * seconds)
    made = np.random.default_rng(0).normal(0, 0.1, count) * np.linspace(0.1, 1, count)
    return made.astype(np.float32)


def run(module: str, model: Path, samples: np.ndarray, **options: Any) -> dict[str, np.ndarray]:
    """Embeddings, and scores, of windows every 500 ms."""
    wanted = ["embedding", "valence"] if module == "emow2v" else ["embeddings"]
    result = novaspeech.load(module, model=str(model), stride="500ms", **options)((samples, 16000), wanted)
    return {name: np.asarray(result[name]) for name in wanted}


@pytest.mark.parametrize("context", ["window", "recording"])
@pytest.mark.parametrize("module", MODULES)
def test_an_export_gives_what_torch_gives(
    models: dict[str, Path], exported: Exported, module: str, context: str
) -> None:
    options = {"context": context, "chunk": 5, "overlap": 1} if module in FRAMES else {}
    samples = noise(12)
    expected = run(module, models[module], samples, **options)
    for precision in ("float32", "int8"):
        found = run(module, exported(module, models[module], precision), samples, backend="onnx", **options)
        for name, values in found.items():
            if precision == "float32":
                assert_close(values, expected[name], 1e-4)
            elif name != "valence":
                # Not windows that are mostly padding: 8 bits for a whole signal leave few for what is quiet in it.
                inside = slice(6, -1)
                cosine = torch.cosine_similarity(*map(torch.from_numpy, (values[inside], expected[name][inside])))
                assert 0.98 < cosine.min() < 0.9999999


@pytest.mark.parametrize(("layer", "pooling"), [("0", "mean"), ("1", "max"), ("all", "mean_std"), ("2", "mean")])
def test_layers_and_poolings_of_an_export(
    models: dict[str, Path], exported: Exported, layer: str, pooling: str
) -> None:
    options: dict[str, Any] = {"layer": layer, "pooling": pooling, "context": "recording"}
    expected = run("speech_encoder", models["speech_encoder"], noise(4), **options)
    folder = exported("speech_encoder", models["speech_encoder"])
    found = run("speech_encoder", folder, noise(4), backend="onnx", **options)
    assert_close(found["embeddings"], expected["embeddings"], 1e-4)


def test_keywords_of_an_export_are_those_of_torch(models: dict[str, Path], exported: Exported) -> None:
    words, folder = SYNTHETIC / "words.flac", exported("wav2vec2_kws", models["wav2vec2_kws"])
    asked = ["keywords", "words", "score"]
    by_torch, by_onnx = (
        novaspeech.load("wav2vec2_kws", model=str(place), keywords="thank you, money", backend=backend)(words, asked)
        for backend, place in (("torch", models["wav2vec2_kws"]), ("onnx", folder))
    )
    assert len(by_torch["keywords"]) > 1
    for name in ("keywords", "words"):
        assert [(hit.name, hit.start_ms) for hit in by_onnx[name]] == [
            (hit.name, hit.start_ms) for hit in by_torch[name]
        ]
    assert_close(np.asarray(by_onnx["score"]), np.asarray(by_torch["score"]), 1e-3)


@pytest.mark.parametrize("module", ["emow2v", "wav2vec2_sv"])
def test_int8_does_not_depend_on_the_neighbours(models: dict[str, Path], exported: Exported, module: str) -> None:
    folder = exported(module, models[module], "int8")
    one, many = (run(module, folder, noise(6), backend="onnx", batch_size=size) for size in (1, 250))
    for name, values in one.items():
        assert_close(values, many[name], 1e-4)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_export_says_what_it_is(models: dict[str, Path], exported: Exported, precision: str) -> None:
    folder = exported("emow2v", models["emow2v"], precision)
    about = json.loads((folder / "export.json").read_text())
    assert (about["source"], about["precision"]) == (str(models["emow2v"]), precision)
    assert about["compared_with_torch"]["least_cosine"] > (0.999999 if precision == "float32" else 0.99)
    names = {"config.json", "preprocessor_config.json", "export.json", "torch.safetensors", "network.onnx",
             "network.onnx.data", "convolutions.onnx", "convolutions.onnx.data"}  # fmt: skip
    names |= (
        {f"{name}-signed.onnx{end}" for name in ("network", "convolutions") for end in ("", ".data")}
        if precision == "int8"
        else set()
    )
    assert {file.name for file in folder.iterdir()} == names
    assert {oct(file.stat().st_mode & 0o044) for file in folder.iterdir()} == {"0o44"}, "others may read it"
    kinds = {node.op_type for node in onnx.load(folder / "network.onnx").graph.node}
    assert ("MatMulInteger" in kinds) == (precision == "int8")
    assert "Softmax" in kinds
    assert "IsNaN" not in kinds, "which took half of the time over recordings"


@pytest.mark.skipif(
    not onnx_module._multiplies_signed_exactly(), reason="this processor's signed products saturate: it has AVX2 only"
)
@pytest.mark.parametrize("name", ["network.onnx", "convolutions.onnx"])
def test_signed_weights_give_the_same_numbers(models: dict[str, Path], exported: Exported, name: str) -> None:
    file = exported("emow2v", models["emow2v"], "int8") / name
    signed, unsigned = (
        InferenceSession(str(one), providers=list(CPU)) for one in (onnx_module.signed_file(file), file)
    )
    [taken] = unsigned.get_inputs()
    values = np.random.default_rng(0).standard_normal((1, 4000) if name[0] == "c" else (1, 32, 80)).astype(np.float32)
    for a, b in zip(*(one.run(None, {taken.name: values}) for one in (signed, unsigned)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_export_that_differs_is_not_written(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right, spoilt = exported_models.OnnxNetwork.__call__, np.nan
    monkeypatch.setattr(
        exported_models.OnnxNetwork, "__call__",
        lambda *given: {layer: rows + spoilt * (layer == 1) for layer, rows in right(*given).items()},
    )  # fmt: skip
    place = str(tmp_path / "out")
    assert main(["export", "w2v_bert_2", "--model", str(models["w2v_bert_2"]), "--out", place]) == 1
    assert "what onnxruntime gives differs from torch: by nan of the largest value" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["byols", "--out", "."], "module 'byols' has no export to ONNX"),
        (["nothing", "--out", "."], "there is no module 'nothing'; there are: "),
        (["emow2v", "--model", "/no/such", "--out", "."], "model '/no/such' is neither a folder"),
    ],
)
def test_wrong_exports_get_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", *arguments]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


def test_export_without_its_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert main(["export", "emow2v", "--out", str(tmp_path)]) == 1
    assert "export needs onnxscript: pip install onnx onnxscript onnxruntime" in capsys.readouterr().err
