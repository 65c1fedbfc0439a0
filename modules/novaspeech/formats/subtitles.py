"""Subtitles, SubRip and WebVTT, by pysubs2: a cue for each segment."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from pysubs2 import SSAEvent, SSAFile

from novaspeech.formats.track import Track, Tracks


def write_srt(tracks: Tracks, group: Sequence[Track], file: Path) -> None:
    """Writes a track of segments as SubRip, which has no escapes: names stand in it as they are."""
    _write(group[0], [segment.name for segment in group[0].segments], file)


def write_vtt(tracks: Tracks, group: Sequence[Track], file: Path) -> None:
    """Writes a track of segments as WebVTT, names escaped: text in angle brackets would be taken for a tag."""
    _write(group[0], [html.escape(segment.name, quote=False) for segment in group[0].segments], file)


def _write(track: Track, texts: list[str], file: Path) -> None:
    """Writes a cue for each segment, in the format of the file's ending."""
    subtitles, segments = SSAFile(), zip(track.segments, texts, strict=True)
    subtitles.events = [SSAEvent(segment.start_ms, segment.end_ms, text) for segment, text in segments]
    subtitles.save(str(file), keep_ssa_tags=True)  # text in braces is a tag to pysubs2 else
