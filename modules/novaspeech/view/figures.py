"""The panels of a page, as Bokeh draws them: one under the other, on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from bokeh.core.properties import value
from bokeh.models import (
    AdaptiveTicker,
    BoxSelectTool,
    ColumnDataSource,
    CompositeTicker,
    CustomJSHover,
    CustomJSTickFormatter,
    FixedTicker,
    HoverTool,
    LassoSelectTool,
    Range1d,
    RangeTool,
    Span,
)
from bokeh.plotting import figure

from novaspeech.colours import COLOURS
from novaspeech.formats.track import Track, Tracks
from novaspeech.view.data import components, curve, gaps, map_points, packed, segment_rows, tiles
from novaspeech.view.sound import RATE, Sound

_LEFT, _RIGHT = 110, 20  # pixels beside each panel, so that all lie under each other
_FIRST_SECONDS = 60.0  # seconds of a longer recording that are shown at first


class Panels:
    """A recording's panels on the time axis, maps with axes of their own, and data for the page's script by kind.

    Args:
        duration: of the recording, in seconds.
    """

    def __init__(self, duration: float) -> None:
        self.time: list[Any] = []
        self.maps: list[Any] = []
        self.data: dict[str, Any] = {"curves": [], "segments": [], "maps": [], "duration": duration}
        end = min(duration, _FIRST_SECONDS)
        self.range = Range1d(0, end, bounds=(0, duration), min_interval=0.02, name="time")

    def add_sound(self, sound: Sound) -> None:
        """Adds the waveform of the whole recording, and waveform and spectrogram of the part in view."""
        self.data["wave"] = {"step": sound.step, "low": packed(sound.low), "high": packed(sound.high)}
        whole = self._panel("whole recording", 56, (-127, 127), shared=False)
        whole.add_tools(RangeTool(x_range=self.range, start_gesture="pan"))
        self._wave(whole, "whole")
        self._wave(self._panel("waveform", 90, (-127, 127)), "wave")
        spectrogram = self._panel("Hz", 130, (0, RATE / 2))
        spectrogram.yaxis.visible = True
        spectrogram.yaxis.ticker = FixedTicker(ticks=[0, 2000, 4000, 6000, 8000])
        place = {"x": "x", "y": RATE / 2, "w": "w", "h": RATE / 2, "anchor": "top_left"}
        spectrogram.image_url("url", source=ColumnDataSource(tiles(sound)), **place)

    def add_scores(self, tracks: Sequence[Track], thresholds: dict[str, float]) -> None:
        """Adds scores of one range as curves, with their gaps, and the thresholds of outputs that have one."""
        low, high = tracks[0].low, tracks[0].high
        margin = (high - low) / 40
        panel = self._panel("score", 170, (low - margin, high + margin))
        panel.yaxis.visible = True
        missing = [gap for track in tracks for gap in gaps(track)]
        panel.vstrip(
            x0=[begin for begin, _ in missing], x1=[end for _, end in missing], fill_color="#999999", fill_alpha=0.15,
            hatch_pattern="/", hatch_color="#999999", hatch_alpha=0.6, line_color=None, name="gap",
        )  # fmt: skip
        for track, colour in zip(tracks, cycle(COLOURS)):
            self._curve(panel, track.id, curve(track.values, track.times, low, high), colour)
            if track.id in thresholds:
                panel.add_layout(
                    Span(location=thresholds[track.id], dimension="width", line_dash="dashed", line_color=colour)
                )
        _legend(panel)

    def add_segments(self, track: Track) -> None:
        """Adds segments as boxes, with their names where these have room."""
        labels, columns = segment_rows(track)
        count = max(1, len(labels))
        panel = self._panel(track.id, 26 + 24 * count, (count - 0.4, -0.6))
        panel.yaxis.visible = True
        panel.yaxis.ticker = FixedTicker(ticks=list(range(count)))
        panel.yaxis.axis_label = _short(track.id) if track.classes else None  # else the first row's label
        panel.yaxis.major_label_overrides = {row: _short(label) for row, label in enumerate(labels)}
        panel.ygrid.visible = False
        fields = ("left", "right", "bottom", "top", "colour", "alpha", "name", "confidence", "label")
        source = ColumnDataSource({name: [] for name in fields})
        boxes = panel.quad(
            "left", "right", "top", "bottom", source=source, color="colour", fill_alpha="alpha", line_alpha=1
        )
        font = {"text_font": value("helvetica, arial, sans-serif"), "text_font_size": "12px"}
        look = {"text_baseline": "top", "x_offset": 3, "y_offset": 2, **font}
        panel.text("left", "bottom", "label", source=source, name="label", **look)
        times = [("from", "@left{custom}"), ("to", "@right{custom}")]
        tooltips = [("", "@name"), *times, ("confidence", "@confidence{0.00}")]
        panel.add_tools(_hover([boxes], tooltips, "@left", "@right"))
        self.data["segments"].append({"id": track.id, "source": source.id, "panel": panel.id, **columns})

    def add_vectors(self, track: Track) -> None:
        """Adds the first three principal components as curves, and the first two as a map."""
        projected, shares = components(track)
        if not shares:
            return
        panel = self._panel(track.id, 130, (-1.02, 1.02))
        marks = ColumnDataSource({"left": [], "right": []})
        panel.vstrip("left", "right", source=marks, color=COLOURS[4], alpha=0.35)
        largest = float(abs(projected[:, 0]).max(initial=1e-9, where=projected[:, 0] == projected[:, 0]))
        for number, share in enumerate(shares):
            name = f"component {number + 1} ({share:.0%})"
            self._curve(panel, name, curve(projected[:, number] / largest, track.times, -1, 1), COLOURS[number])
        _legend(panel)
        points, half = map_points(projected, track.times)
        count = len(points["x"])
        source = ColumnDataSource({**points, "colour": ["#888888"] * count, "alpha": [0.8] * count})
        drawn = figure(
            height=480, width=760, tools="pan,wheel_zoom,reset", active_scroll="wheel_zoom",
            toolbar_location="right", match_aspect=True, min_border_left=_LEFT, min_border_right=_RIGHT,
            title=f"{track.id}: each dot is a moment; near means similar ({sum(shares[:2]):.0%} of the variance)",
        )  # fmt: skip
        drawn.add_tools(BoxSelectTool(), LassoSelectTool())
        dots = drawn.scatter("x", "y", source=source, size=6, color="colour", alpha="alpha", line_color=None)
        now = ColumnDataSource({"x": [], "y": []})
        drawn.scatter("x", "y", source=now, size=14, fill_color=None, line_width=3, line_color=COLOURS[1])
        drawn.add_tools(_hover([dots], [("at", "@t{custom}")], "@t"))
        drawn.xaxis.axis_label, drawn.yaxis.axis_label = "component 1", "component 2"
        self.maps.append(drawn)
        self.data["maps"].append(
            {"id": track.id, "source": source.id, "now": now.id, "marks": marks.id, "panel": drawn.id, "half": half}
        )

    def _panel(self, label: str, height: int, y_range: tuple[float, float], *, shared: bool = True) -> Any:
        times = self.range if shared else Range1d(0, self.data["duration"])
        panel = figure(
            height=height, sizing_mode="stretch_width", x_range=times, y_range=Range1d(*y_range), toolbar_location=None,
            tools="xpan,xwheel_zoom" if shared else "", active_scroll="xwheel_zoom" if shared else None,
            min_border_left=_LEFT, min_border_right=_RIGHT, min_border_top=2, min_border_bottom=2,
            name="panel" if shared else "overview",
        )  # fmt: skip
        panel.yaxis.visible = False
        panel.yaxis.axis_label = _short(label)
        panel.yaxis.axis_label_text_font_style = "normal"
        panel.yaxis.axis_label_orientation = "horizontal" if len(label) < 4 else "vertical"
        panel.xaxis.ticker, panel.xaxis.formatter = _clock_ticks()
        self.time.append(panel)
        return panel

    def _wave(self, panel: Any, kind: str) -> None:
        source = ColumnDataSource({"t": [], "low": [], "high": []}, name=kind)
        panel.varea("t", "low", "high", source=source, fill_color=COLOURS[0], fill_alpha=0.8)
        self.data[f"{kind}_source"] = source.id
        panel.ygrid.visible = False

    def _curve(self, panel: Any, name: str, numbers: dict[str, Any], colour: str) -> None:
        source = ColumnDataSource({"t": [], "y": []})
        line = panel.line("t", "y", source=source, line_color=colour, line_width=1.8, legend_label=name)
        panel.add_tools(_hover([line], [("", name), ("at", "@t{custom}"), ("value", "@y{0.000}")], "@t"))
        self.data["curves"].append({"id": name, "source": source.id, **numbers})


def build(tracks: Tracks, sound: Sound | None, thresholds: dict[str, float]) -> Panels:
    """The panels of a recording."""
    panels = Panels(max(tracks.end, 0.02))
    if sound:
        panels.add_sound(sound)
    for group in tracks.scores_by_range():
        panels.add_scores(group, thresholds)
    for track in tracks.of_kind("segments"):
        panels.add_segments(track)
    for track in tracks.of_kind("vectors"):
        panels.add_vectors(track)
    return panels


def _clock_ticks() -> tuple[CompositeTicker, CustomJSTickFormatter]:
    """Ticks of a time axis, where a clock has its marks, and their labels."""
    tickers = [
        AdaptiveTicker(base=10, mantissas=[1, 2, 5], min_interval=0.001, max_interval=0.5, num_minor_ticks=0),
        AdaptiveTicker(base=60, mantissas=[1, 2, 5, 10, 15, 30], min_interval=1, max_interval=1800),
        AdaptiveTicker(base=24, mantissas=[3600, 7200], min_interval=3600, max_interval=36000),
    ]
    return CompositeTicker(tickers=tickers), CustomJSTickFormatter(code="return novaspeech.tick(tick, ticks)")


def _hover(renderers: Sequence[Any], tooltips: Sequence[tuple[str, str]], *times: str) -> HoverTool:
    """Tooltips of glyphs; `times` are the fields that are shown as on a clock."""
    shown: Any = {time: CustomJSHover(code="return novaspeech.clock(value)") for time in times}
    return HoverTool(renderers=list(renderers), tooltips=list(tooltips), formatters=shown, point_policy="follow_mouse")


def _legend(panel: Any) -> None:
    """Puts a panel's legend above it; a click on a name hides its curve."""
    panel.add_layout(panel.legend[0], "above")
    panel.legend.orientation = "horizontal"
    panel.legend.click_policy = "hide"
    panel.legend.padding = panel.legend.margin = 2
    panel.legend.spacing = 14
    panel.legend.location = "left"
    panel.legend.label_text_font_size = "12px"


def _short(label: str) -> str:
    """A label that fits beside a panel."""
    return label if len(label) <= 14 else f"{label[:13]}…"
