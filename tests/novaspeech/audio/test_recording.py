import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from novaspeech.audio.recording import Recording
from novaspeech.errors import RecordingError
from tests.novaspeech.audio.sounds import heard, signal_of

Speech = Callable[..., Path]
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_blocks_join_to_the_whole_signal_resampled_in_one_go(tmp_path: Path, rate: int, channels: int) -> None:
    samples = 0.1 * RANDOM.standard_normal((rate * 11 + 7, channels)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    recording = Recording.open(tmp_path / "a.wav")
    expected = samples.mean(axis=1)
    if rate != 16000:
        expected = soxr.resample(expected, rate, 16000, quality="HQ")
    found = signal_of(recording)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert recording.duration_ms == len(samples) * 1000 // rate


FORMATS = {
    "u8.wav": ["-c:a", "pcm_u8"],
    "16.wav": ["-c:a", "pcm_s16le"],
    "24.wav": ["-c:a", "pcm_s24le"],
    "32.wav": ["-c:a", "pcm_s32le"],
    "float.wav": ["-c:a", "pcm_f32le"],
    "double.wav": ["-c:a", "pcm_f64le"],
    "a.flac": [],
    "a.ogg": ["-c:a", "libvorbis"],
    "a.opus": [],
    "a.mp3": [],
    "a.m4a": [],
    "a.aac": [],
    "a.mkv": ["-c:a", "aac"],
    "a.mp4": ["-f", "lavfi", "-i", "testsrc=d=2:s=64x64:r=25", "-map", "1:v", "-map", "0:a", "-t", "2"],
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_hold_the_same_speech_at_the_same_time(speech: Speech, name: str) -> None:
    expected = signal_of(Recording.open(speech("reference.wav")))
    recording = Recording.open(speech(name, *FORMATS[name]))
    found = signal_of(recording)
    # Bare AAC and Matroska as ffmpeg 5 writes it do not say how much of their first packet is padding.
    late = round(1024 * 16000 / 44100) if name in ("a.aac", "a.mkv") else 0
    assert abs(recording.duration_ms - 2000) <= 50
    shared = expected[: len(found) - late]
    correlation = np.correlate(
        shared[2000:-2000], found[2000 + late - 200 : 2000 + late + len(shared) - 4000 + 200], "valid"
    )
    assert abs(int(correlation.argmax()) - 200) <= 1
    assert np.corrcoef(found[late : late + len(shared)], shared)[0, 1] > 0.98


def test_bad_samples_stay_where_they_are_and_disturb_no_others(tmp_path: Path) -> None:
    rate = 48000
    clean = (0.1 * np.sin(2 * np.pi * 200 * np.arange(rate * 12) / rate)).astype(np.float32)
    spoilt = clean.copy()
    spoilt[[rate, rate + 1, 7 * rate]] = np.nan, np.inf, -np.inf
    for name, samples in (("clean.wav", clean), ("spoilt.wav", spoilt)):
        soundfile.write(tmp_path / name, samples, rate, subtype="FLOAT")
    expected, found = (signal_of(Recording.open(tmp_path / name)) for name in ("clean.wav", "spoilt.wav"))
    assert np.flatnonzero(~np.isfinite(found)).tolist() == [16000, 112000]
    good = np.isfinite(found)
    np.testing.assert_allclose(found[good], expected[good], atol=1e-4)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(1600,), (1600, 1), (1600, 2)])
def test_arrays_of_the_host(dtype: str, shape: tuple[int, ...]) -> None:
    samples = RANDOM.standard_normal(shape).astype(dtype)
    before = samples.copy()
    found = signal_of(Recording.of_samples(samples, 16000, "array"))
    np.testing.assert_allclose(found, samples.reshape(1600, -1).mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(samples, before)


def test_a_wav_from_a_pipe_has_no_length_in_its_header_and_is_whole(speech: Speech, tmp_path: Path) -> None:
    source = speech("a.wav")
    command = ["ffmpeg", "-v", "error", "-i", str(source), "-f", "wav", "pipe:1"]
    (tmp_path / "piped.wav").write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    assert Recording.open(tmp_path / "piped.wav").samples == Recording.open(source).samples


def test_a_name_with_a_colon_is_a_name(speech: Speech) -> None:
    assert Recording.open(speech("a.m4a").rename(speech("b.m4a").parent / "concat:b.m4a")).rate == 44100


def broken_files(folder: Path, speech: Speech) -> dict[str, tuple[Path, str]]:
    """Kind of fault → file, and what the message must say."""
    wav, m4a = speech("whole.wav").read_bytes(), speech("whole.m4a").read_bytes()
    contents = {
        "empty": b"",
        "text": b"This is no audio.\n",
        "truncated": wav[: len(wav) // 2],
        "header": wav[:160],
        "half an m4a": m4a[:5000],
    }
    for kind, content in contents.items():
        (folder / f"{kind}.wav").write_bytes(content)
    soundfile.write(folder / "no samples.wav", np.zeros(0), 16000)
    (folder / "folder.wav").mkdir()
    said = {
        "missing": "does not exist",
        "folder": "is a folder",
        "empty": "is an empty file",
        "text": "is not audio that libsndfile or FFmpeg can read (Invalid data found",
        "truncated": "is truncated: its header promises 2.000 s, the file holds 1.000 s",
        "half an m4a": "is not audio that libsndfile or FFmpeg can read",
        "header": "is truncated: its header promises 2.000 s, the file holds 0.0",
        "no samples": "holds no samples",
    }
    return {kind: (folder / f"{kind}.wav", message) for kind, message in said.items()}


def test_what_cannot_be_read_is_named_with_its_fault(tmp_path: Path, speech: Speech) -> None:
    for path, message in broken_files(tmp_path, speech).values():
        with pytest.raises(RecordingError) as caught:
            Recording.open(path)
        assert str(path) in str(caught.value)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_video_without_sound_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=1:s=64x64", str(path)], check=True)
    with pytest.raises(RecordingError, match="no audio track"):
        Recording.open(path)


def test_no_program_is_started(speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    path = speech("a.m4a")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(subprocess, "Popen", None)
    assert Recording.open(path).duration_ms == pytest.approx(2000, abs=24)


def loud_then_quiet(folder: Path) -> Path:
    """A VBR MP3 without a header that states its length: what follows its start is coded at another bit rate."""
    samples = np.concatenate([RANDOM.uniform(-1, 1, 44100 * 4), np.zeros(44100 * 16)]).astype(np.float32)
    soundfile.write(folder / "a.wav", samples, 44100)
    command = ["ffmpeg", "-v", "error", "-i", str(folder / "a.wav"), "-q:a", "2", "-write_xing", "0"]
    subprocess.run([*command, str(folder / "a.mp3")], check=True)
    return folder / "a.mp3"


def test_lengths_that_libraries_guess_are_counted(tmp_path: Path, speech: Speech) -> None:
    one = speech("one.mp3").read_bytes()
    (tmp_path / "joined.mp3").write_bytes(one + one)
    for path, seconds in ((loud_then_quiet(tmp_path), 20), (tmp_path / "joined.mp3", 4)):
        recording = Recording.open(path)
        assert recording.duration_ms == pytest.approx(seconds * 1000, abs=100)
        assert len(heard(path, recording.rate)) == recording.samples


def test_an_mp3_in_a_wav_is_read(speech: Speech) -> None:
    recording = Recording.open(speech("mp3.wav", "-c:a", "mp3"))
    assert recording.duration_ms == pytest.approx(2000, abs=50)
    assert len(signal_of(recording)) == pytest.approx(32000, abs=800)


def test_a_flac_from_a_pipe_states_no_length(tmp_path: Path, speech: Speech) -> None:
    command = ["ffmpeg", "-v", "error", "-i", str(speech("a.wav")), "-f", "flac", "pipe:1"]
    (tmp_path / "piped.flac").write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    recording = Recording.open(tmp_path / "piped.flac")
    assert recording.duration_ms == 2000
    assert len(signal_of(recording)) == 32000


def test_whole_numbers_of_the_host_are_scaled() -> None:
    samples = np.array([-32768, 0, 16384], np.int16)
    assert signal_of(Recording.of_samples(samples, 16000, "array")).tolist() == [-1, 0, 0.5]
