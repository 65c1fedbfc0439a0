import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
import torch
from discover_utils.data.handler.file_handler import FileHandler

import byols
import novaspeech
from byols.network import NETWORKS, AudioNTT
from novaspeech.audio.recording import Recording
from novaspeech.command.main import main
from novaspeech.errors import OptionError, WeightsError
from novaspeech.models import downloads
from novaspeech.module.catalogue import load_trainer
from tests.byols.references import embed, log_mel
from tests.conftest import Job
from tests.references import assert_close, decoded

Run = Callable[..., Job]
Write = Callable[..., Path]


def signal_of(path: Path) -> np.ndarray:
    """(N,) mono at 16 kHz."""
    samples, rate = decoded(path)
    mono = samples[: Recording.open(path).samples].mean(axis=1)  # a codec's last packet is longer than the recording
    return mono if rate == 16000 else soxr.resample(mono, rate, 16000, quality="HQ")


def expected(path: Path, checkpoint: Path, frame: int = 50, stride: int = 50, left: int = 475, right: int = 475) -> Any:
    """Embeddings of a recording's windows, one at a time by librosa and the plain network."""
    signal = signal_of(path)
    spectrogram = log_mel(signal)
    padded = np.pad(signal, (16 * left, 16 * (frame + right)))
    count = len(signal) // 16 // stride
    starts = 16 * stride * np.arange(count)
    windows = [log_mel(padded[start : start + 16 * (left + frame + right)]) for start in starts]
    mean, deviation = float(spectrogram.mean()), float(spectrogram.std(ddof=1))
    return embed(byols.load_model(checkpoint), windows, mean, deviation)


@pytest.mark.parametrize("encoder", NETWORKS)
def test_embeddings_are_those_of_each_window_alone(
    run_byols: Run, speech: Write, checkpoints: dict[str, Path], encoder: str
) -> None:
    job = run_byols(speech("a.wav"), encoder)
    stream = job.load()
    assert (stream.meta_data.sample_rate, stream.data.dtype) == (20, np.float32)
    assert stream.data.shape == (40, NETWORKS[encoder].timestamp_embedding_size)
    assert_close(stream.data, expected(speech("b.wav"), checkpoints[encoder]))


@pytest.mark.parametrize("batch_size", [1, 7, 250])
@pytest.mark.parametrize(("frame", "stride", "left", "right"), [(200, 25, 100, 0), (1000, 500, 0, 0), (80, 73, 7, 0)])
def test_other_windows_in_other_batches(
    run_byols: Run, speech: Write, checkpoints: dict[str, Path], batch_size: int, frame: int, stride: int, left: int,
    right: int,
) -> None:  # fmt: skip
    path = speech("a.wav")
    times = {"frame_size": frame, "stride": stride, "left_context": left, "right_context": right}
    arguments = {key: f"{value}ms" for key, value in times.items()}
    found = run_byols(path, options={"batch_size": batch_size}, **arguments).load().data
    assert_close(found, expected(path, checkpoints["default"], frame, stride, left, right))


@pytest.mark.parametrize("encoder", NETWORKS)
def test_the_scene_is_that_of_the_interface(
    run_byols: Run, speech: Write, checkpoints: dict[str, Path], encoder: str
) -> None:
    path = speech("a.wav", "-ar", "22050", seconds=14)
    job = run_byols(path, encoder, outputs=("scene",))
    stream = job.load("scene")
    assert stream.data.shape == (1, NETWORKS[encoder].scene_embedding_size)
    assert stream.meta_data.sample_rate == pytest.approx(1 / 14, abs=5e-4)
    model = byols.load_model(checkpoints[encoder])
    audio = torch.from_numpy(signal_of(path))[None]
    assert_close(stream.data, byols.get_scene_embeddings(audio, model).numpy())
    assert "280 of 280 windows" in job.printed


def test_both_outputs_are_as_each_alone(run_byols: Run, speech: Write) -> None:
    both = run_byols(speech("a.wav"), outputs=("embedding", "scene"), name="both")
    for output in ("embedding", "scene"):
        alone = run_byols(speech("a.wav"), outputs=(output,), name=output)
        np.testing.assert_array_equal(both.load(output).data, alone.load(output).data)


def test_sessions_do_not_meet_each_others_mean(run_byols: Run, speech: Write, tmp_path: Path) -> None:
    """One job for two recordings, one of them a hundred times as loud, in either order."""
    speech("loud.wav")
    speech("soft.wav", "-af", "volume=-40dB")
    alone = {name: run_byols(tmp_path / f"{name}.wav", name=name).load().data for name in ("loud", "soft")}
    for first, second in (("loud", "soft"), ("soft", "loud")):
        data = [
            {"src": "file:stream:audio", "type": "input", "id": "audio", "uri_template": f"{tmp_path}/{{session}}.wav"},
            {
                "src": "file:stream:SSIStream", "type": "output", "id": "embeddings",
                "uri_template": f"{tmp_path}/{{session}}-{first}.stream",
            },
        ]  # fmt: skip
        job = run_byols(tmp_path / "loud.wav", data=json.dumps(data), sessions=json.dumps([first, second]))
        assert job.code == 0, job.printed
        for name in (first, second):
            found = FileHandler().load(tmp_path / f"{name}-{first}.stream").data
            np.testing.assert_array_equal(found, alone[name])
    assert np.abs(alone["loud"] - alone["soft"]).max() > 0.01


def test_a_scene_does_not_need_windows_that_the_encoder_could_take(run_byols: Run, speech: Write) -> None:
    times = {"frame_size": "50ms", "left_context": "0ms", "right_context": "0ms"}
    found = run_byols(speech("a.wav"), outputs=("scene",), name="short", **times).load("scene").data
    usual = run_byols(speech("a.wav"), outputs=("scene",), name="usual").load("scene").data
    np.testing.assert_array_equal(found, usual)


def test_windows_with_nan_are_zeros_the_rest_as_if_it_were_not_there(run_byols: Run, mono: Write) -> None:
    signal = 0.1 * np.random.default_rng(0).standard_normal(48000).astype(np.float32)
    signal[20000] = np.nan
    job = run_byols(mono("nan.wav", signal), outputs=("embeddings", "scene"))
    data = job.load().data
    # Sample 20000 is at 1250 ms; window i is from 50 i - 475 to 50 i + 525 ms.
    empty = [i for i in range(60) if 50 * i - 475 <= 1250 < 50 * i + 525]
    assert np.flatnonzero(~data.any(axis=1)).tolist() == empty
    assert np.isfinite(data).all()
    assert not job.load("scene").data.any()
    assert "20 of 60 windows have no usable audio" in job.printed
    assert "nan.wav holds NaN or infinite samples: zeros in scene, which is of the whole recording" in job.printed


@pytest.mark.parametrize(
    ("samples", "arguments", "message"),
    [
        (320, {}, "0.020 s of audio are shorter than one step of 50 ms"),
        (320, {"frame_size": "20ms", "left_context": "100ms"}, "20.0 ms of audio are too short for a log-mel"),
        (16000, {"frame_size": "50ms"}, "windows of 50 ms .* are too short for this model, which needs 70 ms"),
    ],
)
def test_too_short(run_byols: Run, mono: Write, samples: int, arguments: dict[str, str], message: str) -> None:
    job = run_byols(mono("short.wav", np.zeros(samples, np.float32)), **arguments)
    assert job.code == 1
    assert re.search(message, job.printed)
    assert not job.outputs["embeddings"].exists()


def test_a_scene_that_needs_attention_over_too_much(run_byols: Run, mono: Write) -> None:
    path = mono("long.wav", np.zeros(8000 * 606, np.float32), 8000)
    job = run_byols(path, "cvt", outputs=("embeddings", "scene"))
    assert job.code == 1
    message = (
        "the scene of a recording of 10.1 min would need attention over all of it; with this encoder at most 10 min"
    )
    assert message in job.printed
    assert run_byols(path, "cvt", end="1s").code == 0
    assert run_byols(path, "default", outputs=("scene",)).code == 0


def test_a_scene_of_too_little_is_refused_in_the_words_of_who_asks(
    run_byols: Run, mono: Write, checkpoints: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, model = mono("short.wav", np.full(1280, 0.1, np.float32)), str(checkpoints["clstm"])
    fault = "output 'scene': 90 ms of audio are too few for a scene embedding by this encoder, which needs 100 ms"
    assert f"{fault}; untick scene" in run_byols(path, "clstm", ("scene",)).printed
    words = ["--output", "scene", "--out", str(tmp_path / "out"), "--set", "encoder=clstm", "--set", f"model={model}"]
    assert main(["run", "byols", str(path), *words]) == 1
    assert f"{fault}; choose other outputs with --output\n" in capfd.readouterr().err
    with pytest.raises(novaspeech.RecordingError, match=f"{fault}; choose other outputs$"):
        novaspeech.load("byols", encoder="clstm", model=model)(path, "scene")


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.05), ("float16", 0.01)])
@pytest.mark.parametrize("encoder", NETWORKS)
def test_precisions(run_byols: Run, speech: Write, encoder: str, precision: str, tolerance: float) -> None:
    path = speech("a.wav", seconds=1)
    outputs = ("embeddings", "scene")
    usual = run_byols(path, encoder, outputs, name="usual")
    job = run_byols(path, encoder, outputs, name=precision, options={"precision": precision})
    for output in outputs:
        assert_close(job.load(output).data, usual.load(output).data, tolerance)


def test_a_published_checkpoint_is_looked_for_where_uris_are_kept(
    run_module: Run, speech: Write, checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ASSETS_CACHE", str(tmp_path / "assets"))
    uris = {uri.uri_id: uri for uri in load_trainer("byols").content.meta_uri}
    assert sorted(uris) == ["cvt", "default", "resnetish34"]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=r"cvt_s1.*\.pth cannot be fetched \(HF_HUB_OFFLINE is set\); copy what it"):
        run_module("byols", speech("a.wav"), {"encoder": "cvt"}, ["embeddings"], "out")
    for encoder in ("cvt", "default"):
        place = downloads.place_of(uris[encoder])
        place.parent.mkdir(parents=True)
        place.write_bytes(checkpoints[encoder].read_bytes())
    job = run_module("byols", speech("a.wav"), {"encoder": "cvt"}, ["embeddings"], "out")
    assert_close(job.load().data, expected(speech("a.wav"), checkpoints["cvt"]))
    job = run_module("byols", speech("a.wav"), {}, ["embeddings"], "out")
    assert_close(job.load().data, expected(speech("a.wav"), checkpoints["default"]))


def test_clstm_needs_a_checkpoint_and_says_so(run_module: Run, speech: Write) -> None:
    message = "no published checkpoint of encoder 'clstm'; if you have one, write FILE in the option 'model'; or choose"
    with pytest.raises(OptionError, match=message):
        run_module("byols", speech("a.wav"), {"encoder": "clstm"}, ["embeddings"], "out")


@pytest.mark.parametrize("name", ["default", None])
def test_the_width_is_the_checkpoints(run_module: Run, speech: Write, tmp_path: Path, name: str | None) -> None:
    torch.manual_seed(0)
    file = tmp_path / "narrow.pth"
    torch.save(AudioNTT(96).state_dict(), file)
    network = byols.load_model(file, name)
    assert (network.scene_embedding_size, network.timestamp_embedding_size) == (96, 96)
    job = run_module("byols", speech("a.wav"), {"model": str(file)}, ["embeddings"], "out")
    assert job.load().data.shape == (40, 96)
