"""What a file says of its sound, by ffprobe."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novaspeech.audio import avi, ogg
from novaspeech.audio.damage import GUESSES, JOINED, check_container, check_rate
from novaspeech.audio.tools import clock_seconds, find_ffmpeg, find_ffprobe, read_description
from novaspeech.errors import RecordingError, shortened

PROBE_SECONDS = 60.0
# Nothing but files is opened: no address on the network, no device.
ONLY_FILES = ("-protocol_whitelist", "file,pipe")
# What names other files or addresses instead of holding sound.
LISTS = {b"#EXTM3U": "an m3u8 playlist", b"ffconcat version": "an ffconcat list", b"<MPD": "a DASH manifest"}
LIST_FORMATS = {"hls", "applehttp", "concat", "dash", "imf", "sdp", "rtsp", "avisynth", "vapoursynth"}
NOTES = {"libopenmpt", "libgme", "sbg"}  # notes to be played: libopenmpt takes many a damaged recording for a song
UNKNOWN_FRAMES = 1 << 30  # what ffmpeg writes into an AVI that goes to a pipe
# Containers with timestamps of their own, or with a table of packets. In others ffmpeg counts what it finds.
TIMED = {"mov", "matroska", "mpegts", "mpeg", "asf", "nut", "flv", "live_flv", "ogg", "wtv", "mxf", "avi", "rm"}


@dataclass(frozen=True)
class Probe:
    """What a file says of its first audio track.

    Attributes:
        rate: samples per second, in Hz.
        channels: how many.
        container: ffmpeg's name of it.
        plain: whether its samples are not compressed.
        timed: whether its timestamps are its own.
        begin: when it starts, in samples.
        start: when the earliest other track starts, in samples; None without one.
        pauses: of an AVI, that ffmpeg does not count: from which timestamp on, and how much in all until then.
        end: when it ends, in samples, if that is stated to the sample.
        length: samples that it lasts at the least, if that is stated; of some files this includes the lateness.
        ends: whether there is a proper end, without which the file was cut off; a recorder's stream may have none.
    """

    rate: int
    channels: int
    container: str
    plain: bool
    timed: bool
    begin: int
    start: int | None
    pauses: tuple[tuple[int, int], ...]
    end: int | None
    length: int | None
    ends: bool

    def late(self, timestamp: int) -> int:
        """By how much the sound with ffmpeg's `timestamp` is later, all in samples."""
        return next((late for begin, late in reversed(self.pauses) if timestamp >= begin), 0)

    @property
    def is_mp4(self) -> bool:
        """Whether it states its length to the sample."""
        return self.end is not None


def probe(path: Path, reason: str) -> Probe:
    """Asks ffprobe, or where there is none ffmpeg. `reason`: why libsndfile does not read the file.

    Raises:
        RecordingError: ffmpeg is not installed, or the file is no audio, or a list of other files.
    """
    if find_ffmpeg() is None:
        raise RecordingError(
            f"{path} needs ffmpeg, which is not installed; install it, or pip install imageio-ffmpeg (libsndfile: "
            f"{shortened(reason)})"
        )
    _refuse_lists(path)
    found, warnings = _ask(path)
    container = str(found.get("format", {}).get("format_name", ""))
    if set(container.split(",")) & LIST_FORMATS:
        raise _is_list(path, f"a list ({container})")
    streams = found.get("streams", [])
    tracks = [] if container in NOTES else [stream for stream in streams if stream.get("codec_type") == "audio"]
    audio = next(iter(tracks), None)
    rate, channels = (int((audio or {}).get(key) or 0) for key in ("sample_rate", "channels"))
    if not rate or not channels or audio is None:
        detail = "no rate or channels" if audio else "" if streams else warnings.split(": ")[-1]
        raise RecordingError(
            f"{path} is not audio that libsndfile or ffmpeg can read ({shortened(detail) or 'no audio track'}; "
            f"libsndfile: {shortened(reason)}); give a WAV, FLAC, MP3, M4A or MP4 file that a player plays"
        )
    check_rate(path, rate)
    return _stated(path, found, audio, rate, channels, warnings)


def _stated(path: Path, found: dict[str, Any], audio: dict[str, Any], rate: int, channels: int, warnings: str) -> Probe:
    """What ffprobe `found` of `path`, in samples."""
    container, streams = str(found["format"]["format_name"]), found["streams"]
    start, seconds = _earliest(streams, audio), _seconds(audio)
    if container == "ogg" and len(streams) == 1 and (samples := ogg.last_time(path)):
        # ffprobe looks for the last page that is whole. Opus counts at 48 kHz, which is then the rate, too.
        seconds = samples / rate - float(audio.get("start_time") or 0)
    guessed = GUESSES in warnings or container == "aac"
    if container in ("avi", "caf") and 0 < int(audio.get("nb_frames") or 0) < UNKNOWN_FRAMES:
        # ffprobe believes the file's size more than its header; what is cut off then has a shorter length, too.
        ticks, per_second = map(int, audio["time_base"].split("/"))
        seconds, guessed = int(audio["nb_frames"]) * ticks / per_second, False
    if container == "avi" and "time_base" not in audio:
        raise RecordingError(f"{path} is an AVI, for which ffprobe is needed; install ffmpeg, of which it is a part")
    chunks = avi.chunks(path, audio["index"]) if container == "avi" else None
    check_container(path, container, rate, warnings, chunks)
    first, table = float(audio.get("start_time") or 0), container.startswith("mov") and "nb_frames" in audio
    if container == "asf":  # its codec gives nothing for the first packets
        start = first = first if start is None else start
    return Probe(
        rate,
        channels,
        container,
        plain=str(audio.get("codec_name")).startswith("pcm_"),
        timed=bool(set(container.split(",")) & TIMED) or JOINED in warnings,
        begin=round(max(first, 0) * rate),
        start=None if start is None else round(start * rate),
        pauses=_pauses(chunks, audio, rate) if chunks else (),
        end=round((first + seconds) * rate) if seconds and table else None,
        length=round(seconds * rate) if seconds and not guessed else None,
        ends=container.startswith("matroska") and "duration" in found["format"],
    )


def _ask(path: Path) -> tuple[dict[str, Any], str]:
    """What ffprobe answers and the last lines of what it warns of; an empty answer if it fails."""
    ffprobe, ffmpeg = find_ffprobe(), find_ffmpeg()
    entries = "stream=index,codec_type,codec_name,sample_rate,channels,duration,start_time,time_base,nb_frames"
    entries += ":stream_tags=DURATION:stream_disposition=attached_pic:format=format_name,duration"
    command = [str(ffprobe), "-v", "warning", *ONLY_FILES, "-show_entries", entries, "-of", "json", "-i"]
    if ffprobe is None:
        command = [str(ffmpeg), "-hide_banner", "-nostdin", *ONLY_FILES, "-i"]
    # "file:" keeps ffmpeg from reading a colon in the name as a protocol.
    try:
        answer = subprocess.run(
            [*command, f"file:{path}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise RecordingError(
            f"ffprobe could not tell within {PROBE_SECONDS:.0f} s what {path} holds; copy the file to a disk of this "
            "machine, or convert it to WAV"
        ) from None
    warnings = answer.stderr.decode("utf-8", "replace").strip()
    if ffprobe is None:
        return read_description(warnings), warnings
    try:
        found = json.loads(answer.stdout)
    except ValueError:  # ffprobe stopped in the middle of its answer
        found = {}
    return found if isinstance(found, dict) else {}, warnings


def _refuse_lists(path: Path) -> None:
    """Refuses a file that names others, before ffprobe opens those."""
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    for mark, what in LISTS.items():
        if head.startswith(mark) or (mark.startswith(b"<") and head.startswith(b"<") and mark in head):
            raise _is_list(path, what)


def _is_list(path: Path, what: str) -> RecordingError:
    return RecordingError(f"{path} is {what}, which only names other files; give the path of one audio file")


def _earliest(streams: list[dict[str, Any]], audio: dict[str, Any]) -> float | None:
    """When the first of the tracks that a player shows starts, but for `audio`, in seconds. Covers are no tracks."""
    starts = [
        float(stream["start_time"])
        for stream in streams
        if stream is not audio
        and stream.get("codec_type") in ("audio", "video")
        and not stream.get("disposition", {}).get("attached_pic")
        and re.fullmatch(r"-?[\d.]+", stream.get("start_time", ""))
    ]
    return min(starts, default=None)


def _pauses(chunks: avi.Chunks, audio: dict[str, Any], rate: int) -> tuple[tuple[int, int], ...]:
    """As in `Probe`. Each chunk lasts one tick of the track's clock."""
    ticks, per_second = map(int, audio["time_base"].split("/"))
    if ticks * rate <= per_second:  # chunks of PCM are counted by their bytes
        return ()
    # A timestamp may be off by rounding: half a chunk earlier is safe.
    tick = ticks * rate / per_second
    return tuple((round((before - 0.5) * tick), round(empty * tick)) for before, empty in chunks.pauses)


def _seconds(audio: dict[str, Any]) -> float | None:
    """How long a track says that it is, in seconds: Matroska says so in a tag."""
    if "duration" in audio:
        return float(audio["duration"])
    return clock_seconds(str(audio.get("tags", {}).get("DURATION", "")))
