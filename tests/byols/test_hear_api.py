import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import byols
from byols.base import Network
from byols.network import NETWORKS, build
from novaspeech.errors import OptionError, RequestError, WeightsError
from tests.byols.references import embed, log_mel
from tests.conftest import ROOT
from tests.references import assert_close


@pytest.fixture(scope="module")
def model(checkpoints: dict[str, Path]) -> Network:
    return byols.load_model(checkpoints["default"])


def clip(seconds: float, seed: int, loudness: float = 0.1) -> torch.Tensor:
    signal = torch.randn(round(16000 * seconds), generator=torch.Generator().manual_seed(seed))
    return loudness * signal * torch.sin(torch.arange(len(signal)) / 2000) ** 2


CLIPS = [clip(1.3, 1), clip(0.7, 2, 0.01), clip(2.011, 3, 0.3)]


def test_hears_own_validator(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """It asks for the API's form, which is that of all encoders.

    The validator also imports TensorFlow, to ask whether a model is one of its; an empty stand-in answers no.
    """
    (tmp_path / "tensorflow.py").write_text("class Module:\n    pass\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "modules"), str(tmp_path)])}
    command = [sys.executable, "-m", "hearvalidator.validate", "byols", "--model"]
    command += [str(checkpoints["default"]), "-d", "cpu"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "Received embedding of shape: torch.Size([16, 41, 2048])" in answer.stdout
    assert "Received embedding of shape: torch.Size([8, 2048])" in answer.stdout
    assert answer.stdout.splitlines()[-1] == "Looks good!"


def test_scenes_of_the_reference_share_mean_and_deviation(model: Network) -> None:
    spectrograms = [log_mel(one.numpy()) for one in CLIPS]
    mean = float(np.mean([one.mean() for one in spectrograms]))
    deviation = float(np.mean([one.std(ddof=1) for one in spectrograms]))
    found = byols.get_scene_embeddings(CLIPS, model)
    assert_close(found.numpy(), embed(model, spectrograms, mean, deviation))


def test_scenes_of_many_clips_are_those_of_each(model: Network) -> None:
    """Of one length they share a batch, and longer ones go piece by piece."""
    lengths = [1.0] * 18 + [0.5, 1.0, 25.0, 6.0, 6.0, 6.0, 6.0]
    clips = [clip(seconds, seed) for seed, seconds in enumerate(lengths)]
    found = byols.get_scene_embeddings(clips, model, normalization="recording")
    for index, one in enumerate(clips):
        spectrogram = log_mel(one.numpy())
        expected = embed(model, [spectrogram], float(spectrogram.mean()), float(spectrogram.std(ddof=1)))
        assert_close(found[index : index + 1].numpy(), expected)


def test_a_silent_clip_counts_in_the_references_mean(model: Network) -> None:
    clips = [CLIPS[0], torch.zeros(16000)]
    spectrograms = [log_mel(one.numpy()) for one in clips]
    mean = float(np.mean([one.mean() for one in spectrograms]))
    deviation = float(spectrograms[0].std(ddof=1)) / 2
    assert_close(byols.get_scene_embeddings(clips, model).numpy(), embed(model, spectrograms, mean, deviation))


def frames_of(clips: list[torch.Tensor], length: int, step: float) -> list[list[np.ndarray]]:
    """Spectrograms of frames as published: clips padded by half a frame, frames at the nearest sample."""
    framed = []
    for one in clips:
        padded = np.pad(one.numpy(), (length // 2, length - length // 2))
        starts = [round(index * step) for index in range(10_000) if round(index * step) + length <= len(padded)]
        framed.append([log_mel(padded[start : start + length]) for start in starts])
    return framed


@pytest.mark.parametrize(("duration", "hop"), [(1000, 50), (640, 33.3), (95.7, 200), (2500, 1000)])
def test_timestamps_of_the_reference_divide_by_the_number_of_frames(
    model: Network, duration: float, hop: float
) -> None:
    framed = frames_of(CLIPS, round(16 * duration), 16 * hop)
    everything = np.stack([one for frames in framed for one in frames])
    mean, deviation = everything.mean() / len(everything), everything.std(ddof=1) / len(everything)
    found, times = byols.get_timestamp_embeddings(CLIPS, model, duration, hop)
    for one, at, frames in zip(found, times, framed, strict=True):
        np.testing.assert_allclose(at.numpy(), hop * np.arange(len(frames)), rtol=1e-6)
        assert_close(one.numpy(), embed(model, frames, mean, deviation))


@pytest.mark.parametrize("name", NETWORKS)
def test_with_a_clips_own_mean_its_company_does_not_matter(checkpoints: dict[str, Path], name: str) -> None:
    model = byols.load_model(checkpoints[name])
    clips = CLIPS[:2]
    scenes = byols.get_scene_embeddings(clips, model, normalization="recording")
    found, _ = byols.get_timestamp_embeddings(clips, model, 500, 250, normalization="recording")
    for index, one in enumerate(clips):
        alone = byols.get_scene_embeddings([one], model, normalization="recording")
        assert_close(scenes[index : index + 1].numpy(), alone.numpy(), 1e-6)
        frames, _ = byols.get_timestamp_embeddings(one[None], model, 500, 250, normalization="recording")
        assert_close(found[index].numpy(), frames[0].numpy(), 1e-5)
    together = byols.get_scene_embeddings(clips, model)
    assert not torch.allclose(together[:1], byols.get_scene_embeddings(clips[:1], model), rtol=0.01)


def test_the_model_stays_as_it_is_and_embeddings_can_be_trained_on(checkpoints: dict[str, Path]) -> None:
    model = byols.load_model(checkpoints["default"]).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    scene = byols.get_scene_embeddings(CLIPS[:1], model)
    frames, _ = byols.get_timestamp_embeddings(CLIPS[:1], model)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not scene.requires_grad
    head = torch.nn.Linear(2048, 1)
    (head(scene).sum() + head(frames[0]).sum()).backward()
    assert head.weight.grad is not None


def test_silence_is_finite(model: Network) -> None:
    for normalization in ("reference", "recording"):
        scenes = byols.get_scene_embeddings(torch.zeros(1, 16000), model, normalization=normalization)
        frames, _ = byols.get_timestamp_embeddings(torch.zeros(1, 16000), model, normalization=normalization)
        assert torch.isfinite(scenes).all()
        assert torch.isfinite(frames).all()


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        ([], "audio holds no clips; it needs at least one"),
        (torch.zeros(0, 16000), "audio holds no clips"),
        (torch.zeros(16000), r"audio has the shape \(16000,\); \(clips, samples\) is needed, one clip is"),
        ([torch.zeros(16000), torch.zeros(512)], r"clip 1 has 512 samples \(32\.0 ms\); this model needs at least"),
        (None, r"audio is a NoneType; it must be a tensor \(clips, samples\) or a list of clips"),
        (torch.zeros(1, 300), r"clip 0 has 300 samples \(18\.8 ms\)"),
        ([torch.zeros(2, 16000)], "clip 0 is no 1-D tensor of floats"),
        ([torch.zeros(16000, dtype=torch.int16)], "clip 0 is no 1-D tensor of floats from -1 to 1"),
        ([np.zeros(16000)], "clip 0 is no 1-D tensor"),
        ([torch.full((16000,), torch.nan)], "clip 0 holds NaN or infinite samples"),
    ],
)
def test_audio_that_cannot_be_used(model: Network, audio: Any, message: str) -> None:
    for embeddings in (byols.get_scene_embeddings, byols.get_timestamp_embeddings):
        with pytest.raises(RequestError, match=message):
            embeddings(audio, model)


def test_clips_that_are_long_enough_for_frames_only(model: Network) -> None:
    """Frames are padded with zeros, a scene is not."""
    frames, _ = byols.get_timestamp_embeddings(torch.zeros(1, 1119), model)
    assert frames.shape == (1, 2, 2048)
    with pytest.raises(RequestError, match=r"1119 samples \(69\.9 ms\); this model needs at least 1120 \(70\.0 ms\)"):
        byols.get_scene_embeddings(torch.zeros(1, 1119), model)


def test_other_arguments_that_cannot_be_used(model: Network) -> None:
    with pytest.raises(RequestError, match="normalization is 'both'; it must be one of reference, recording"):
        byols.get_scene_embeddings(CLIPS, model, normalization="both")
    with pytest.raises(RequestError, match=r"model is a Linear; it must come from byols\.load_model"):
        byols.get_scene_embeddings(CLIPS, torch.nn.Linear(1, 1))  # type: ignore[arg-type]
    bad = ((50, 50), (np.nan, 50), (np.inf, 50), (1000, 0), (1000, -5), (1000, 0.01), (1000, np.nan), (1000, np.inf))
    for duration, hop in bad:
        with pytest.raises(RequestError, match="needs frames of at least 70 ms, and a hop of at least one sample"):
            byols.get_timestamp_embeddings(CLIPS, model, duration, hop)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_checkpoints_that_are_none(tmp_path: Path, checkpoints: dict[str, Path]) -> None:
    bad, trap = tmp_path / "bad.pth", tmp_path / "it-ran"
    with pytest.raises(WeightsError, match=r"bad\.pth is no file; give the path of a checkpoint \(\.pth\)"):
        byols.load_model(bad)
    with pytest.raises(WeightsError, match="is no file; give"):
        byols.load_model(tmp_path)
    with pytest.raises(OptionError, match="there is no encoder 'resnet'"):
        byols.load_model(checkpoints["default"], "resnet")
    torch.save({"a": Touch(trap)}, bad)
    with pytest.raises(WeightsError, match=r"bad\.pth is refused: a checkpoint holds tensors and nothing else"):
        byols.load_model(bad)
    assert not trap.exists()
    bad.write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match=r"bad\.pth is refused"):
        byols.load_model(bad)
    bad.write_bytes(checkpoints["default"].read_bytes()[:100_000])
    with pytest.raises(WeightsError, match=r"bad\.pth is refused"):
        byols.load_model(bad)
    for content, message in (
        ([1, 2], "is no state dict: it holds a list, not tensors by name"),
        (torch.zeros(3), "is no state dict: it holds a Tensor, not"),
        ({"state_dict": {}, "epoch": 3}, r"its entry 'state_dict' is a dict; save the state_dict\(\) of the encoder"),
        ({3: torch.zeros(3)}, "its entry 3 is a Tensor"),
    ):
        torch.save(content, bad)
        with pytest.raises(WeightsError, match=message):
            byols.load_model(bad)


def test_checkpoints_that_do_not_fit_say_how(tmp_path: Path, checkpoints: dict[str, Path]) -> None:
    message = (
        r"does not fit the encoder 'cvt'; it looks like one of encoder 'default': Error\(s\) in loading "
        r"state_dict for CvT: Missing key\(s\) in state_dict: .*\"layers\.0\.0\.weight\", .*…$"
    )
    with pytest.raises(WeightsError, match=message):
        byols.load_model(checkpoints["default"], "cvt")
    entries = build("default").state_dict()
    entries["fc.0.weight"] = torch.zeros(512, 512)
    del entries["fc.0.bias"]
    torch.save(entries, tmp_path / "narrow.pth")
    message = (
        r"encoder 'default': Error\(s\) in loading state_dict for AudioNTT: Missing key\(s\) in state_dict: "
        r"\"fc\.0\.bias\"\. size mismatch for fc\.0\.weight: .*\[512, 512\].*\[2048, 512\]\)\.$"
    )
    with pytest.raises(WeightsError, match=message):
        byols.load_model(tmp_path / "narrow.pth")


def test_a_checkpoint_that_did_not_count_its_batches_is_as_good(tmp_path: Path, model: Network) -> None:
    entries = {key: value for key, value in model.state_dict().items() if "num_batches" not in key}
    torch.save(entries, tmp_path / "old.pth")
    found = byols.get_scene_embeddings(CLIPS, byols.load_model(tmp_path / "old.pth"))
    assert torch.equal(found, byols.get_scene_embeddings(CLIPS, model))
