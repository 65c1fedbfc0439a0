"""A recording that ffmpeg reads: its sound, each piece in its place."""

from __future__ import annotations

import queue
import re
import subprocess
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import numpy as np

from novaspeech.arrays import FloatArray
from novaspeech.audio.header import samples_stated
from novaspeech.audio.probe import ONLY_FILES, probe
from novaspeech.audio.sources import BLOCK_SECONDS
from novaspeech.audio.timeline import TOLERANCE_SECONDS, Frame, Timeline
from novaspeech.audio.tools import find_ffmpeg
from novaspeech.errors import RecordingError, shortened

SILENT_SECONDS = 120.0  # that ffmpeg may take for the next piece of sound
# The longest packet of a common codec is 128 ms (AAC at 8 kHz), and a track may end in the middle of its last.
SHORT_BY_SECONDS = 0.15
# An MP3 states its padding, too: 1105 samples of delay before the sound, and up to 1199 after it.
MP3_PADDING = 2304
FRAME = re.compile(rb"0, +-?\d+, +(-?\d+), +\d+, +(\d+), 0x[0-9a-f]{8}[^\n]*\n")


class FfmpegSource:
    """The first audio track of a file that ffmpeg reads.

    A track that starts later than its file (a camera that was switched on before its microphone) is padded at
    the front, so that times are those of a player. Sound that is lost is NaN.

    Raises:
        RecordingError: ffmpeg cannot read it, or finds less in it than the file states.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self._path = path
        self._probe = found = probe(path, reason)
        self.rate = found.rate
        self._most: int | None = None
        if found.is_mp4:
            assert found.end is not None
            with closing(self._frames(sound=False)) as frames:
                first = next(frames, None)
            if first is None:
                raise self._short(0, found.end)
            begin = first.time if found.start is None else min(first.time, found.start)
            self.samples = self._most = max(0, found.end - begin)
        else:
            # Only MP4 states the length of its sound to the sample; of the others some guess it.
            with closing(self._frames(sound=False)) as frames:
                self.samples = sum(len(piece) for piece in self._timeline().place(frames))
            self._check_counted()
            self._most = self.samples

    def blocks(self) -> Iterator[FloatArray]:
        """Consecutive pieces (n, channels) float32, `samples` at the most: a codec's last packet is longer.

        Raises:
            RecordingError: less could be read than the file states, or what could be read has no place.
        """
        found, given, held_samples = self._probe, 0, 0
        held: list[FloatArray] = []
        with closing(self._frames()) as frames:
            for piece in self._timeline().place(frames):
                held.append(piece if self._most is None else piece[: self._most - given])
                given += len(held[-1])
                held_samples += len(held[-1])
                if held_samples >= BLOCK_SECONDS * self.rate:
                    yield np.concatenate(held)
                    held, held_samples = [], 0
                if given == self._most:
                    break
        if held:
            yield np.concatenate(held)
        lost = 0 if self._most is None else self._most - given
        if lost > (SHORT_BY_SECONDS * self.rate if found.is_mp4 else 0):
            raise self._short(given, given + lost)
        if lost > TOLERANCE_SECONDS * self.rate:
            yield np.full((lost, found.channels), np.nan, np.float32)

    def _check_counted(self) -> None:
        """Holds what was counted against what the file states, if it does."""
        found = self._probe
        tolerance = MP3_PADDING if found.container == "mp3" else SHORT_BY_SECONDS * self.rate
        if not self.samples:
            raise self._short(0, found.length or 0)
        if found.length is not None and self.samples < found.length - tolerance:
            raise self._short(self.samples, found.length)
        samples_stated(self._path, found.container.upper(), self.samples, found.plain)
        if found.ends and self._ends_badly:
            raise RecordingError(
                f"{self._path} is damaged or truncated: something is missing after {self.samples / self.rate:.3f} s "
                f"({shortened(self._complaint)}); copy it again, or accept what is there with: "
                f"ffmpeg -i {self._path.name} repaired.wav"
            )

    def _short(self, given: int, stated: int) -> RecordingError:
        states = f"states {stated / self.rate:.3f} s of sound, but " if stated else "has an audio track, but "
        what = f"only {given / self.rate:.3f} s" if given else "nothing"
        complaint = f" ({shortened(self._complaint)})" if self._complaint else ""
        return RecordingError(
            f"{self._path} is damaged or truncated: it {states}{what} of it could be read{complaint}; copy it again"
        )

    def _timeline(self) -> Timeline:
        return Timeline(str(self._path), self.rate, self._probe.start, self._probe.timed)

    def _frames(self, sound: bool = True) -> Generator[Frame, None, None]:
        """What ffmpeg decodes, with its timestamps; zeros in the place of the `sound` if that is not wanted."""
        # Two outputs: a line with time and size of each frame, then its samples. What ffmpeg complains of is between
        # the lines. -copyts: else ffmpeg sets the first timestamp of the sound, not of the file, to 0.
        shape = ["-map", "0:a:0", "-c:a", "pcm_f32le", "-ar", str(self.rate), "-ac", str(self._probe.channels)]
        command = [str(find_ffmpeg()), "-nostdin", "-v", "error", *ONLY_FILES, "-copyts", "-i", f"file:{self._path}"]
        command += [*shape, "-flush_packets", "1", "-f", "framecrc", "pipe:2"]
        if sound:
            command += [*shape, "-flush_packets", "1", "-f", "f32le", "pipe:1"]
        lines: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()
        self._complaint, self._ends_badly, first = "", False, True
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            reader = threading.Thread(target=self._read_lines, args=(process.stderr, lines), daemon=True)
            reader.start()
            try:
                while (line := self._next(lines)) is not None:
                    raw = process.stdout.read(line[1]) if sound else bytes(line[1])
                    if len(raw) < line[1]:
                        break
                    samples = np.frombuffer(raw, "<f4").reshape(-1, self._probe.channels)
                    if first and self._complaint and line[0] > self._probe.begin:
                        yield Frame(self._probe.begin, samples[:0])  # what comes before the first frame is lost
                    first = False
                    yield Frame(line[0] + self._probe.late(line[0]), samples)
                if process.wait(SILENT_SECONDS) < 0:
                    raise RecordingError(f"ffmpeg was killed while it read {self._path}; is there too little memory?")
            finally:
                process.kill()
                reader.join()

    def _read_lines(self, errors: IO[bytes], lines: queue.SimpleQueue[tuple[int, int] | None]) -> None:
        """Sorts what ffmpeg prints into `lines` (time in samples, bytes), None at the end, and the last complaint."""
        for line in errors:
            if found := FRAME.search(line):
                lines.put((int(found[1]), int(found[2])))
                self._ends_badly = False
            elif not line.startswith((b"#", b"    Last message repeated")) and line.strip():
                self._complaint = line.decode("utf-8", "replace").strip()
                self._ends_badly = True
        lines.put(None)

    def _next(self, lines: queue.SimpleQueue[tuple[int, int] | None]) -> tuple[int, int] | None:
        try:
            return lines.get(timeout=SILENT_SECONDS)
        except queue.Empty:
            raise RecordingError(
                f"ffmpeg read nothing from {self._path} for {SILENT_SECONDS:.0f} s and was stopped; copy the file to a "
                "disk of this machine, or convert it to WAV"
            ) from None
