"""What a recorded example is before it is a keyword: is there sound in it, and where."""

from __future__ import annotations

import librosa
import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.inference.encoder import FrameEncoder

SILENCE = 1e-4  # peak of a recording that holds nothing: -80 dB of full scale
EDGE_DB = 40  # below its peak, what is at an example's ends counts as silence


def is_silent(signal: FloatArray) -> bool:
    """Whether a signal (N,) holds nothing but silence; a constant offset is no sound."""
    return bool(np.abs(signal - signal.mean()).max() < SILENCE)


def sounding_part(signal: FloatArray, encoder: FrameEncoder) -> tuple[int, int]:
    """Samples [start, end) of a signal at the encoder's rate, without the silence at its ends."""
    _, (start, end) = librosa.effects.trim(
        signal - signal.mean(), top_db=EDGE_DB, frame_length=encoder.frame_length, hop_length=encoder.frame_hop
    )
    return int(start), int(end)
