"""backend=onnx: exports against torch, and files that are of no use."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from emow2v.encoder import EmoW2VEncoder
from emow2v.export import export
from emow2v.network import SCORES
from emow2v.onnx_encoder import OnnxEncoder, choose_providers, onnx_file
from novaspeech.audio.buffer import WindowBatch
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.sources import ArraySource
from novaspeech.command.main import main
from novaspeech.errors import ModelError, OptionError, WeightsError
from novaspeech.inference.engine import Inference
from novaspeech.models.downloads import fetch
from tests.conftest import Job, Site
from tests.references import assert_close

CPU = ["CPUExecutionProvider"]
Run = Callable[..., Job]


def test_float32_equals_torch(exported: dict[str, Path], small_emow2v: Path) -> None:
    encoder, torchs = (
        OnnxEncoder(exported["float32"] / "model.onnx"),
        EmoW2VEncoder(small_emow2v),
    )
    assert (encoder.dimensions, encoder.min_length, encoder.max_batch) == (torchs.dimensions, 400, 25)
    for count, length in ((1, 400), (7, 16000), (3, 15888), (2, 48000)):
        batch = WindowBatch(torch.randn(length + (count - 1) * 640) * 0.1 + 0.05, length, 640)
        with torch.inference_mode():
            expected = torchs.encode(batch, torchs.dimensions)
        found = encoder.encode(batch, torchs.dimensions)
        for name, values in expected.items():
            assert_close(found[name].numpy(), values.numpy())


def test_jobs_on_both_backends_agree(exported: dict[str, Path], run_emow2v: Run, speech: Callable[..., Path]) -> None:
    wav = speech("a.wav", seconds=4)
    by_torch = run_emow2v(wav, name="torch")
    for precision, allowed in (("float32", 0.0101), ("int8", 0.04)):  # the host writes two decimals
        job = run_emow2v(wav, {"backend": "onnx", "model": str(exported[precision])}, name=precision)
        assert job.code == 0
        assert "on onnxruntime's CPUExecutionProvider" in job.printed
        for name in SCORES:
            difference = np.abs(job.load(name).data["score"] - by_torch.load(name).data["score"])
            assert difference.max() <= allowed
        a, b = by_torch.load("embedding").data, job.load("embedding").data
        assert ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min() > 0.995


def test_int8_does_not_depend_on_the_neighbours(exported: dict[str, Path], run_emow2v: Run, speech: Any) -> None:
    wav, options = speech("a.wav"), {"backend": "onnx", "model": str(exported["int8"] / "model.onnx")}
    found = [
        run_emow2v(wav, options | {"batch_size": size}, name=str(size)).load("embedding").data for size in (1, 250)
    ]
    np.testing.assert_array_equal(*found)


def test_only_what_is_asked_for_is_fetched(exported: dict[str, Path]) -> None:
    encoder = OnnxEncoder(exported["float32"] / "model.onnx")
    batch = WindowBatch(torch.randn(16000), 16000, 640)
    assert set(encoder.encode(batch, ["embedding"])) == {"embedding"}
    assert set(encoder.encode(batch, ["valence"])) == set(SCORES)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_export_says_what_it_is(exported: dict[str, Path], small_emow2v: Path, precision: str) -> None:
    about = json.loads((exported[precision] / "model.json").read_text())
    assert (about["source"], about["precision"], about["sampling_rate"]) == (str(small_emow2v), precision, 16000)
    assert about["compared_with_torch"]["least_cosine"] > (0.999999 if precision == "float32" else 0.99)
    meta = onnxruntime.InferenceSession(exported[precision] / "model.onnx", providers=CPU).get_modelmeta()
    assert json.loads(meta.custom_metadata_map["novaspeech"]) == about
    assert sorted(file.name for file in exported[precision].iterdir()) == ["model.json", "model.onnx"]
    kinds = {node.op_type for node in onnx.load(exported[precision] / "model.onnx").graph.node}
    assert ("MatMulInteger" in kinds) == (precision == "int8")


def test_an_export_that_differs_is_not_written(
    exported: dict[str, Path], small_emow2v: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.onnx"
    model = onnx.load(exported["float32"] / "model.onnx")
    [bias] = [tensor for tensor in model.graph.initializer if tensor.name == "classifier.out_proj.bias"]
    for spoilt in (0.501, np.nan):
        bias.CopyFrom(onnx.numpy_helper.from_array(np.full(3, spoilt, np.float32), bias.name))
        onnx.save(model, other)
        monkeypatch.setattr("emow2v.export._trace", lambda network, file: shutil.copy(other, file))
        with pytest.raises(ModelError, match="differs from torch: by .* of the largest value.*nothing was written"):
            export(str(small_emow2v), "float32", tmp_path / "out")
        assert not list((tmp_path / "out").iterdir())


def test_export_and_run_from_the_command_line(small_emow2v: Path, speech: Any, tmp_path: Path) -> None:
    out, recording = tmp_path / "onnx", speech("a.wav")
    assert main(["export", "emow2v", "--model", str(small_emow2v), "--precision", "int8", "--out", str(out)]) == 0
    options = ["--set", "backend=onnx", "--set", f"model={out}"]
    assert main(["run", "emow2v", str(recording), *options, "--output", "valence"]) == 0
    assert (tmp_path / "a.valence.annotation~").is_file()


def test_int8_leaves_the_first_convolution_and_the_head(exported: dict[str, Path], small_emow2v: Path) -> None:
    stored = {tensor.name: tensor for tensor in onnx.load(exported["int8"] / "model.onnx").graph.initializer}
    quantised = [tensor.dims for tensor in stored.values() if tensor.data_type == TensorProto.UINT8 and tensor.dims[1:]]
    # Six convolutions, the projection, and six products in each of two layers.
    assert len(quantised) == 6 + 1 + 2 * 6
    assert not {(10, 32), (64, 3), (3, 64)} & {tuple(dims) for dims in quantised}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "w2v_bert_2", "--out", "."], "module 'w2v_bert_2' has no export to ONNX"),
        (["export", "nothing", "--out", "."], "there is no module 'nothing'; there are: "),
        (["export", "emow2v", "--model", "/no/such", "--out", "."], "model '/no/such' is neither a folder"),
    ],
)
def test_wrong_exports_get_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


def test_export_without_its_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(OptionError, match="export needs onnxscript: pip install onnx onnxscript onnxruntime"):
        export(None, "float32", tmp_path)


def identity(path: Path, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]]) -> Path:
    """A valid ONNX file whose outputs are made of zeros."""
    described = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in side.items()]
        for side in (inputs, outputs)
    ]
    nodes = []
    for name, shape in outputs.items():
        zeros = np.zeros([size if isinstance(size, int) else 1 for size in shape], np.float32)
        nodes.append(helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(zeros)))
    graph = helper.make_graph(nodes, "g", *described)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


RIGHT = {"hidden_states": ["b", 8], "logits": ["b", 3]}


def test_a_foreign_file_with_one_window_at_a_time(tmp_path: Path) -> None:
    encoder = OnnxEncoder(
        identity(tmp_path / "one.onnx", {"signal": [1, "t"]}, {"hidden_states": [1, 8], "logits": [1, 3]}), CPU
    )
    assert (encoder.max_batch, encoder.dimensions["embedding"]) == (1, 8)


def test_a_batch_that_is_free_in_name_only(tmp_path: Path) -> None:
    # Its outputs are those of one window, whatever comes in.
    encoder = OnnxEncoder(identity(tmp_path / "free.onnx", {"signal": ["b", "t"]}, RIGHT))
    assert encoder.max_batch == 1


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ({"input_values": ["b", "t"]}, RIGHT),
        ({"signal": ["b", "t"], "mask": ["b", "t"]}, RIGHT),
        ({"signal": ["b", 1, "t"]}, RIGHT),
        ({"signal": []}, {"logits": ["b", 3]}),
        ({"signal": ["b", 16000]}, RIGHT),
        ({"signal": [4, "t"]}, RIGHT),
        ({"signal": ["b", "t"]}, {"logits": ["b", 3]}),
        ({"signal": ["b", "t"]}, {"hidden_states": ["b", "f", 8], "logits": ["b", 3]}),
        ({"signal": ["b", "t"]}, {"hidden_states": ["b", 8], "logits": ["b", 2]}),
    ],
    ids=str,
)
def test_files_with_other_inputs_or_for_another_task(
    tmp_path: Path, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]]
) -> None:
    with pytest.raises(WeightsError) as caught:
        OnnxEncoder(identity(tmp_path / "other.onnx", inputs, outputs))
    message = str(caught.value)
    assert "other.onnx is a model of another kind: it takes" in message
    assert "needed are signal (float) [batch, time]" in message
    assert "\n" not in message


def test_shapes_that_only_running_shows(tmp_path: Path) -> None:
    # Both outputs are the signal itself.
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", "t"]) for name in ("signal", *RIGHT)]
    nodes = [helper.make_node("Identity", ["signal"], [name]) for name in RIGHT]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "a.onnx")
    with pytest.raises(WeightsError, match=r"gives hidden_states \(2, 16000\) and logits \(2, 16000\) for two windows"):
        OnnxEncoder(tmp_path / "a.onnx")


def test_a_file_that_is_no_onnx(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_text("nothing")
    with pytest.raises(WeightsError, match=r"a\.onnx cannot be used by onnxruntime: "):
        OnnxEncoder(tmp_path / "a.onnx")


def test_which_file_a_model_means(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").touch()
    assert (
        onnx_file(str(tmp_path), None, print) == onnx_file(str(tmp_path / "a.onnx"), None, print) == tmp_path / "a.onnx"
    )
    (tmp_path / "b.onnx").touch()
    with pytest.raises(WeightsError, match=r"holds 2 \.onnx files; name one of them"):
        onnx_file(str(tmp_path), None, print)
    (tmp_path / "model.onnx").touch()
    assert onnx_file(str(tmp_path), None, print).name == "model.onnx"
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=r"holds 0 \.onnx files.*novaspeech export emow2v --model .*empty --out DIR"):
        onnx_file(str(tmp_path / "empty"), None, print)
    with pytest.raises(WeightsError, match="of a Hub id make one first: novaspeech export emow2v --model a/b --out"):
        onnx_file("a/b", None, print)


def test_the_published_export_offline_is_one_line(
    run_emow2v: Run, speech: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=r"6bc4a7fd-1\.1\.0\.zip cannot be fetched \(HF_HUB_OFFLINE is set\)"):
        run_emow2v(speech("a.wav"), {"backend": "onnx", "model": None})


def test_the_published_export_from_its_uri(
    exported: dict[str, Path], run_emow2v: Run, speech: Any, site: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A site on loopback plays Zenodo, which cannot be had here; the small export plays the published one.
    path = "/record/6221127/files/w2v2-L-robust-12.6bc4a7fd-1.1.0.zip"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(exported["float32"] / "model.onnx", "model.onnx")
        archive.writestr("model.yaml", "x")
    Site.files[path] = (tmp_path / "a.zip").read_bytes()
    digest = hashlib.md5(Site.files[path], usedforsecurity=False).hexdigest()
    record = {"files": [{"key": path.rsplit("/", 1)[1], "checksum": f"md5:{digest}"}]}
    Site.files["/api/records/6221127"] = json.dumps(record).encode()
    monkeypatch.setattr("emow2v.onnx_encoder.fetch", lambda uri, log: fetch(Elsewhere(uri, site), log))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    wav = speech("a.wav")
    jobs = [run_emow2v(wav, {"backend": "onnx", "model": None}, name=name) for name in "ab"]
    assert [job.code for job in jobs] == [0, 0], jobs[0].printed
    assert Site.asked == ["/api/records/6221127", path]
    assert jobs[1].load("embedding").data.shape == (50, 64)


class Elsewhere:
    """A `<uri>` on another site."""

    def __init__(self, uri: Any, site: str) -> None:
        self.uri_url = uri.uri_url.replace("https://zenodo.org", site)
        self.uri_hash, self.uri_tar = uri.uri_hash, uri.uri_tar


def test_without_onnxruntime(run_emow2v: Run, speech: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(OptionError, match=r"backend=onnx needs onnxruntime: pip install onnxruntime \(onnxruntime-gpu"):
        run_emow2v(speech("a.wav"), {"backend": "onnx"})


def test_devices_and_precisions_of_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_providers("auto", "auto") == choose_providers("cpu", "float32") == CPU
    for device in ("cuda", "mps"):
        with pytest.raises(OptionError, match=f"'device' is '{device}', which onnxruntime .* does not offer here"):
            choose_providers(device, "auto")
    with pytest.raises(OptionError, match="option 'precision' is 'float16'; with backend=onnx it is the file's own"):
        choose_providers("auto", "float16")
    # No CUDA build of onnxruntime here: what it would say stands in for it.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", *CPU])
    assert choose_providers("auto", "auto") == [("CUDAExecutionProvider", {"use_tf32": 1}), *CPU]
    assert choose_providers("cuda", "float32") == [("CUDAExecutionProvider", {"use_tf32": 0}), *CPU]


def test_a_cuda_that_does_not_start(exported: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    # As above: offered, but onnxruntime falls back to the CPU.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", *CPU])
    assert "CPUExecutionProvider" in str(OnnxEncoder(exported["float32"] / "model.onnx", "auto"))
    with pytest.raises(OptionError, match="option 'device' is 'cuda', which onnxruntime cannot start here"):
        OnnxEncoder(exported["float32"] / "model.onnx", "cuda")


def test_float32_of_an_int8_file_is_refused(exported: dict[str, Path]) -> None:
    with pytest.raises(
        OptionError, match=r"option 'precision' is 'float32', but .*model\.onnx is int8; leave it at auto"
    ):
        OnnxEncoder(exported["int8"] / "model.onnx", "auto", "float32")


def test_a_full_gpu_is_known_by_its_words(exported: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    # The error is onnxruntime's own class; that a GPU is full cannot be had here.
    encoder = OnnxEncoder(exported["float32"] / "model.onnx")

    whole = encoder._session

    class Full:
        def run(self, wanted: list[str], feed: dict[str, np.ndarray], options: Any) -> Any:
            if len(feed["signal"]) > 3:
                raise onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException("Failed to allocate memory")
            return whole.run(wanted, feed, options)

    signal = np.random.default_rng(0).standard_normal(16000 + 9 * 640).astype(np.float32)
    recording, grid = Recording("noise", ArraySource(signal, 16000)), WindowGrid(1000, 40, 0, 0, 10)
    expected = Inference(encoder, 10).windows(recording, grid, ["embedding"])["embedding"].values
    monkeypatch.setattr(encoder, "_session", Full())
    said: list[str] = []
    found = Inference(encoder, 10, said.append).windows(recording, grid, ["embedding"])
    assert_close(found["embedding"].values, expected)
    assert said == ["out of GPU memory: going on with 2 windows at once"]


def test_other_failures_of_onnxruntime_are_one_line(exported: dict[str, Path]) -> None:
    encoder = OnnxEncoder(exported["float32"] / "model.onnx")
    with pytest.raises(ModelError, match=r"onnxruntime cannot run .*model\.onnx: ") as caught:
        encoder._run(np.zeros((1, 2, 400), np.float32), ["logits"])
    assert "\n" not in str(caught.value)
