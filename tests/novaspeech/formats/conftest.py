from pathlib import Path

import numpy as np
import pytest
import soundfile

from novaspeech.formats.track import Track, Tracks
from novaspeech.segments import Segment

WORDS = [
    Segment(0, 300, "HELLO", 0.875),
    Segment(300, 301, 'say "hi"', 0.5),
    Segment(301, 301, "uh", 0.0),
    Segment(1234, 2000, "Grüße – 日本", 0.99951171875),
    Segment(2000, 3_725_678, "a & b <unk> {x}", 1.0),
]
PLACES = [Segment(500, 1500, "yes", 0.5), Segment(1000, 1200, "no", 0.25), Segment(1600, 1700, "yes", 0.75)]
RANDOM = np.random.default_rng(0)
SCORES = RANDOM.random(25, dtype=np.float32) - 0.5
SCORES[7:9] = np.nan
VECTORS = RANDOM.standard_normal((25, 3), dtype=np.float32)
TIMES = np.stack([np.arange(25) * 40, np.arange(25) * 40 + 40], axis=1) / 1000


@pytest.fixture
def tracks(tmp_path: Path) -> Tracks:
    audio = tmp_path / "talk of März.wav"
    soundfile.write(audio, np.zeros(1600), 16000)
    return Tracks(
        "talk of März",
        audio,
        0.1,
        (
            Track("arousal", "scores", TIMES, SCORES, low=-1, high=1),
            Track("valence", "scores", TIMES, SCORES[::-1].copy(), low=-1, high=1),
            Track("embeddings", "vectors", TIMES, VECTORS),
            Track.of_segments("words", WORDS),
            Track.of_segments("keywords", PLACES),
            Track.of_segments("nothing", []),
        ),
    )
