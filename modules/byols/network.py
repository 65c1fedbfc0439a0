"""The encoders of BYOL-S (Scheidwasser-Clow et al. 2022, arXiv 2110.03414; Elbanna et al. 2022, arXiv 2203.16637).

The names of their modules are those of the published checkpoints' entries.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from byols.base import MELS, Network, State, mel_and_channels
from byols.cvt import CvT
from novaspeech.errors import OptionError


class AudioNTT(Network):
    """BYOL-A's own encoder (Niizumi et al. 2021, arXiv 2103.06695).

    Args:
        width: values D of an embedding: 2048 in BYOL-S's checkpoints; BYOL-A's have 512 and 1024, too.
    """

    min_frames = 8
    stride = 8
    margin = 1

    def __init__(self, width: int = 2048) -> None:
        super().__init__()
        self.scene_embedding_size = self.timestamp_embedding_size = width
        layers: list[nn.Module] = []
        for channels in (1, 64, 64):
            # The maximum comes first: it commutes with ReLU, which then has a quarter of the work.
            layers += [nn.Conv2d(channels, 64, 3, padding=1), nn.BatchNorm2d(64), nn.MaxPool2d(2), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.fc = nn.Sequential(
            nn.Linear(64 * MELS // 8, width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, width), nn.ReLU()
        )

    def rows(self, log_mel: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = self.fc(mel_and_channels(self.features(log_mel)))
        return rows


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut (He et al. 2016, arXiv 1512.03385)."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        shortcut = features if self.downsample is None else self.downsample(features)
        inner = functional.relu(self.bn1(self.conv1(features)))
        return functional.relu(self.bn2(self.conv2(inner)) + shortcut)


class Resnetish34(Network):
    """ResNet-34 with a stem of stride 1 (Hershey et al. 2017, arXiv 1609.09430)."""

    stride = 16
    margin = 16

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 7, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, (channels, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
            layers = [ResidualBlock(inputs, channels, 1 if stage == 1 else 2)]
            layers += [ResidualBlock(channels, channels, 1) for _ in range(blocks - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
            inputs = channels

    def rows(self, log_mel: torch.Tensor) -> torch.Tensor:
        # The maximum comes first, as in AudioNTT.
        features = functional.relu(functional.max_pool2d(self.bn1(self.conv1(log_mel)), 3, stride=2, padding=1))
        for stage in range(1, 5):
            features = self.get_submodule(f"layer{stage}")(features)
        return mel_and_channels(features)


class CLSTM(Network):
    """Convolutions and a bidirectional LSTM, whose last output is the summary (Elbanna et al. 2022, arXiv 2206.12038).

    The state is hidden and cell state of the forward direction (2, 1, B, 512), and the last row (B, 1, C).
    """

    scene_embedding_size = timestamp_embedding_size = 1024
    min_frames = 10
    stride = 4
    margin = 3

    def __init__(self) -> None:
        super().__init__()
        hidden, width = 512, self.scene_embedding_size
        layers: list[nn.Module] = []
        for channels, kernel in ((1, (9, 9)), (256, (4, 3))):
            layers += [nn.Conv2d(channels, 256, kernel, padding=1), nn.BatchNorm2d(256), nn.MaxPool2d(2), nn.ReLU()]
        self.conv = nn.Sequential(*layers)
        mels = (((MELS - 6) // 2) - 1) // 2
        self.bilstm = nn.LSTM(256 * mels, hidden, batch_first=True, bidirectional=True)
        self.fc_final = nn.Sequential(nn.Linear(2 * hidden, width), nn.ReLU())

    def rows(self, log_mel: torch.Tensor) -> torch.Tensor:
        return mel_and_channels(self.conv(log_mel))

    def summarise(self, state: State | None, rows: torch.Tensor) -> State:
        # Only the output at the last row counts. The backward direction has seen nothing but that row by then.
        hidden = rows.new_zeros(2, 1, len(rows), self.bilstm.hidden_size) if state is None else state[0]
        _, after = self._direction(rows, hidden, "")
        return after, rows[:, -1:]

    def embed(self, state: State) -> torch.Tensor:
        forward, last = state
        backward, _ = self._direction(last, torch.zeros_like(forward), "_reverse")
        embedding: torch.Tensor = self.fc_final(torch.cat([forward[0, 0], backward[:, -1]], dim=-1)).float()
        return embedding

    def _direction(self, rows: torch.Tensor, hidden: torch.Tensor, suffix: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs (B, rows, 512) of a direction of the LSTM, and its hidden and cell state (2, 1, B, 512)."""
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        weights = [getattr(self.bilstm, name + suffix) for name in names]
        output, state, cell = torch.lstm(
            rows, (hidden[0], hidden[1]), weights, has_biases=True, num_layers=1, dropout=0.0, train=False,
            bidirectional=False, batch_first=True,
        )  # fmt: skip
        return output, torch.stack([state, cell])


NETWORKS: dict[str, type[Network]] = {"default": AudioNTT, "resnetish34": Resnetish34, "cvt": CvT, "clstm": CLSTM}


def build(name: str) -> Network:
    """An encoder with random weights: "default" (AudioNTT), "resnetish34", "cvt" or "clstm"; OptionError for others."""
    if name not in NETWORKS:
        raise OptionError(f"there is no encoder {name!r}; there are {', '.join(NETWORKS)}")
    return NETWORKS[name]()
