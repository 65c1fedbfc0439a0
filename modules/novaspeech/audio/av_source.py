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
from novaspeech.audio.container import Container
from novaspeech.audio.signal import BLOCK_SECONDS
from novaspeech.audio.timeline import Frame, Timeline, without_padding
from novaspeech.audio.wma import WmaClock
from novaspeech.errors import RecordingError, shortened

# Maximum seconds that a track may be shorter than stated: the longest packet of a common codec has 128 ms (AAC at
# 8 kHz), and a track may end within its last packet.
SHORT_BY_SECONDS = 0.15
LONGEST_FRAME = 1441  # bytes of the longest MP3 frame; a file may begin within one
_JOINED = "invalid concatenated file"  # warning: the file is several MP3 files, joined
_BARE = {"mp3", "aac", "ac3", "eac3", "dts"}  # formats without a container: nothing but frames
_END_THEMSELVES = {"opus", "amrnb", "amrwb"}  # codecs whose last packet, decoded, ends with the sound
_TAGS = (b"ID3", b"APETAGEX", b"RIFF")  # first bytes of tags that may precede the first frame


class AvSource:
    """The first audio track of a file, decoded once.

    An undecodable packet loses its own sound only: the time of the next frame shows the gap.

    Args:
        path: the file.
        reason: libsndfile's reason not to read it, for messages.

    Attributes:
        rate: samples per second, in Hz.
        channels: number of channels.
        seconds: stated length; 0 if none is stated.

    Raises:
        RecordingError: FFmpeg cannot read the file, or the file holds no sound, or only names other files.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self._path, self._container = path, Container(path, reason)
        container = self._container
        self.rate, self.channels, self._start = container.rate, container.channels, container.start
        self.seconds = float(container.end or 0)
        self._bare = container.name in _BARE
        self._shape: tuple[str, str, int] | None = None  # format, layout and rate of the previous frame
        lossless = container.track.codec_context.name == "wmalossless"
        self._wma = WmaClock(self._start, self.rate, lossless) if container.name == "asf" else None
        self._lost_until = self._skipped = 0  # samples; the latter at the begin, and in the stated length
        self._lost: list[tuple[int, str]] = []  # begin of each undecodable packet, in samples, and why

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32 in which each frame stands at its time; lost sound is NaN.

        Raises:
            RecordingError: the file is damaged (see `frames`), or its times are impossible.
        """
        held, count = list[FloatArray](), 0
        frames = without_padding(self.frames(), self._last_sample, round(SHORT_BY_SECONDS * self.rate))
        for piece in Timeline(str(self._path), self.rate, self._container.zero).place(frames):
            held.append(piece)
            count += len(piece)
            if count >= BLOCK_SECONDS * self.rate:
                yield np.concatenate(held)
                held, count = [], 0
        if held:
            yield np.concatenate(held)

    def _last_sample(self) -> int | None:
        """End of an MP4's sound, which it states to the sample, except for codecs whose packets say it themselves."""
        container = self._container
        if not container.name.startswith("mov") or container.track.codec_context.name in _END_THEMSELVES:
            return None
        if container.itunes_samples:
            return self._start + container.itunes_samples
        return round(container.end * self.rate) - self._skipped if container.end else None

    def frames(self) -> Iterator[Frame]:
        """Decoded frames, (n, channels) float32; an empty one marks undecodable packets at the begin or the end.

        Raises:
            RecordingError: the file is shorter than stated, or nothing tells how much sound is missing.
        """
        given, self._next = 0, self._start  # samples so far, and the time of a next frame without timestamp
        begin, end = None, 0
        with self._container.captured(), self._container.file:
            for packet in self._packets():
                for frame in self._decoded(packet, given):
                    begin = frame.time if begin is None else begin
                    self._next = end = frame.time + len(frame.samples)
                    given += len(frame.samples)
                    yield frame
            rest = self._lost_until - self._next
            if 0 < rest < SHORT_BY_SECONDS * self.rate and self._container.has_times:
                end = self._lost_until
                yield Frame(end, np.zeros((0, self.channels), np.float32))
        self._check(given, 0 if begin is None else begin, end)

    def _packets(self) -> Iterator[Any]:
        """Packets of the track, up to the first that cannot be read."""
        taken = 0  # bytes
        with contextlib.suppress(av.FFmpegError):
            for packet in self._container.file.demux(self._container.track):
                if not taken:
                    self._skipped = max(0, self._start - max(0, self._time(packet.pts, packet.time_base)))
                    taken = (packet.pos or 0) if self._bare else 0
                    self._check_begin(taken)
                taken += packet.size
                if not self._bare or not bytes(packet).startswith(_TAGS):
                    yield packet
        if self._container.name == "aac" and taken < _size_without_tag(self._path):
            self._lost.append((self._start, "bytes between its packets are none"))

    def _decoded(self, packet: Any, given: int) -> Iterator[Frame]:
        is_first = packet.pts == self._container.track.start_time
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
        if pauses := self._container.pauses:  # a chunk lasts one tick; half a tick is for rounding
            chunk = self._container.track.time_base * self.rate
            late = (empty for before, empty in reversed(pauses) if at >= (before - Fraction(1, 2)) * chunk)
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
        container = self._container
        stated = None if container.end is None else round(container.end * self.rate)
        zero = begin if container.zero is None else min(container.zero, begin)
        unseen = self._skipped + ((self._wma and self._wma.behind) or 0)
        if not given or (stated is not None and end + unseen < stated - SHORT_BY_SECONDS * self.rate):
            states = f"states {max(0, stated - zero) / self.rate:.3f} s of sound" if stated else "has an audio track"
            what = f"only {(end - zero) / self.rate:.3f} s" if given else "nothing"
            raise self._damaged(f"it {states}, but {what} of it could be read{self._complaint()}")
        counted = not container.has_times and not container.warned_of(_JOINED)
        inside = any(begin < end for begin, _ in self._lost)  # a packet cut off at the end loses nothing else
        if inside and counted and (stated is None or abs(end - stated) > SHORT_BY_SECONDS / 2 * self.rate):
            raise self._damaged(
                f"at {(self._lost[0][0] - zero) / self.rate:.3f} s a part cannot be decoded{self._complaint()}, and "
                "nothing in the file tells how much sound that was: what follows may have moved"
            )
        if container.warned_of("File ended prematurely") and stated is None and container.has_length:  # Matroska
            raise self._damaged(f"something is missing after {(end - zero) / self.rate:.3f} s{self._complaint()}")

    def _complaint(self) -> str:
        said = [*self._container.errors(), *(why for _, why in self._lost[-1:])]
        return f" ({shortened(said[0])})" if said else ""

    def _damaged(self, what: str) -> RecordingError:
        return RecordingError(
            f"{self._path} is damaged or truncated: {what}; copy it again, or accept what is there with: "
            f"ffmpeg -i {self._path.name} repaired.wav"
        )


def _size_without_tag(path: Path) -> int:
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
