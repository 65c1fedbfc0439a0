"""Small speaker models: with group norm and with layer norms, with and without a weighted sum of layers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

from tests.conftest import SPEECH, SYNTHETIC, Job
from wav2vec2_sv.standin import WEIGHTS, random_speaker_model, save_speaker_model

SMALL = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
    "conv_dim": (32,) * 7, "num_conv_pos_embedding_groups": 4, "tdnn_dim": (32, 32, 32, 32, 64),
    "xvector_output_dim": 48,
}  # fmt: skip
LAYER_NORM = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name → folder. "standin" is the module's stand-in. All are centred on the voices that the tests hear."""
    speech = torch.from_numpy(soundfile.read(SPEECH, dtype="float32")[0][:, 0].copy())  # as if it were at 16 kHz
    folders = {"standin": tmp_path_factory.mktemp("standin")}
    WEIGHTS.stand_in.make(folders["standin"], speech)
    for name, sizes in {"group": {}, "layer": LAYER_NORM}.items():
        for weighted in (True, False):
            torch.manual_seed(1)
            model = random_speaker_model(**SMALL, **sizes, use_weighted_layer_sum=weighted)
            with torch.no_grad():
                if weighted:
                    model.layer_weights.normal_()
                # Random vectors are all alike, and a mistake would not show: these are spread around 0.
                model.feature_extractor.bias -= model.eval()(speech.unfold(0, 48000, 16000)).embeddings.mean(dim=0)
            key = name + (" weighted" if weighted else "")
            folders[key] = tmp_path_factory.mktemp(key.replace(" ", "-"))
            save_speaker_model(model, folders[key])
    return folders


@pytest.fixture
def run_sv(run_module: Callable[..., Job], models: dict[str, Path]) -> Callable[..., Job]:
    """Runs wav2vec2_sv with a small model."""

    def run(
        audio: Path,
        outputs: tuple[str, ...] = ("embeddings",),
        reference: Path | None = None,
        model: str = "standin",
        **arguments: Any,
    ) -> Job:
        options = {"model": str(models[model])} | arguments.pop("options", {})
        inputs = {"reference": reference} if reference else {}
        name = arguments.pop("name", "out")
        return run_module("wav2vec2_sv", audio, options, outputs, name, inputs=inputs, **arguments)

    return run


@pytest.fixture
def talk(speech: Callable[..., Path]) -> Path:
    """A whole recording: two voices that take turns."""
    return speech("talk.wav", "-ac", "1", "-ar", "16000", seconds=15)


@pytest.fixture
def somebody(mono: Callable[..., Path]) -> Path:
    """The second voice alone."""
    samples, rate = soundfile.read(SYNTHETIC / "reference.flac", dtype="float32")
    return mono("somebody.wav", samples, rate)
