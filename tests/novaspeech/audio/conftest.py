from pathlib import Path

import pytest
import soundfile

from tests.novaspeech.audio.sounds import LONG, RATE, noise


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("places")
    soundfile.write(path / "base.wav", noise(), RATE)
    soundfile.write(path / "long.wav", noise(LONG), RATE)
    return path
