"""A file opened by FFmpeg's libraries, with the facts that its container states beside the frames."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np
from av.stream import Disposition

from novaspeech.errors import RecordingError, shortened

# Formats that only name other files: their first bytes, and FFmpeg's names.
_LISTS = {b"#EXTM3U": "an m3u8 playlist", b"ffconcat version": "an ffconcat list", b"<MPD": "a DASH manifest"}
_LIST_FORMATS = {"hls", "applehttp", "concat", "dash", "imf", "sdp", "rtsp", "avisynth", "vapoursynth"}
_SONG_FORMATS = {"libopenmpt", "libgme", "sbg"}  # notes to be played; libopenmpt takes damaged recordings for songs
# Containers without times of their own: FFmpeg counts their packets.
_COUNTED = {"mp3", "aac", "ac3", "eac3", "dts", "amr", "loas", "flac", "tta", "ape", "wv", "truehd"}
_GUESSED = "Estimating duration from bitrate"  # warning: the file states no length
_ONLY_FILES = {"protocol_whitelist": "file"}  # FFmpeg opens no network address
_UNKNOWN_FRAMES = 1 << 30  # number of frames in an AVI that FFmpeg wrote to a pipe
_LAST_BYTES = 64 << 20  # maximum bytes at an AVI's end that are searched for its index (16 bytes a chunk)


class Container:
    """An open file and its first audio track. FFmpeg's messages about it are kept; none reaches the terminal.

    Args:
        path: the file.
        reason: libsndfile's reason not to read it, for messages.

    Attributes:
        file, track: PyAV's.
        name: FFmpeg's name of the format.
        rate: samples per second, in Hz.
        channels: number of channels.
        start: start of the track, in samples of the file's clock.
        zero: start of the earliest other track, in samples; the recording begins there at the latest; None without one.
        end: stated end of the track, in seconds of the file's clock; None if none is stated.
        has_times: whether packets carry times; without them, nothing tells how much sound is lost between two packets.
        has_length: whether the file as a whole states how long it is.
        itunes_samples: samples that iTunes says the track has without its encoder's padding; 0 if it does not.
        pauses: of an AVI's track: the chunks of sound before each, and the empty chunks up to its end.

    Raises:
        RecordingError: FFmpeg cannot read the file, or the file holds no sound, or only names other files.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self._path = path
        self._messages: list[tuple[int, str, str]] = []  # level, part, line
        _refuse_list(path)
        with self.captured():
            try:
                # "file:" keeps FFmpeg from taking a colon in the name for a protocol.
                self.file: Any = av.open(f"file:{path}", options=_ONLY_FILES, metadata_errors="replace")
            except (av.FFmpegError, OSError, ValueError) as error:
                raise self._no_sound(getattr(error, "strerror", None) or str(error), reason) from error
        self.name = str(self.file.format.name)
        if set(self.name.split(",")) & _LIST_FORMATS:
            raise _is_list(path, f"a list ({self.name})")
        if self.name in _SONG_FORMATS:
            raise RecordingError(f"{path} is a song for a tracker ({self.name}), which holds notes; give a recording")
        audio: Any = self.file.streams.audio
        codec = audio[0].codec_context if audio else None
        if codec is None or not codec.sample_rate or not codec.channels:
            raise self._no_sound("no decoder, rate or channels" if audio else "no audio track", reason)
        self.track = audio[0]
        self.rate, self.channels = int(codec.sample_rate), int(codec.channels)
        self.start: int = round((self.track.start_time or 0) * self.track.time_base * self.rate)
        self.has_times, self.has_length = self.name not in _COUNTED, self.file.duration is not None
        self.zero, self.end = self._zero(), self._stated_end()
        self.itunes_samples = self._itunes_samples()
        self.pauses = _avi_pauses(path, self.track.index) if self.name == "avi" else []

    @contextlib.contextmanager
    def captured(self) -> Iterator[None]:
        """Takes FFmpeg's messages inside."""
        before = av.logging.get_level(), av.logging.get_skip_repeated()
        av.logging.set_level(av.logging.WARNING)
        av.logging.set_skip_repeated(False)  # repeats of another file's message would be reported here
        try:
            with av.logging.Capture() as lines:
                yield
            self._messages += lines
        finally:
            av.logging.set_level(before[0])
            av.logging.set_skip_repeated(before[1])

    def warned_of(self, warning: str) -> bool:
        """Whether a message holds these words."""
        return any(warning in line for _, _, line in self._messages)

    def errors(self) -> list[str]:
        """The messages that are errors."""
        return [line for level, _, line in self._messages if level <= av.logging.ERROR]

    def _zero(self) -> int | None:
        others = [
            (stream.type, stream.start_time * stream.time_base)
            for stream in self.file.streams
            if stream.index != self.track.index
            and not stream.disposition & Disposition.attached_pic
            and stream.start_time is not None
        ]
        starts = [start for kind, start in others if kind in ("audio", "video")]
        own = (self.track.start_time or 0) * self.track.time_base
        # As players do: subtitles begin a recording that has sound or picture within a second.
        starts += [start for kind, start in others if kind == "subtitle" and 0 < min([*starts, own]) - start < 1]
        if self.name == "asf" and not starts and self.track.start_time is not None:
            starts = [self.track.start_time * self.track.time_base]  # the codec gives nothing for the first packets
        return round(min(starts) * self.rate) if starts else None

    def _stated_end(self) -> Fraction | None:
        track, name = self.track, self.name
        tag = re.fullmatch(r"(\d+):(\d+):([\d.]+)", track.metadata.get("DURATION", ""))
        if tag:  # Matroska
            return int(tag[1]) * 3600 + int(tag[2]) * 60 + Fraction(tag[3])
        if name in ("avi", "caf"):  # FFmpeg guesses their duration from the file's size
            return track.frames * track.time_base if 0 < track.frames < _UNKNOWN_FRAMES else None
        if name == "asf":
            return _asf_end(self._path)
        if track.duration is None or self.warned_of(_GUESSED):
            return None
        head = track.codec_context.extradata or b""
        if name == "ogg" and head.startswith(b"OpusHead"):  # whose last page's time FFmpeg takes for a length
            return Fraction((track.duration - int.from_bytes(head[10:12], "little")) * track.time_base)
        return Fraction(((track.start_time or 0) + track.duration) * track.time_base)

    def _itunes_samples(self) -> int:
        fields = self.file.metadata.get("iTunSMPB", "").split()  # zero, padding before and after, samples; in hex
        try:
            return int(fields[3], 16)
        except (IndexError, ValueError):
            return 0

    def _no_sound(self, detail: str, reason: str) -> RecordingError:
        return RecordingError(
            f"{self._path} is not audio that libsndfile or FFmpeg can read ({shortened(detail)}; libsndfile: "
            f"{shortened(reason)}); give a WAV, FLAC, MP3, M4A or MP4 file that a player plays"
        )


def _refuse_list(path: Path) -> None:
    """Refuses a file that names other files, before FFmpeg opens those."""
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    for mark, kind in _LISTS.items():
        if head.startswith(mark) or (mark.startswith(b"<") and head.startswith(b"<") and mark in head):
            raise _is_list(path, kind)


def _is_list(path: Path, kind: str) -> RecordingError:
    return RecordingError(f"{path} is {kind}, which only names other files; give the path of one audio file")


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


def _avi_pauses(path: Path, index: int) -> list[tuple[int, int]]:
    """Pauses of an AVI's track: capture programs write empty chunks, which FFmpeg skips without counting."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LAST_BYTES))
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
