"""ONNX files of the published form: against torch, and files that are of no use."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from emow2v.encoder import EmoW2VEncoder
from emow2v.network import SCORES
from emow2v.windows_encoder import WindowsEncoder, onnx_file
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import OptionError, WeightsError
from novaspeech.models.downloads import fetch
from novaspeech.models.onnx.runtime import onnx_compute
from tests.conftest import Job, Site
from tests.references import assert_close

ONNX = onnx_compute("cpu")
Run = Callable[..., Job]


def test_it_equals_torch(windows_file: Path, small_emow2v: Path) -> None:
    encoder, torchs = WindowsEncoder(windows_file, ONNX), EmoW2VEncoder(small_emow2v)
    assert (encoder.dimensions, encoder.min_length, encoder.max_batch) == (torchs.dimensions, 400, None)
    for count, length in ((1, 400), (7, 16000), (3, 15888), (2, 48000)):
        batch = WindowBatch(torch.randn(length + (count - 1) * 640) * 0.1 + 0.05, length, 640)
        with torch.inference_mode():
            expected = torchs.encode(batch, torchs.dimensions)
        found = encoder.encode(batch, torchs.dimensions)
        for name, values in expected.items():
            assert_close(found[name].numpy(), values.numpy())


def test_a_job_agrees_with_torch(windows_file: Path, run_emow2v: Run, speech: Callable[..., Path]) -> None:
    wav = speech("a.wav", seconds=4)
    by_torch, job = run_emow2v(wav, name="torch"), run_emow2v(wav, {"backend": "onnx", "model": str(windows_file)})
    assert job.code == 0
    assert "on onnxruntime's CPUExecutionProvider" in job.printed
    for name in SCORES:  # the host writes two decimals
        assert np.abs(job.load(name).data["score"] - by_torch.load(name).data["score"]).max() <= 0.0101
    assert_close(job.load("embedding").data, by_torch.load("embedding").data)


def test_it_hears_windows_only(windows_file: Path, run_emow2v: Run, speech: Callable[..., Path]) -> None:
    with pytest.raises(OptionError, match="context=recording with backend=onnx needs the folder of an export"):
        run_emow2v(speech("a.wav"), {"backend": "onnx", "model": str(windows_file), "context": "recording"})


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


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ({"input_values": ["b", "t"]}, RIGHT),
        ({"signal": ["b", "t"], "mask": ["b", "t"]}, RIGHT),
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
        WindowsEncoder(identity(tmp_path / "other.onnx", inputs, outputs), ONNX)
    message = str(caught.value)
    assert "other.onnx is a model of another kind: it takes" in message
    assert "needed are signal (float) [batch, time]" in message
    assert "\n" not in message


def test_a_file_that_is_no_onnx(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_text("nothing")
    with pytest.raises(WeightsError, match=r"a\.onnx cannot be used by onnxruntime: "):
        WindowsEncoder(tmp_path / "a.onnx", ONNX)


def test_which_file_a_model_means(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").touch()
    assert (
        onnx_file(str(tmp_path), None, print) == onnx_file(str(tmp_path / "a.onnx"), None, print) == tmp_path / "a.onnx"
    )
    (tmp_path / "b.onnx").touch()
    with pytest.raises(WeightsError, match=r"holds 2 \.onnx files; choose one of them"):
        onnx_file(str(tmp_path), None, print)
    (tmp_path / "model.onnx").touch()
    assert onnx_file(str(tmp_path), None, print).name == "model.onnx"
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=r"holds 0 \.onnx files.*novaspeech export emow2v --model .*empty --out DIR"):
        onnx_file(str(tmp_path / "empty"), None, print)
    with pytest.raises(WeightsError, match="of a Hub id make one first: novaspeech export emow2v --model a/b --out"):
        onnx_file("a/b", None, print)


def test_the_published_export_from_its_uri(
    windows_file: Path, run_emow2v: Run, speech: Any, site: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A site on loopback plays Zenodo, which cannot be had here; the small model plays the published one.
    path = "/record/6221127/files/w2v2-L-robust-12.6bc4a7fd-1.1.0.zip"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(windows_file, "model.onnx")
        archive.writestr("model.yaml", "x")
    Site.files[path] = (tmp_path / "a.zip").read_bytes()
    digest = hashlib.md5(Site.files[path], usedforsecurity=False).hexdigest()
    record = {"files": [{"key": path.rsplit("/", 1)[1], "checksum": f"md5:{digest}"}]}
    Site.files["/api/records/6221127"] = json.dumps(record).encode()
    monkeypatch.setattr("emow2v.windows_encoder.fetch", lambda uri, log: fetch(Elsewhere(uri, site), log))
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
