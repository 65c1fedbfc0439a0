"""Pictures of recordings and their outputs."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from novaspeech.colours import COLOURS
from novaspeech.errors import RequestError
from novaspeech.formats.track import Track, Tracks
from novaspeech.saving import whole
from novaspeech.view.data import segment_rows
from novaspeech.view.drawing import (
    LONG,
    are_unit_vectors,
    draw_colours,
    draw_scores,
    draw_segments,
    draw_speaker_map,
    draw_spectrogram,
    draw_waveform,
    mark_times,
    write_names,
)
from novaspeech.view.sound import Sound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes

KINDS = ("png", "svg", "pdf")
_INCHES, _DOTS = 12.0, 120  # width of a picture, and dots in an inch


class Panel(NamedTuple):
    """A panel of a picture: inches of height, what fills an axis, and the track whose names stand on its segments."""

    height: float
    draw: Callable[[Axes], None]
    named: Track | None = None


def draw_picture(
    tracks: Tracks,
    picture: Path,
    *,
    span: tuple[float, float | None] = (0.0, None),
    thresholds: Mapping[str, float] | None = None,
) -> None:
    """Draws a recording's waveform, spectrogram and outputs, one under the other, on one time axis.

    Args:
        tracks: the recording's outputs; they are drawn alone if `audio` is None.
        span: begin and end in seconds; None is the recording's end.
        thresholds: id of an output of scores → its threshold.

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
    panels = _panels(tracks, start, end, thresholds or {})
    if not panels:
        raise RequestError(f"{tracks.name} has nothing to draw over time: each output stands for the whole recording")
    settings = {"font.size": 9, "axes.titlesize": 9, "axes.titlelocation": "left"}
    with mpl.rc_context({**settings, "svg.fonttype": "none", "pdf.fonttype": 42}):  # text stays text
        figure = _drawn(panels, (start, end), tracks.name)
        with whole(picture) as partial_file:
            figure.savefig(partial_file, dpi=_DOTS)


def _drawn(panels: list[Panel], span: tuple[float, float], title: str) -> Figure:
    heights = [panel.height for panel in panels]
    figure = Figure(figsize=(_INCHES, 0.8 + sum(heights)), layout="constrained", dpi=_DOTS)
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axis, panel in zip(axes, panels, strict=True):
        panel.draw(axis)
    axes[-1].set_xlim(*span)
    axes[-1].set_xlabel("time (min:s)")
    mark_times(axes[-1].xaxis, span[1] - span[0])
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # names are measured where the panels are now
    for axis, panel in zip(axes, panels, strict=True):
        if panel.named:
            shown, written = write_names(panel.named, axis)
            if written < shown:
                said = f"{written} of {shown} names have room; draw less of it with --from and --to"
                axis.set_title(said, fontsize=7, color="#666666", pad=2)
    return figure


def _panels(tracks: Tracks, start: float, end: float, thresholds: Mapping[str, float]) -> list[Panel]:
    panels: list[Panel] = []
    recording = tracks.recording
    if recording:
        if (start, end) != (0.0, recording.duration_ms / 1000):
            recording = recording.excerpt([(round(1000 * start), round(1000 * end))])
        sound = Sound.of(recording)
        panels += [
            Panel(0.8, partial(draw_waveform, sound, start)),
            Panel(1.1, partial(draw_spectrogram, sound, start)),
        ]
    smooth = end - start >= LONG
    for group in tracks.scores_by_range():
        curves = [(track.within(start, end), colour) for track, colour in zip(group, cycle(COLOURS))]
        for drawn in ([one] for one in curves) if smooth else [curves]:
            panels.append(Panel(1.1 if smooth else 1.9, partial(draw_scores, drawn, thresholds, smooth)))
    for track in (track.within(start, end) for track in tracks.of_kind("segments")):
        height = 0.35 + 0.25 * len(segment_rows(track)[0])
        named = None if track.classes else track  # rows of classes are labelled with their names
        panels.append(Panel(height, partial(draw_segments, track), named))
    for track in (track for track in tracks.of_kind("vectors") if len(track.values) > 1):
        if are_unit_vectors(track.values):
            panels.append(Panel(4.0, partial(draw_speaker_map, track)))
        else:
            panels.append(Panel(0.6, partial(draw_colours, track, start, end)))
    return panels
