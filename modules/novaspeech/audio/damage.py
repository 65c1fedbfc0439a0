"""What a file itself says is missing or damaged in it, which the programs that decode it do not mind."""

from __future__ import annotations

from pathlib import Path

from novaspeech.audio import adts, asf, mp3, mpegts, ogg
from novaspeech.audio.avi import Chunks
from novaspeech.errors import RecordingError

GUESSES = "Estimating duration from bitrate"  # ffprobe's warning if nothing states the length
JOINED = "invalid concatenated file"
UNTOLD = "and nothing in the file tells how much sound that was"
FRAME = 1441  # bytes of the longest frame of an MP3: a recorder may begin within one
LEAST_RATE, MOST_RATE = 1_000, 1_000_000  # of anything that records sound, in Hz


def damaged(path: Path, what: str) -> RecordingError:
    """The error of a file of which this is damaged."""
    return RecordingError(
        f"{path} is damaged or truncated: {what}; copy it again, or convert it to WAV and check that its times are "
        "right"
    )


def check_rate(path: Path, rate: int) -> None:
    """Refuses a sampling rate in Hz that no sound has.

    Raises:
        RecordingError: it is such a one.
    """
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise damaged(path, f"it states {rate} samples per second, and sound has {LEAST_RATE} to {MOST_RATE}")


def check_container(path: Path, container: str, rate: int, warnings: str, chunks: Chunks | None) -> None:
    """Holds a file against what its container states.

    Args:
        path: of the file.
        container: ffmpeg's name of it.
        rate: samples per second, in Hz.
        warnings: of ffprobe.
        chunks: of an AVI.

    Raises:
        RecordingError: something is missing or damaged.
    """
    what = ""
    if container == "asf":
        what = _asf(path)
    elif chunks and chunks.breaks_at is not None:
        what = f"at byte {chunks.breaks_at} a chunk should begin and none does, {UNTOLD}"
    elif chunks and chunks.found < chunks.indexed:
        what = f"it states {chunks.indexed} chunks of sound, but only {chunks.found} of them are there"
    elif container == "ogg" and not ogg.starts_whole(path):
        what = f"the first page of its sound cannot be read, {UNTOLD}"
    elif container == "mp3":
        # A tag that states the length is used; in joined files it states that of the first.
        what = _mp3(path, rate, tag_used=GUESSES not in warnings or JOINED in warnings)
    elif container == "aac":
        frames, is_all = adts.whole_frames(path, mp3.id3_bytes(path))
        what = "" if is_all else f"after {frames} frames something follows that is none, {UNTOLD}"
    elif container == "mpegts" and not mpegts.starts_whole(path):
        what = f"it does not begin with a packet, {UNTOLD}"
    if what:
        raise damaged(path, what)


def _asf(path: Path) -> str:
    packets = asf.packets(path)
    if packets and packets.found < packets.stated:
        return f"it states {packets.stated} packets, but only {packets.found} of them are there"
    return f"its first packet cannot be read, {UNTOLD}" if packets and not packets.starts_whole else ""


def _mp3(path: Path, rate: int, tag_used: bool) -> str:
    if mp3.tag_is_damaged(path, rate, tag_used):
        return "its first frame states how much silence its encoder put before the sound, but cannot be read"
    before = mp3.before_frames(path, rate)
    return f"the {before} bytes before its first frame are nothing that can be read, {UNTOLD}" if before > FRAME else ""
