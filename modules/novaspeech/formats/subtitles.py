"""Subtitles, SubRip and WebVTT, by pysubs2: a cue for each segment."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

from pysubs2 import SSAEvent, SSAFile

from novaspeech.formats.text import text_of, unreadable
from novaspeech.formats.tiers import Labelled
from novaspeech.formats.track import Track, Tracks

# Of WebVTT: notes and styles, which end with a blank line, and times within a cue. pysubs2 would take them for text.
_NO_TEXT = re.compile(r"(?m)^(NOTE|STYLE|REGION)\b.*\n(.+\n?)*|<\d+:[\d:.]+>")


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


def read_subtitles(file: Path, *, foreign: bool = True) -> list[Labelled]:
    """Cues of an .srt or .vtt file, in the order of time, without markup.

    Args:
        foreign: whether in SubRip, which has no escapes, "<unk>" and "&amp;" are markup, and not names that we wrote.

    Raises:
        RequestError: it cannot be read.
    """
    form, text = file.suffix.lower()[1:], text_of(file).replace("\r\n", "\n")
    marked = foreign or form == "vtt"
    if marked:
        text = _NO_TEXT.sub("", text)
    try:
        found = SSAFile.from_string(text, form, keep_unknown_html_tags=not marked)
    except Exception as error:  # pysubs2 lets any through
        raise unreadable(file, "subtitles", error) from error
    return [
        Labelled(event.start / 1000, event.end / 1000, _text(event.text, escaped=marked))
        for event in sorted(found, key=lambda event: (event.start, event.end))
    ]


def _text(text: str, *, escaped: bool) -> str:
    """Text of a cue, without the marks that pysubs2 makes of markup."""
    plain = re.sub(r"\{\\[^}]*\}", "", text).replace(r"\N", "\n")
    return html.unescape(plain) if escaped else plain
