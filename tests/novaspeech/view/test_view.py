"""What pages hold; tests/novaspeech/view/test_browser.py looks at them in a browser."""

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from novaspeech.audio.recording import Recording
from novaspeech.command.main import main
from novaspeech.formats.read import READABLE
from novaspeech.formats.track import Track, Tracks
from novaspeech.segments import Segment
from novaspeech.view.data import GAP, curve, gaps, tiles
from novaspeech.view.page import write_page
from novaspeech.view.sound import RATE, Sound
from tests.conftest import SPELLER

Speech = Callable[..., Path]


def steps(count: int, step: float = 0.04) -> np.ndarray[Any, Any]:
    return np.stack([np.arange(count), np.arange(count) + 1], axis=1) * step


def unpacked(text: str) -> np.ndarray[Any, Any]:
    return np.frombuffer(base64.b64decode(text), "<u2")


def test_scores_lose_nothing_that_an_eye_could_see() -> None:
    scores = np.random.default_rng(0).uniform(-1, 1, 500).astype(np.float32)
    scores[10:13], scores[400] = np.nan, -3
    found = curve(scores, steps(500), -1, 1)
    numbers = unpacked(found["values"])
    back = found["low"] + (found["high"] - found["low"]) * numbers.astype(float) / (GAP - 1)
    assert np.flatnonzero(numbers == GAP).tolist() == [10, 11, 12]
    assert back[400] == -1
    kept = np.delete(np.arange(500), [10, 11, 12, 400])
    assert np.abs(back[kept] - scores[kept]).max() < 2e-5
    assert (found["start"], found["step"]) == (0.02, 0.04)
    assert gaps(Track("a", "scores", steps(500), scores)) == [(0.4, 0.52)]


def test_a_tone_is_where_it_sounds() -> None:
    """2 kHz from 1 to 2 s, of 4 s: in the waveform and in the spectrogram."""
    times = np.arange(4 * RATE) / RATE
    samples = np.where((times >= 1) & (times < 2), 0.5 * np.sin(2 * np.pi * 2000 * times), 0).astype(np.float32)
    samples[RATE // 2] = np.nan
    sound = Sound.of(Recording.of_samples(samples, RATE, "tone"))
    loud = np.flatnonzero(sound.high > 60) * sound.step
    assert (loud.min(), loud.max()) == (pytest.approx(1, abs=0.01), pytest.approx(2, abs=0.01))
    assert sound.high.max() == 127
    tile = tiles(sound)
    picture = Image.open(io.BytesIO(base64.b64decode(tile["url"][0].split(",")[1])))
    bright = np.asarray(picture.convert("L"), float)
    [end] = tile["w"]
    assert end == pytest.approx(4, abs=0.05)
    column = bright[:, round(bright.shape[1] * 1.5 / end)]
    assert (1 - np.argmax(column) / len(column)) * 8000 == pytest.approx(2000, abs=100)
    row = bright[np.argmax(column)]
    heard = np.flatnonzero(row > row.max() / 2) * end / len(row)
    assert (heard.min(), heard.max()) == (pytest.approx(1, abs=0.03), pytest.approx(2, abs=0.03))


@pytest.mark.parametrize("samples", [1, 100, 320])
def test_the_shortest_recordings_have_a_page(tmp_path: Path, samples: int) -> None:
    audio = tmp_path / "short.wav"
    soundfile.write(audio, np.full(samples, 0.1), RATE)
    tracks = Tracks("short", audio, samples / RATE, (Track.of_segments("words", []),))
    write_page(tracks, tmp_path / "short.html")
    assert data_of(tmp_path / "short.html")["duration"] == 0.02


def data_of(page: Path) -> Any:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.S
    )
    assert found
    return json.loads(found[1])


def test_what_is_written_in_names_cannot_break_the_page(tmp_path: Path) -> None:
    audio = tmp_path / "100% <b> & é#.wav"
    soundfile.write(audio, np.zeros(RATE), RATE)
    name = "</script><script>alert(1)</script>"
    words = Track.of_segments("words", [Segment(0, 500, name, 1), Segment(500, 600, "$title ${data}", 1)])
    page = tmp_path / "sub" / "page.html"
    page.parent.mkdir()
    write_page(Tracks(audio.stem, audio, 1.0, (words,)), page)
    text = page.read_text(encoding="utf-8")
    assert "alert(1)</script>" not in text
    assert data_of(page)["segments"][0]["name"] == [name, "$title ${data}"]
    assert 'src="../100%25%20%3Cb%3E%20%26%20%C3%A9%23.wav"' in text
    assert "<title>100% &lt;b&gt; &amp; é#</title>" in text


def test_nothing_is_fetched(tmp_path: Path) -> None:
    write_page(Tracks("a", None, 1.0, (Track.of_segments("words", [Segment(0, 500, "a", 1)]),)), tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert not re.search(r'<(script|link|img|iframe)[^>]+(src|href)="(?!data:)', text)
    assert "there is nothing to hear" in text


def test_what_browsers_do_not_play_is_written_in_another_form(speech: Speech, tmp_path: Path) -> None:
    audio = speech("talk.aiff", seconds=2)
    write_page(Tracks("talk", audio, 2.0, ()), tmp_path / "talk.html")
    assert 'src="talk.flac"' in (tmp_path / "talk.html").read_text(encoding="utf-8")
    assert soundfile.info(tmp_path / "talk.flac").duration == pytest.approx(2, abs=0.05)


def test_view_finds_recordings_and_thresholds_by_the_records(
    speech: Speech, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "talks").mkdir()
    audio = speech("talks/a.wav", seconds=3)
    run = [
        "run",
        "wav2vec2_kws",
        str(audio),
        "--out",
        str(tmp_path / "out"),
        "--set",
        f"model={SPELLER}",
        "--output",
        "score",
    ]
    assert main([*run, "--output", "words", "--set", "keywords=money", "--set", "threshold=0.25", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["view", str(tmp_path / "out")]) == 0
    page = tmp_path / "out" / "a.html"
    assert capsys.readouterr().out == f"{page}\n"
    text = page.read_text(encoding="utf-8")
    assert 'src="../talks/a.wav"' in text
    assert '"location":0.25' in text
    data = data_of(page)
    assert [one["id"] for one in data["curves"]] == ["score"]
    assert [one["id"] for one in data["segments"]] == ["words"]


def test_the_line_of_a_threshold_is_the_models_where_the_option_names_none(
    speech: Speech, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = speech("a.wav", seconds=4)
    run = ["run", "wav2vec2_sv", str(audio), "--input", f"reference={audio}", "--output", "similarity"]
    assert main([*run, "--set", "model=small", "--out", str(tmp_path / "out"), "--quiet"]) == 0
    assert main(["view", str(tmp_path / "out")]) == 0
    small = Path(__file__).parents[3] / "modules" / "wav2vec2_sv" / "small" / "config.json"
    threshold = json.loads(small.read_text())["same_speaker_threshold"]
    assert f'"location":{threshold}' in (tmp_path / "out" / "a.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["empty"], f"empty holds no results ({READABLE}); `novaspeech run` writes some"),
        (["no"], "no does not exist"),
        (["no.stream"], "no.stream does not exist"),
    ],
)
def test_where_there_is_nothing_to_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert main(["view", *arguments]) == 1
    assert capsys.readouterr().err == f"novaspeech: {said}\n"
