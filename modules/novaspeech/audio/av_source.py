"""A file that FFmpeg's libraries read (PyAV): its decoded frames, each with its time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.audio import containers
from novaspeech.audio.av_messages import AvMessages
from novaspeech.audio.signal import BLOCK_SECONDS
from novaspeech.audio.soundfile_source import check_rate
from novaspeech.audio.timeline import Frame, Timeline, without_padding
from novaspeech.audio.wma import WmaClock
from novaspeech.errors import RecordingError, shortened

# Maximum seconds that a track may be shorter than stated: the longest packet of a common codec has 128 ms (AAC at
# 8 kHz), and a track may end within its last packet.
SHORT_BY_SECONDS = 0.15
LONGEST_FRAME = 1441  # bytes of the longest MP3 frame; a file may begin within one
_JOINED = "invalid concatenated file"  # warning: the file is several MP3 files, joined
_GUESSED = "Estimating duration from bitrate"  # warning: the file states no length
_BARE = {"mp3", "aac", "ac3", "eac3", "dts"}  # formats without a container: nothing but frames
_TAGS = (b"ID3", b"APETAGEX", b"RIFF")  # first bytes of tags that may precede the first frame
_ONLY_FILES = {"protocol_whitelist": "file"}  # FFmpeg opens no network address


class AvSource:
    """The first audio track of a file, decoded once.

    An undecodable packet loses its own sound only: the time of the next frame shows the gap.

    Args:
        path: the file.
        reason: libsndfile's reason not to read it, for messages.

    Attributes:
        rate: samples per second, in Hz.
        channels: number of channels.
        zero: start of the earliest other track, in samples; the recording begins there at the latest; None without one.
        seconds: stated length; 0 if none is stated.

    Raises:
        RecordingError: FFmpeg cannot read the file, or the file holds no sound, or only names other files.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self._path, self._messages = path, AvMessages()
        containers.refuse_list(path)
        self._container = self._opened(reason)
        self._name = str(self._container.format.name)
        containers.refuse_format(path, self._name)
        audio = self._container.streams.audio
        codec = audio[0].codec_context if audio else None
        if codec is None or not codec.sample_rate or not codec.channels:
            raise self._no_sound("no decoder, rate or channels" if audio else "no audio track", reason)
        self._track = audio[0]
        self.rate, self.channels = int(codec.sample_rate), int(codec.channels)
        check_rate(path, self.rate)
        self._start: int = round((self._track.start_time or 0) * self._track.time_base * self.rate)
        self.zero = self._zero()
        self._has_length = self._container.duration is not None
        self._end = containers.stated_end(path, self._name, self._track, self._messages.warn_of(_GUESSED))
        self.seconds = float(self._end or 0)
        self._pauses = containers.avi_pauses(path, self._track.index) if self._name == "avi" else []
        self._shape: tuple[str, str, int] | None = None  # format, layout and rate of the previous frame
        self._wma = WmaClock(self._start, self.rate, codec.name == "wmalossless") if self._name == "asf" else None
        self._lost_until = self._skipped = 0  # samples; the latter at the begin, and in the stated length
        self._lost: list[tuple[int, str]] = []  # begin of each undecodable packet, in samples, and why

    def _opened(self, reason: str) -> Any:
        with self._messages.captured():
            try:
                # "file:" keeps FFmpeg from taking a colon in the name for a protocol.
                return av.open(f"file:{self._path}", options=_ONLY_FILES, metadata_errors="replace")
            except (av.FFmpegError, OSError, ValueError) as error:
                raise self._no_sound(getattr(error, "strerror", None) or str(error), reason) from error

    def _zero(self) -> int | None:
        other, own = containers.earliest_start(self._container.streams, self._track), self._track.start_time
        if self._name == "asf" and other is None and own is not None:  # the codec gives nothing for the first packets
            other = Fraction(own * self._track.time_base)
        return None if other is None else round(other * self.rate)

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32 in which each frame stands at its time; lost sound is NaN.

        Raises:
            RecordingError: the file is damaged (see `frames`), or its times are impossible.
        """
        held, count = list[FloatArray](), 0
        frames = without_padding(self.frames(), self._last_sample, round(SHORT_BY_SECONDS * self.rate))
        for piece in Timeline(str(self._path), self.rate, self.zero).place(frames):
            held.append(piece)
            count += len(piece)
            if count >= BLOCK_SECONDS * self.rate:
                yield np.concatenate(held)
                held, count = [], 0
        if held:
            yield np.concatenate(held)

    def _last_sample(self) -> int | None:
        """End of an MP4's sound, which it states to the sample."""
        return round(self._end * self.rate) - self._skipped if self._end and self._name.startswith("mov") else None

    def frames(self) -> Iterator[Frame]:
        """Decoded frames, (n, channels) float32; an empty one marks undecodable packets at the begin or the end.

        Raises:
            RecordingError: the file is shorter than stated, or nothing tells how much sound is missing.
        """
        given, self._next = 0, self._start  # samples so far, and the time of a next frame without timestamp
        begin, end = None, 0
        with self._messages.captured(), self._container:
            for packet in self._packets():
                for frame in self._decoded(packet, given):
                    begin = frame.time if begin is None else begin
                    self._next = end = frame.time + len(frame.samples)
                    given += len(frame.samples)
                    yield frame
            rest = self._lost_until - self._next
            if 0 < rest < SHORT_BY_SECONDS * self.rate and containers.has_times(self._name):
                end = self._lost_until
                yield Frame(end, np.zeros((0, self.channels), np.float32))
        self._check(given, 0 if begin is None else begin, end)

    def _packets(self) -> Iterator[Any]:
        """Packets of the track, up to the first that cannot be read."""
        taken = 0  # bytes
        with contextlib.suppress(av.FFmpegError):
            for packet in self._container.demux(self._track):
                if not taken:
                    self._skipped = max(0, self._start - max(0, self._time(packet.pts, packet.time_base)))
                    taken = (packet.pos or 0) if self._name in _BARE else 0
                    self._check_begin(taken)
                taken += packet.size
                if self._name not in _BARE or not bytes(packet).startswith(_TAGS):
                    yield packet
        if self._name == "aac" and taken < containers.size_without_tag(self._path):
            self._lost.append((self._start, "bytes between its packets are none"))

    def _decoded(self, packet: Any, given: int) -> Iterator[Frame]:
        is_first = packet.pts == self._track.start_time
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            # The track's start is the limit: earlier packets hold the encoder's delay, which is left out.
            begin = max(self._time(packet.pts, packet.time_base), self._start)
            self._lost.append((begin, error.strerror or ""))
            self._lost_until = begin + round((packet.duration or 0) * packet.time_base * self.rate)
            if not given:
                yield Frame(begin, np.zeros((0, self.channels), np.float32))
            return
        for frame in frames:
            for piece in self._packed(frame):
                at = self._time(piece.pts, piece.time_base)
                if self._wma and (piece.pts is not None or not given):
                    at = self._wma.place(at, self._next, is_first)
                yield Frame(at, piece.to_ndarray().reshape(piece.samples, -1))
                given += piece.samples

    def _packed(self, frame: Any) -> list[Any]:
        """The frame at the track's rate with interleaved channels: planar frames of 8 channels crash PyAV 18."""
        shape = frame.format.name, frame.layout.name, frame.rate
        try:
            if shape != self._shape:
                if self._shape is None:
                    self._layout = frame.layout
                self._shape, self._resampler = shape, av.AudioResampler("flt", self._layout, self.rate)
            return list(self._resampler.resample(frame))
        except (av.FFmpegError, ValueError) as error:
            what = f"{frame.layout.nb_channels} channels at {frame.rate} Hz from {self._next / self.rate:.3f} s on"
            raise RecordingError(f"{self._path} has {what}, which FFmpeg cannot mix; convert it to WAV") from error

    def _time(self, timestamp: int | None, tick: Fraction) -> int:
        """A timestamp in samples; None means the end of the previous frame."""
        if timestamp is None:
            return self._next
        at = timestamp * tick * self.rate
        if self._pauses:  # a chunk lasts one tick; half a tick is for rounding
            chunk = self._track.time_base * self.rate
            late = (empty for before, empty in reversed(self._pauses) if at >= (before - Fraction(1, 2)) * chunk)
            at += next(late, 0) * chunk
        return round(at)

    def _check_begin(self, start: int) -> None:
        """Refuses a file without times if the bytes before its first packet are neither a tag nor part of a frame."""
        with self._path.open("rb") as file:
            head = file.read(start)
        if start > LONGEST_FRAME and not any(mark in head for mark in _TAGS):
            raise self._damaged(
                f"the {start} bytes before its first frame are nothing that can be read, and nothing in the file tells "
                "how much sound that was"
            )

    def _check(self, given: int, begin: int, end: int) -> None:
        """Compares what was decoded with what the file states."""
        stated = None if self._end is None else round(self._end * self.rate)
        zero = begin if self.zero is None else min(self.zero, begin)
        unseen = self._skipped + ((self._wma and self._wma.behind) or 0)
        if not given or (stated is not None and end + unseen < stated - SHORT_BY_SECONDS * self.rate):
            states = f"states {max(0, stated - zero) / self.rate:.3f} s of sound" if stated else "has an audio track"
            what = f"only {(end - zero) / self.rate:.3f} s" if given else "nothing"
            raise self._damaged(f"it {states}, but {what} of it could be read{self._complaint()}")
        counted = not containers.has_times(self._name) and not self._messages.warn_of(_JOINED)
        inside = any(begin < end for begin, _ in self._lost)  # a packet cut off at the end loses nothing else
        if inside and counted and (stated is None or abs(end - stated) > SHORT_BY_SECONDS / 2 * self.rate):
            raise self._damaged(
                f"at {(self._lost[0][0] - zero) / self.rate:.3f} s a part cannot be decoded{self._complaint()}, and "
                "nothing in the file tells how much sound that was: what follows may have moved"
            )
        if self._messages.warn_of("File ended prematurely") and stated is None and self._has_length:  # Matroska
            raise self._damaged(f"something is missing after {(end - zero) / self.rate:.3f} s{self._complaint()}")

    def _complaint(self) -> str:
        said = [*self._messages.errors(), *(why for _, why in self._lost[-1:])]
        return f" ({shortened(said[0])})" if said else ""

    def _damaged(self, what: str) -> RecordingError:
        return RecordingError(
            f"{self._path} is damaged or truncated: {what}; copy it again, or accept what is there with: "
            f"ffmpeg -i {self._path.name} repaired.wav"
        )

    def _no_sound(self, detail: str, reason: str) -> RecordingError:
        return RecordingError(
            f"{self._path} is not audio that libsndfile or FFmpeg can read ({shortened(detail)}; libsndfile: "
            f"{shortened(reason)}); give a WAV, FLAC, MP3, M4A or MP4 file that a player plays"
        )
