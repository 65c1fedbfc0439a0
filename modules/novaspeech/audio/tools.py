"""ffmpeg and ffprobe: where they are, and what ffmpeg says of a file."""

from __future__ import annotations

import importlib
import re
import shutil
from typing import Any

_INPUT = re.compile(r"^Input #0, (?P<name>\S+), from ", re.MULTILINE)
_TIMES = re.compile(r"^ {2}Duration: (?P<duration>\S+?), (?:start: (?P<start>-?[\d.]+), )?", re.MULTILINE)
_STREAM = re.compile(r"^ {2}Stream #0:(?P<index>\d+)\S*: (?P<type>\w+): (?P<codec>\w+)(?P<more>.*)$", re.MULTILINE)
_RATE = re.compile(r", (\d+) Hz, ([^,]+)")
_TAG = re.compile(r"^ {6}DURATION +: (\S+)", re.MULTILINE)
_LAYOUTS = {"mono": 1, "stereo": 2, "downmix": 2, "quad": 4, "hexagonal": 6, "octagonal": 8}


def find_ffmpeg() -> str | None:
    """The program ffmpeg: the system's, else that of the package imageio-ffmpeg, which the servers bring along."""
    found = shutil.which("ffmpeg")
    if found is None:
        try:
            found = str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
        except (ImportError, RuntimeError):  # not there; there, without a program for this system
            return None
    return found


def find_ffprobe() -> str | None:
    """The program ffprobe; imageio-ffmpeg has none."""
    return shutil.which("ffprobe")


def read_description(said: str) -> dict[str, Any]:
    """What ffmpeg prints of a file, in the form in which ffprobe answers; an empty answer if it found nothing.

    It says less: neither when each track starts, but only when the first does, nor how many packets there are.
    """
    known = _INPUT.search(said)
    if not known:
        return {}
    times = _TIMES.search(said)
    answer: dict[str, Any] = {"format": {"format_name": known["name"]}, "streams": []}
    if times and (duration := clock_seconds(times["duration"])) is not None:
        answer["format"]["duration"] = str(duration)
    parts = list(_STREAM.finditer(said))
    for number, part in enumerate(parts):
        stream: dict[str, Any] = {
            "index": int(part["index"]), "codec_type": part["type"].lower(), "codec_name": part["codec"],
            "disposition": {"attached_pic": int("(attached pic)" in part["more"])},
        }  # fmt: skip
        if found := _RATE.search(part["more"]):
            stream |= {"sample_rate": found[1], "channels": _channels(found[2])}
        elif times and times["start"] and stream["codec_type"] in ("audio", "video"):
            stream["start_time"] = times["start"]
        end = parts[number + 1].start() if number + 1 < len(parts) else len(said)
        if tag := _TAG.search(said, part.end(), end):
            stream["tags"] = {"DURATION": tag[1]}
        answer["streams"].append(stream)
    tracks = [stream for stream in answer["streams"] if not stream["disposition"]["attached_pic"]]
    if len(tracks) == 1 and "duration" in answer["format"] and "tags" not in tracks[0]:
        tracks[0]["duration"] = answer["format"]["duration"]  # of several it is the longest one's
    return answer


def _channels(layout: str) -> int:
    """Number of channels of a layout as ffmpeg names it: "stereo", "5.1(side)", "6 channels"."""
    layout = layout.strip()
    if found := re.match(r"(\d+) channels", layout):
        return int(found[1])
    if found := re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", layout):
        return sum(int(part) for part in found.groups() if part)
    return _LAYOUTS.get(layout.partition("(")[0].strip(), 0)


def clock_seconds(text: str) -> float | None:
    """Seconds of a time as ffmpeg writes it, 01:02:03.45; None if it is none."""
    found = re.fullmatch(r"(\d+):(\d+):([\d.]+)", text)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None
