"""Subtitles, SubRip and WebVTT, by webvtt-py: a cue for each segment."""

from __future__ import annotations

import html
import io
from pathlib import Path

from novaspeech.errors import require
from novaspeech.formats.track import Track, Tracks


def write_srt(tracks: Tracks, track: Track, file: Path) -> None:
    """Writes a track of segments as SubRip, which has no escapes: names stand in it as they are."""
    file.write_text(html.unescape(_written(track, "srt")) + "\n", encoding="utf-8")


def write_vtt(tracks: Tracks, track: Track, file: Path) -> None:
    """Writes a track of segments as WebVTT."""
    file.write_text(_written(track, "vtt"), encoding="utf-8")


def _written(track: Track, form: str) -> str:
    """Subtitles with escaped names: text in angle brackets would be taken for a tag."""
    with require("subtitles need webvtt-py", "novaspeech[formats]"):
        from webvtt import Caption, WebVTT
    cues, written = WebVTT(), io.StringIO()
    for segment in track.segments:
        text = html.escape(segment.name, quote=False)
        cues.captions.append(Caption(_stamp(segment.start_ms), _stamp(segment.end_ms), text))
    cues.write(written, form)
    return written.getvalue()


def _stamp(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest / 1000:06.3f}"
