"""Sound stands where the file says, in every container."""

from pathlib import Path

import numpy as np
import pytest

from novaspeech.audio.recording import Recording
from novaspeech.audio.timeline import Frame, Timeline
from novaspeech.errors import RecordingError
from tests.novaspeech.audio.sounds import SECONDS, heard, lag_ms, noise, run, signal_of

LATE = 1.37

# Container and codecs → ms of the encoder's own delay that the container does not tell.
CONTAINERS = {
    "a.ts": ("mpeg2video", "ac3", 6),
    "a.mts": ("mpeg2video", "ac3", 6),
    "a.m2ts": ("mpeg2video", "ac3", 6),
    "aac.ts": ("mpeg2video", "aac", 22),
    "a.mpg": ("mpeg2video", "mp2", 11),
    "a.vob": ("mpeg2video", "ac3", 6),
    "mp3.avi": ("mpeg4", "mp3", 24),
    "ac3.avi": ("mpeg4", "ac3", 12),
    "a.wmv": ("wmv2", "wmav2", 1),
    "a.asf": ("wmv2", "wmav2", 1),
    "a.mp4": ("mpeg4", "aac", 1),
    "a.mov": ("mpeg4", "pcm_s16le", 1),
    "a.mkv": ("mpeg4", "aac", 22),
    "pcm.mkv": ("mpeg4", "pcm_s16le", 1),
    "opus.webm": ("libvpx", "libopus", 7),
    "vorbis.webm": ("libvpx", "libvorbis", 1),
    "a.nut": ("mpeg4", "mp3", 24),
    "a.flv": ("flv", "aac", 22),
    "a.ogv": ("libtheora", "libvorbis", 1),
    "a.3gp": ("mpeg4", "aac", 1),
    "a.wtv": ("mpeg2video", "mp2", 11),
    "a.mxf": ("mpeg2video", "pcm_s16le", 1),
    "pcm.avi": ("mpeg4", "pcm_s16le", 1),
}
# ffmpeg's writers of these lose the lateness: the file does not have it.
WITHOUT_LATENESS = ("a.mxf", "pcm.avi")


@pytest.fixture(scope="module")
def videos(folder: Path) -> Path:
    """Folder with a video of each kind, sound from the start ("0-…") and late; all by one run of ffmpeg."""
    words: list[object] = ["-f", "lavfi", "-i", f"color=s=176x144:r=25:d={SECONDS}", "-i", folder / "base.wav"]
    words += ["-itsoffset", LATE, "-i", folder / "base.wav"]
    for number, late in ((1, 0), (2, LATE)):
        for name, (video, audio, _) in CONTAINERS.items():
            if not (late and name in WITHOUT_LATENESS):
                words += ["-map", "0:v", "-map", f"{number}:a", "-c:v", video, "-c:a", audio, folder / f"{late}-{name}"]
    run(*words)
    return folder


@pytest.mark.parametrize("name", [f"{late}-{name}" for late in (0, LATE) for name in CONTAINERS])
def test_sound_in_a_video_is_where_a_player_plays_it(videos: Path, name: str) -> None:
    late, _, kind = name.partition("-")
    if not (videos / name).exists():
        pytest.skip("ffmpeg's writer loses the lateness")
    recording, own = Recording.open(videos / name), CONTAINERS[kind][2]
    found = signal_of(recording)
    assert lag_ms(found, noise()) == pytest.approx(1000 * float(late), abs=own + 1)
    assert recording.duration_ms == pytest.approx(1000 * (SECONDS + float(late)), abs=50)
    assert len(found) / 16 == pytest.approx(1000 * (SECONDS + float(late)), abs=50)


@pytest.mark.parametrize(("name", "codec"), [("o.webm", "libopus"), ("v.webm", "libvorbis"), ("o.mka", "libopus")])
def test_what_a_codec_says_is_to_be_skipped_is_skipped(folder: Path, name: str, codec: str) -> None:
    run("-i", folder / "base.wav", "-c:a", codec, folder / name)
    assert lag_ms(heard(folder / name), noise()) == pytest.approx(0, abs=0.5)


def placed(frames: list[tuple[int, float]]) -> np.ndarray:
    """Frames of 20 ms at 1 kHz, (time, value)."""
    sound = [Frame(time, np.full((20, 1), value, np.float32)) for time, value in frames]
    return np.concatenate([np.zeros((0, 1)), *Timeline("a", 1000, None).place(sound)])[:, 0]


def test_timestamps_that_their_successors_do_not_confirm_are_not_believed() -> None:
    times = [20 * i for i in range(100)]
    regular = placed([(time, i) for i, time in enumerate(times)])
    jitter = [time + (7 if i % 3 else -7) for i, time in enumerate(times)]
    wrong = [*times[:30], 85000, *times[31:60], 3, *times[61:]]
    for spoilt in (jitter, wrong):
        spoilt[0] = 0
        np.testing.assert_array_equal(placed([(time, i) for i, time in enumerate(spoilt)]), regular)


def test_a_slow_clock_is_followed_and_a_loss_is_a_gap() -> None:
    slow = placed([(int(20.1 * i), 1.0) for i in range(1000)])
    assert len(slow) == pytest.approx(20100, abs=12)
    assert np.isfinite(slow).all()
    fast = placed([(int(19.9 * i), 1.0) for i in range(1000)])
    assert len(fast) == pytest.approx(19900, abs=12)
    lossy = placed([(20 * i, i) for i in range(100) if i != 40])
    assert np.flatnonzero(np.isnan(lossy)).tolist() == list(range(800, 820))
    assert lossy[900] == 45


@pytest.mark.parametrize("zero", [0, -200])
def test_an_overlap_near_the_start_is_left_out(zero: int) -> None:
    times = [0, 20, *(20 * i - 15 for i in range(2, 100))]
    sound = [Frame(time, np.full((20, 1), number, np.float32)) for number, time in enumerate(times)]
    found = np.concatenate(list(Timeline("a", 1000, zero).place(sound)))[-zero:, 0]
    assert [found[0], found[39], found[45], found[985]] == [0, 1, 3, 50]


def test_a_first_timestamp_that_no_other_confirms_is_not_believed() -> None:
    found = placed([(5000 if i == 0 else 20 * i, i) for i in range(100)])
    np.testing.assert_array_equal(found, np.repeat(np.arange(100), 20))


def test_times_that_cannot_be_true_are_refused() -> None:
    joined = [20 * i for i in range(100)] * 2
    far = [20 * i + (10**6 if i > 50 else 0) for i in range(100)]
    at_the_end = [*(20 * i for i in range(100)), 85000]
    for times, said in ((joined, "go back"), (far, "after 1.020 s it jumps by 1000"), (at_the_end, "jumps by 83")):
        with pytest.raises(RecordingError, match=said):
            placed([(time, 1.0) for time in times])
