"""An ONNX file of the published form: from windows to scores."""

import logging
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from emow2v.network import EmotionModel, load_emotion_model
from novaspeech.models.front import standardise


class _Whole(nn.Module):
    """The model with what its extractor does."""

    def __init__(self, model: EmotionModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden, scores = self.model(standardise(signal))
        return hidden, scores


@pytest.fixture(scope="session")
def windows_file(tmp_path_factory: pytest.TempPathFactory, small_emow2v: Path) -> Path:
    """The small model as `model.onnx`, with the inputs and outputs of the published file."""
    file = tmp_path_factory.mktemp("windows") / "model.onnx"
    logging.disable(logging.WARNING)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Whole(load_emotion_model(small_emow2v)), (torch.randn(2, 16000),), file, input_names=["signal"],
            output_names=["hidden_states", "logits"], dynamic_shapes={"signal": {0: "batch", 1: "time"}}, dynamo=True,
            external_data=False, verbose=False,
        )  # fmt: skip
    logging.disable(logging.NOTSET)
    return file
