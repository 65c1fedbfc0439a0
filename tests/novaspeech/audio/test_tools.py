"""Recordings where the system has neither ffmpeg nor ffprobe, and Python's package imageio-ffmpeg has the former."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from novaspeech.audio import tools
from novaspeech.audio.recording import Recording
from novaspeech.errors import RecordingError

Speech = Callable[..., Path]
VIDEO = ("-f", "lavfi", "-i", "color=black:s=64x48:r=25:d=4")
# Name → what ffmpeg writes it with.
FORMATS = {
    "talk.m4a": ("-ac", "1"),
    "talk.aac": (),
    "talk.mka": ("-c:a", "pcm_s16le"),
    "talk.webm": ("-c:a", "libopus"),
    "talk.wma": (),
    "talk.ts": ("-c:a", "aac"),
    "six.m4a": ("-ac", "6"),
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Takes the system's programs away."""

    def take() -> None:
        monkeypatch.setenv("PATH", "")
        assert tools.find_ffprobe() is None

    return take


def samples(path: Path) -> np.ndarray:
    recording = Recording.open(path)
    found = np.concatenate(list(recording.blocks(recording.rate)))
    assert len(found) == recording.samples
    return found


def compare(path: Path, bare: Callable[[], None], longer: float = 0.05) -> None:
    """The same samples in the same places; at most so many seconds more at the end."""
    expected = samples(path)
    bare()
    found = samples(path)
    assert 0 <= len(found) - len(expected) <= longer * 48_000
    # Another version of ffmpeg decodes.
    np.testing.assert_allclose(found[: len(expected)], expected, atol=2e-3)


@pytest.mark.parametrize("name", FORMATS)
def test_recordings_are_read_without_ffprobe(speech: Speech, bare: Callable[[], None], name: str) -> None:
    compare(speech(name, *FORMATS[name], seconds=3), bare)


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv"])
def test_sound_that_starts_later_than_its_video_keeps_its_place(
    speech: Speech, bare: Callable[[], None], tmp_path: Path, name: str
) -> None:
    sound, late = speech("talk.wav", seconds=2), tmp_path / name
    command = ["ffmpeg", "-v", "error", *VIDEO, "-itsoffset", "1.5", "-i", str(sound), "-c:v", "mpeg4", "-c:a", "aac"]
    subprocess.run([*command, str(late)], check=True)
    assert len(samples(late)) == pytest.approx(3.5 * 44_100, abs=0.05 * 44_100)
    compare(late, bare)


def test_an_avi_needs_ffprobe(speech: Speech, bare: Callable[[], None]) -> None:
    path = speech("talk.avi", "-c:a", "pcm_s16le")
    bare()
    with pytest.raises(RecordingError, match="is an AVI, for which ffprobe is needed; install ffmpeg, of which it is"):
        Recording.open(path)


def test_what_is_no_sound_is_refused_without_ffprobe_too(
    tmp_path: Path, bare: Callable[[], None], speech: Speech
) -> None:
    text, cut = tmp_path / "a.mp4", speech("cut.m4a", "-movflags", "faststart", seconds=4)
    text.write_text("no audio")
    cut.write_bytes(cut.read_bytes()[:20_000])
    bare()
    with pytest.raises(RecordingError, match="is not audio that libsndfile or ffmpeg can read"):
        Recording.open(text)
    with pytest.raises(RecordingError, match="damaged or truncated"):
        samples(cut)


def test_without_any_ffmpeg(speech: Speech, bare: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    path = speech("talk.m4a")
    bare()

    def nothing() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", nothing)
    with pytest.raises(RecordingError, match="needs ffmpeg, which is not installed; install it, or pip install im"):
        Recording.open(path)


def test_layouts_and_tags() -> None:
    said = """Input #0, matroska,webm, from 'file:a: b.mkv':
  Duration: 01:00:02.50, start: -0.007000, bitrate: 71 kb/s
  Stream #0:0: Video: mjpeg (Baseline), yuvj420p(pc), 64x48, 90k tbr (attached pic)
  Stream #0:1(eng): Audio: opus, 48000 Hz, 5.1(side), fltp (default)
      Metadata:
        DURATION        : 01:00:02.008000000
"""
    found = tools.read_description(said.replace("        DURATION", "      DURATION"))
    assert found["format"] == {"format_name": "matroska,webm", "duration": "3602.5"}
    cover, sound = found["streams"]
    assert (cover["codec_type"], cover["disposition"]) == ("video", {"attached_pic": 1})
    assert (sound["sample_rate"], sound["channels"], sound["index"]) == ("48000", 6, 1)
    assert sound["tags"] == {"DURATION": "01:00:02.008000000"}
    assert [tools._channels(layout) for layout in ("mono", "stereo", "7.1.4", "quad(side)", "12 channels (FL+FR)")] == [
        1, 2, 12, 4, 12,
    ]  # fmt: skip
    assert tools.read_description("a.mp4: Invalid data found") == {}
