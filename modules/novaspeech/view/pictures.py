"""Pictures of recordings and of what the modules made of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from novaspeech.audio.recording import Recording
from novaspeech.errors import RequestError
from novaspeech.formats.track import Track, Tracks
from novaspeech.server.saving import whole
from novaspeech.view.data import segment_rows
from novaspeech.view.drawing import (
    are_unit_vectors,
    draw_colours,
    draw_scores,
    draw_segments,
    draw_speaker_map,
    draw_spectrogram,
    draw_waveform,
    write_names,
)
from novaspeech.view.sound import Sound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes

    Panel = tuple[float, Callable[[Figure, Axes], None]]  # its height, and what draws it

KINDS = ("png", "svg", "pdf")
_INCHES, _DOTS = 12.0, 120  # a picture's width, and dots in an inch


def draw_picture(
    tracks: Tracks,
    picture: Path,
    *,
    span: tuple[float, float | None] = (0.0, None),
    thresholds: Mapping[str, float] | None = None,
    title: str | None = None,
) -> None:
    """Draws a recording's waveform, spectrogram and outputs, one under the other, on one time axis.

    Args:
        tracks: its outputs; without the recording (`audio` None) they are drawn alone.
        picture: the file to write; its ending says what it is, one of `KINDS`.
        span: from when to when, in seconds; None is the end.
        thresholds: id of an output of scores → from which on something is taken to be so.
        title: stands above; None is the recording's name.

    Raises:
        RequestError: an unknown ending, a span that holds nothing, or nothing to draw.
        RecordingError: the recording cannot be read.
        SavingError: the picture cannot be written.
    """
    if picture.suffix[1:].lower() not in KINDS:
        raise RequestError(f"{picture} must end with .{', .'.join(KINDS)}")
    start, end = span[0], min(span[1] or tracks.end, tracks.end)
    if not start < end:
        raise RequestError(f"there is nothing from {start:g} to {end:g} s; {tracks.name} has {tracks.end:g} s")
    panels, named = _panels(tracks, start, end, thresholds or {})
    if not panels:
        raise RequestError(f"{tracks.name} has nothing to draw over time: each output stands for the whole recording")
    settings = {"font.size": 9, "axes.titlesize": 9, "axes.titlelocation": "left"}
    with mpl.rc_context({**settings, "svg.fonttype": "none", "pdf.fonttype": 42}):  # text stays text
        figure = _drawn(panels, named, (start, end), tracks.name if title is None else title)
        with whole(picture) as partial_file:
            figure.savefig(partial_file, dpi=_DOTS)


def _drawn(
    panels: list[Panel], named: Mapping[Callable[[Figure, Axes], None], Track], span: tuple[float, float], title: str
) -> Figure:
    heights = [height for height, _ in panels]
    figure = Figure(figsize=(_INCHES, 0.8 + sum(heights)), layout="constrained", dpi=_DOTS)
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (_, draw) in zip(axes, panels, strict=True):
        draw(figure, axis)
    axes[-1].set_xlim(*span)
    axes[-1].set_xlabel("time (min:s)")
    axes[-1].xaxis.set_major_locator(MultipleLocator(_tick_seconds(span[1] - span[0])))
    axes[-1].xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: format_time(seconds)))
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # names are measured where the panels are now
    for axis, (_, draw) in zip(axes, panels, strict=True):
        if draw in named:
            shown, written = write_names(named[draw], figure, axis)
            if written < shown:
                said = f"{written} of {shown} names have room; draw less of it with --from and --to"
                axis.set_title(said, fontsize=7, color="#666666", loc="right", pad=2)
    return figure


def _panels(
    tracks: Tracks, start: float, end: float, thresholds: Mapping[str, float]
) -> tuple[list[Panel], dict[Callable[[Figure, Axes], None], Track]]:
    """Height in inches of each panel and what draws it; and those whose segments get names."""
    panels: list[Panel] = []
    if tracks.audio:
        recording = Recording.open(tracks.audio)
        if (start, end) != (0.0, recording.duration_ms / 1000):
            recording = recording.excerpt([(round(1000 * start), round(1000 * end))])
        sound = Sound.of(recording)
        panels += [
            (0.8, lambda figure, axis: draw_waveform(sound, start, axis)),
            (1.1, lambda figure, axis: draw_spectrogram(sound, start, axis)),
        ]
    ranges: dict[tuple[float, float], list[Track]] = {}
    for track in (track.within(start, end) for track in tracks.of_kind("scores")):
        ranges.setdefault((track.low, track.high), []).append(track)
    for group in ranges.values():
        panels.append((1.9, lambda figure, axis, group=group: draw_scores(group, thresholds, axis)))  # type: ignore[misc]
    named: dict[Callable[[Figure, Axes], None], Track] = {}
    for track in (track.within(start, end) for track in tracks.of_kind("segments")):
        draw, labels = partial(_segments, track), segment_rows(track)[0]
        panels.append((0.35 + 0.25 * len(labels), draw))
        if not track.classes:  # whose rows have their names
            named[draw] = track
    for track in tracks.of_kind("vectors"):
        if len(track.values) > 1:
            speakers = are_unit_vectors(track.values)
            panels.append(
                (4.0, partial(draw_speaker_map, track)) if speakers else (0.6, partial(_colours, track, start, end))
            )
    return panels, named


def _segments(track: Track, figure: Figure, axis: Axes) -> None:
    draw_segments(track, axis)


def _colours(track: Track, start: float, end: float, figure: Figure, axis: Axes) -> None:
    draw_colours(track, start, end, axis)


def format_time(seconds: float) -> str:
    """Minutes and seconds, with decimals only where they are not zero: 75.5 → "1:15.5"."""
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{minutes:.0f}:{rest:06.3f}".rstrip("0").rstrip(".") if rest % 1 else f"{minutes:.0f}:{rest:02.0f}"


def _tick_seconds(duration: float) -> float:
    """The step of a time axis: one that a clock has, for 12 ticks at the most."""
    steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    return next((step for step in steps if duration <= 12 * step), 3600 * -(-duration // (12 * 3600)))
