"""Parts of a recording are heard as if cut out, and their results have the recording's times."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import novaspeech
from novaspeech.command.main import main
from tests.conftest import SPEECH, SPELLER, SYNTHETIC


def test_windows_of_a_part(models: dict[str, Path], tmp_path: Path) -> None:
    samples, rate = soundfile.read(SPEECH, dtype="float32")
    soundfile.write(tmp_path / "cut.wav", samples[3 * rate : 6 * rate], rate, subtype="FLOAT")
    model = novaspeech.load("emow2v", model=str(models["emow2v"]))
    cut = model(tmp_path / "cut.wav", ["arousal"])
    part = model(novaspeech.Part(SPEECH, "0:03", 6), ["arousal"])
    assert part.times.tolist() == (cut.times + 3).round(3).tolist()
    assert (part.name, part.file, part.seconds) == (SPEECH.stem, str(SPEECH), 3)
    # It is resampled before the cut, and not after: the first sample, which the first windows repeat, is another one.
    np.testing.assert_allclose(part["arousal"][10:], cut["arousal"][10:], atol=1e-3)
    [rest] = model.many([novaspeech.Part(SPEECH, 12)], ["arousal"])
    assert not isinstance(rest, novaspeech.NovaspeechError)
    assert rest.times[[0, -1]].tolist() == [[12, 12.04], [13.96, 14.0]]
    with pytest.raises(novaspeech.RequestError, match="ends at 2000 ms and begins at 3000 ms; it must end later"):
        model(novaspeech.Part(SPEECH, 3, 2))
    with pytest.raises(novaspeech.RecordingError, match="has 14018 ms of audio, and nothing from 20000 to 21000 ms"):
        model(novaspeech.Part(SPEECH, 20, 21))
    with pytest.raises(novaspeech.RequestError, match="the format ssi has no place for where a part begins"):
        part.save(tmp_path / "out")


def test_segments_of_a_part() -> None:
    model = novaspeech.load("wav2vec2_kws", model=SPELLER, device="cpu")
    recording = SYNTHETIC / "words.flac"
    whole = model(recording, ["words"])["words"]
    words = model(novaspeech.Part(recording, whole[2].start_ms / 1000 - 0.1), ["words"])["words"]
    found, expected = ([(one.name, one.start_ms) for one in some] for some in (words, whole[2:]))
    assert [name for name, _ in found] == [name for name, _ in expected]
    assert max(abs(one[1] - other[1]) for one, other in zip(found, expected, strict=True)) <= 40


def test_a_manifest_of_parts(
    models: dict[str, Path], speech: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"audio_filepath": "a.wav", "offset": begin, "duration": 1} for begin in (0.5, 1.5)]
    speech("a.wav", seconds=3)
    (tmp_path / "m.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = ["run", "emow2v", str(tmp_path / "m.jsonl"), "--set", f"model={models['emow2v']}", "--output", "arousal"]
    assert main([*words, "--out", str(tmp_path / "out"), "--format", "csv"]) == 0
    for begin in (500, 1500):
        table = pd.read_csv(tmp_path / "out" / f"a_{begin}-{begin + 1000}ms.emow2v.scores.csv")
        assert (len(table), table["start"].min(), table["end"].max()) == (25, begin / 1000, begin / 1000 + 1)
        assert set(table["file"]) == {"a.wav"}
    capsys.readouterr()
    assert main([*words, "--out", str(tmp_path / "out"), "--format", "csv"]) == 0
    assert "2 of them ended before" in capsys.readouterr().err
    assert main([*words, "--out", str(tmp_path / "ssi")]) == 1
    assert "the format ssi has no place for where a part begins" in capsys.readouterr().err
