"""Facts that a container states beside its frames: other files, the length, the pauses of an AVI."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.stream import Disposition

from novaspeech.errors import RecordingError

# Formats that only name other files: their first bytes, and FFmpeg's names.
_LISTS = {b"#EXTM3U": "an m3u8 playlist", b"ffconcat version": "an ffconcat list", b"<MPD": "a DASH manifest"}
_LIST_FORMATS = {"hls", "applehttp", "concat", "dash", "imf", "sdp", "rtsp", "avisynth", "vapoursynth"}
_SONG_FORMATS = {"libopenmpt", "libgme", "sbg"}  # notes to be played; libopenmpt takes damaged recordings for songs
# Containers without times of their own: FFmpeg counts their packets.
_COUNTED = {"mp3", "aac", "ac3", "eac3", "dts", "amr", "loas", "flac", "tta", "ape", "wv", "truehd"}
_UNKNOWN_FRAMES = 1 << 30  # number of frames in an AVI that FFmpeg wrote to a pipe
_LAST_BYTES = 64 << 20  # maximum bytes at an AVI's end that are searched for its index (16 bytes a chunk)


def refuse_list(path: Path) -> None:
    """Refuses a file that names other files, before FFmpeg opens those.

    Raises:
        RecordingError: the file is a playlist or a manifest.
    """
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    for mark, kind in _LISTS.items():
        if head.startswith(mark) or (mark.startswith(b"<") and head.startswith(b"<") and mark in head):
            raise _is_list(path, kind)


def refuse_format(path: Path, name: str) -> None:
    """Refuses a format that holds no sound of its own; `name` is FFmpeg's name of it.

    Raises:
        RecordingError: the file is a list of files, or a song for a tracker.
    """
    if set(name.split(",")) & _LIST_FORMATS:
        raise _is_list(path, f"a list ({name})")
    if name in _SONG_FORMATS:
        raise RecordingError(f"{path} is a song for a tracker ({name}), which holds notes; give a recording")


def _is_list(path: Path, kind: str) -> RecordingError:
    return RecordingError(f"{path} is {kind}, which only names other files; give the path of one audio file")


def has_times(container: str) -> bool:
    """Whether packets carry times; without them, nothing tells how much sound is lost between two packets."""
    return container not in _COUNTED


def size_without_tag(path: Path) -> int:
    """Bytes of a file, without the tags (ID3v1, APE) that a player may have put at its end."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 128))
        size -= 128 if file.read(3) == b"TAG" else 0
        file.seek(max(0, size - 32))
        foot = file.read(32)
    if foot.startswith(b"APETAGEX"):  # size without the header, of which a bit of the flags tells
        size -= int.from_bytes(foot[12:16], "little") + 32 * (foot[23] >> 7)
    return size


def earliest_start(streams: Any, audio: Any) -> Fraction | None:
    """Start of the earliest other track, in seconds; None without one. Cover pictures do not count."""
    starts = [
        stream.start_time * stream.time_base
        for stream in streams
        if stream.index != audio.index
        and stream.type in ("audio", "video")
        and not stream.disposition & Disposition.attached_pic
        and stream.start_time is not None
    ]
    return min(starts, default=None)


def stated_end(path: Path, name: str, audio: Any, guessed: bool) -> Fraction | None:
    """End of the track that the container states, in seconds of the file's clock; None if it states none.

    Args:
        name: FFmpeg's name of the format.
        audio: the audio track.
        guessed: whether FFmpeg warned that its duration is a guess.
    """
    tick = audio.time_base
    tag = re.fullmatch(r"(\d+):(\d+):([\d.]+)", audio.metadata.get("DURATION", ""))
    if tag:  # Matroska
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + Fraction(tag[3])
    if name in ("avi", "caf"):  # FFmpeg guesses their duration from the file's size
        return audio.frames * tick if 0 < audio.frames < _UNKNOWN_FRAMES else None
    if name == "asf":
        return _asf_end(path)
    if audio.duration is None or guessed:
        return None
    head = audio.codec_context.extradata or b""
    if name == "ogg" and head.startswith(b"OpusHead"):  # whose last page's time FFmpeg takes for a length
        return Fraction((audio.duration - int.from_bytes(head[10:12], "little")) * tick)
    return Fraction(((audio.start_time or 0) + audio.duration) * tick)


def _asf_end(path: Path) -> Fraction | None:
    """Play time in an ASF's header, in seconds; FFmpeg ignores it if the file was cut off."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    begin = head.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))  # File Properties Object
    fields = head[begin + 64 : begin + 92]
    if begin < 0 or len(fields) < 28 or fields[24] & 1:  # broadcast flag: no play time is stated
        return None
    ticks, preroll_ms = int.from_bytes(fields[:8], "little"), int.from_bytes(fields[16:24], "little")
    return Fraction(ticks, 10**7) - Fraction(preroll_ms, 1000) if ticks else None


def avi_pauses(path: Path, index: int) -> list[tuple[int, int]]:
    """Pauses of an AVI's track: for each, the chunks of sound before it and the empty chunks up to its end.

    Capture programs write empty chunks while the microphone is silent or late; FFmpeg skips them without counting.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _LAST_BYTES), os.SEEK_SET)
        tail = file.read()
    begin = tail.rfind(b"idx1")
    if begin < 0:  # an AVI of more than 1 GB has other indexes, one that was cut off has none
        return []
    length = int.from_bytes(tail[begin + 4 : begin + 8], "little")
    entries = np.frombuffer(tail[begin + 8 : begin + 8 + length - length % 16], "<u4").reshape(-1, 4)
    own = entries[entries[:, 0] == int.from_bytes(b"%02dwb" % index, "little"), 3]
    empty = own == 0
    ends = np.flatnonzero(empty & ~np.append(empty[1:], False))
    return [(int((~empty[:end]).sum()), int(empty[: end + 1].sum())) for end in ends]
