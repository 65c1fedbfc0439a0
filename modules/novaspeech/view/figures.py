"""The panels of a page, as Bokeh draws them: one under the other, on one time axis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from bokeh.core.properties import value
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    CustomJSTickFormatter,
    FixedTicker,
    LassoSelectTool,
    PanTool,
    Range1d,
    RangeTool,
    ResetTool,
    Span,
    WheelZoomTool,
)
from bokeh.plotting import figure

from novaspeech.colours import COLOURS
from novaspeech.formats.track import Track, Tracks
from novaspeech.view.data import components, curve, gaps, map_points, packed, segment_rows, tiles
from novaspeech.view.marks import clock_ticks, hover, named
from novaspeech.view.sound import RATE, Sound

_LEFT, _RIGHT = 150, 12  # pixels beside each panel, so that all lie under each other; the script writes names left
_CLEAR: dict[str, Any] = {  # until the script paints it, light or dark: white would shine through at the edges
    "background_fill_color": None, "border_fill_color": None, "border_line_color": None,
}  # fmt: skip
_FIRST_SECONDS = 60.0  # seconds of a longer recording that are shown at first
_BEFORE = 5.0  # seconds before the first hit that are shown


class Panels:
    """A recording's panels on the time axis, maps with axes of their own, and data for the page's script by kind.

    Args:
        duration: of the recording, in seconds.
        first: begin of the first hit, in seconds; a long recording is opened there.
    """

    def __init__(self, duration: float, first: float = 0.0) -> None:
        self.time: list[Any] = []
        self.maps: list[Any] = []
        self.explained: list[str] = []  # what the legend explains
        shown = min(duration, _FIRST_SECONDS)
        start = max(0.0, min(first - _BEFORE, duration - shown))
        self.data: dict[str, Any] = {
            "panels": [], "curves": [], "segments": [], "maps": [], "duration": duration,
            "first": first if duration > shown else 0.0,
        }  # fmt: skip
        self.range = Range1d(start, start + shown, bounds=(0, duration), min_interval=0.02, name="time")

    def add_sound(self, sound: Sound) -> None:
        """Adds the waveform of the whole recording, and waveform and spectrogram of the part in view."""
        self.data["wave"] = {"step": sound.step, "low": packed(sound.low), "high": packed(sound.high)}
        whole = self._panel("whole recording", 52, (-127, 127), shared=False)
        window = RangeTool(x_range=self.range, start_gesture="pan")
        window.overlay.fill_alpha = 0.25
        whole.add_tools(window)
        self._wave(whole, "whole")
        self._wave(self._panel("waveform", 64, (-127, 127)), "wave")
        spectrogram = self._panel("spectrogram", 104, (0, RATE / 2), [named("kHz")])
        spectrogram.yaxis.visible = True
        spectrogram.yaxis.ticker = FixedTicker(ticks=[0, 2000, 4000, 6000, 8000])
        spectrogram.yaxis.formatter = CustomJSTickFormatter(code="return tick / 1000")
        place = {"x": "x", "y": RATE / 2, "w": "w", "h": RATE / 2, "anchor": "top_left"}
        spectrogram.image_url("url", source=ColumnDataSource(tiles(sound)), **place)
        self.explained.append("levels")

    def add_scores(self, tracks: Sequence[Track], thresholds: dict[str, float]) -> None:
        """Adds scores of one range as curves, with their gaps, and the thresholds of outputs that have one."""
        low, high = tracks[0].low, tracks[0].high
        margin = (high - low) / 40
        panel = self._panel(", ".join(track.id for track in tracks), 128, (low - margin, high + margin), [])
        panel.yaxis.visible = True
        missing = [gap for track in tracks for gap in gaps(track)]
        panel.vstrip(
            x0=[begin for begin, _ in missing], x1=[end for _, end in missing], fill_color="#999999", fill_alpha=0.15,
            hatch_pattern="/", hatch_color="#999999", hatch_alpha=0.6, line_color=None, name="gap",
        )  # fmt: skip
        names = self.data["panels"][-1]["names"]
        for track, colour in zip(tracks, cycle(COLOURS)):
            lines = self._curve(panel, track.id, curve(track.values, track.times, low, high), colour)
            names.append(named(track.id, None, colour, lines))
            if track.id in thresholds:
                at = thresholds[track.id]
                span = Span(location=at, dimension="width", line_dash="dashed", line_color=colour)
                panel.add_layout(span)
                names.append(named(f"threshold {at:.3g}", f"threshold of {track.id}", colour, [span.id], dashed=True))
        self.explained.append("band")
        self.explained += ["threshold"] * (not thresholds.keys().isdisjoint(track.id for track in tracks))
        self.explained += ["gap"] * bool(missing)

    def add_segments(self, track: Track) -> None:
        """Adds segments as boxes, with their names as far as they have room."""
        labels, columns = segment_rows(track)
        count = max(1, len(labels))
        counts = Counter(columns["row"])
        names = [named(f"{label} ({counts[row]})" * bool(label.strip()), label) for row, label in enumerate(labels)]
        panel = self._panel(track.id, 10 + 22 * count, (count - 0.4, -0.6), names)
        self.data["panels"][-1]["rows"] = True
        panel.ygrid.visible = False
        fields = ("left", "right", "bottom", "top", "colour", "alpha", "edge", "name", "confidence", "label", "at")
        source = ColumnDataSource({name: [] for name in fields})
        boxes = panel.quad(
            "left", "right", "top", "bottom", source=source, color="colour", fill_alpha="alpha", line_alpha="edge"
        )
        font = {"text_font": value("helvetica, arial, sans-serif"), "text_font_size": "12px"}
        look = {"text_baseline": "top", "x_offset": 3, "y_offset": 2, **font}
        panel.text("at", "bottom", "label", source=source, name="label", **look)
        times = [("from", "@left{custom}"), ("to", "@right{custom}")]
        tooltips = [("", "@name"), *times, ("confidence", "@confidence{0.00}")]
        panel.add_tools(hover([boxes], tooltips, "@left", "@right"))
        self.data["segments"].append({"id": track.id, "source": source.id, "panel": panel.id, **columns})
        self.explained.append("confidence")

    def add_vectors(self, track: Track, *, folded: bool) -> None:
        """Adds the first three principal components as curves, and the first two as a map, which may be folded."""
        projected, shares = components(track)
        if not shares:
            return
        panel = self._panel(f"{track.id}: components", 112, (-1.02, 1.02), [])
        panel.visible, names = not folded, self.data["panels"][-1]["names"]
        marks = ColumnDataSource({"left": [], "right": []})
        panel.vstrip("left", "right", source=marks, color=COLOURS[4], alpha=0.35)
        largest = float(abs(projected[:, 0]).max(initial=1e-9, where=projected[:, 0] == projected[:, 0]))
        for number, share in enumerate(shares):
            numbers = curve(projected[:, number] / largest, track.times, -1, 1)
            lines = self._curve(panel, f"component {number + 1}", numbers, COLOURS[number])
            title = f"component {number + 1}, {share:.0%} of the variance"
            names.append(named(f"{number + 1} ({share:.0%})", title, COLOURS[number], lines))
        points, half = map_points(projected, track.times)
        count = len(points["x"])
        source = ColumnDataSource({**points, "colour": ["#888888"] * count, "alpha": [0.8] * count})
        drawn = figure(
            height=480, width=760, tools=[PanTool(), WheelZoomTool(modifiers="ctrl"), ResetTool()],
            toolbar_location="right", match_aspect=True, min_border_left=_LEFT, min_border_right=_RIGHT,
            **_CLEAR,
            title=f"{track.id}: each dot is a moment; near means similar ({sum(shares[:2]):.0%} of the variance)",
        )  # fmt: skip
        drawn.add_tools(BoxSelectTool(), LassoSelectTool())
        dots = drawn.scatter("x", "y", source=source, size=6, color="colour", alpha="alpha", line_color=None)
        now = ColumnDataSource({"x": [], "y": []})
        drawn.scatter("x", "y", source=now, size=14, fill_color=None, line_width=3, line_color=COLOURS[1])
        drawn.add_tools(hover([dots], [("at", "@t{custom}")], "@t"))
        drawn.xaxis.axis_label, drawn.yaxis.axis_label = "component 1", "component 2"
        self.maps.append(drawn)
        self.data["maps"].append(
            {"id": track.id, "source": source.id, "now": now.id, "marks": marks.id, "panel": drawn.id, "half": half}
        )

    def add_axis(self) -> None:
        """Adds the time axis, under all panels."""
        axis = self._figure("axis", 22, self.range, Range1d(0, 1))
        axis.outline_line_alpha = 0
        axis.grid.visible = False
        axis.line([], [])  # Bokeh warns of figures without any
        self.time.append(axis)

    def _panel(
        self,
        name: str,
        height: int,
        y_range: tuple[float, float],
        names: list[dict[str, Any]] | None = None,
        *,
        shared: bool = True,
    ) -> Any:
        """A panel with names on its left: its own, or those of its curves or rows."""
        times = self.range if shared else Range1d(0, self.data["duration"])
        panel = self._figure("panel" if shared else "overview", height, times, Range1d(*y_range))
        if shared:
            panel.add_tools(PanTool(dimensions="width"), WheelZoomTool(dimensions="width", modifiers="ctrl"))
        panel.xaxis.visible = not shared
        self.time.append(panel)
        names = [named(name)] if names is None else names
        self.data["panels"].append({"id": panel.id, "name": name, "height": height, "names": names})
        return panel

    def _figure(self, name: str, height: int, times: Range1d, values: Range1d) -> Any:
        drawn = figure(
            name=name, height=height, sizing_mode="stretch_width", x_range=times, y_range=values, toolbar_location=None,
            tools="", min_border_left=_LEFT, min_border_right=_RIGHT, min_border_top=2, min_border_bottom=2,
            **_CLEAR,
        )  # fmt: skip
        drawn.yaxis.visible = False
        drawn.xaxis.ticker, drawn.xaxis.formatter = clock_ticks()
        return drawn

    def _wave(self, panel: Any, kind: str) -> None:
        source = ColumnDataSource({"t": [], "low": [], "high": []}, name=kind)
        panel.varea("t", "low", "high", source=source, fill_color=COLOURS[0], fill_alpha=0.8)
        self.data[f"{kind}_source"] = source.id
        panel.ygrid.visible = False

    def _curve(self, panel: Any, name: str, numbers: dict[str, Any], colour: str) -> list[str]:
        """Draws a curve and, behind it, the band from lowest to highest of what it is the mean of; gives their ids."""
        source = ColumnDataSource({name: [] for name in ("t", "y", "left", "right", "low", "high")})
        place = {"left": "left", "right": "right", "bottom": "low", "top": "high"}
        band = panel.quad(**place, source=source, color=colour, fill_alpha=0.18, line_color=None, level="underlay")
        line = panel.line("t", "y", source=source, line_color=colour, line_width=1.8)
        panel.add_tools(hover([line], [("", name), ("at", "@t{custom}"), ("value", "@y{0.000}")], "@t"))
        self.data["curves"].append({"id": name, "source": source.id, **numbers})
        return [band.id, line.id]


def build(tracks: Tracks, sound: Sound | None, thresholds: dict[str, float]) -> Panels:
    """The panels of a recording."""
    hits = _hits(tracks)
    panels = Panels(max(tracks.end, 0.02), float(hits.times[:, 0].min()) if hits else 0.0)
    if sound:
        panels.add_sound(sound)
    for group in tracks.scores_by_range():
        panels.add_scores(group, thresholds)
    for track in tracks.of_kind("segments"):
        panels.add_segments(track)
    folded = bool(panels.data["curves"] or panels.data["segments"])
    for track in tracks.of_kind("vectors"):
        panels.add_vectors(track, folded=folded)
    if panels.time:
        panels.add_axis()
    panels.data |= {"folded": folded, "hits": hits.id if hits else None}
    return panels


def _hits(tracks: Tracks) -> Track | None:
    """The track that is checked first: segments of classes before free names; None if there are no segments."""
    found = [track for track in tracks.of_kind("segments") if track.names]
    return min(found, key=lambda track: not track.classes, default=None)
