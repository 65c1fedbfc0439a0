"""The looks of pages: clocks, legends, labels and tooltips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bokeh.models import AdaptiveTicker, CompositeTicker, CustomJSHover, CustomJSTickFormatter, HoverTool

_TICK = """
const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1
const digits = step < 0.01 ? 3 : step < 0.1 ? 2 : step < 1 ? 1 : 0
const whole = Number(tick.toFixed(digits)), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60
const rest = (whole % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0")
return (hours ? hours + ":" + String(minutes).padStart(2, "0") : minutes) + ":" + rest
"""
_HOVERED = """
const minutes = Math.floor(value / 60)
return minutes + ":" + (value - 60 * minutes).toFixed(3).padStart(6, "0")
"""


def clock_ticks() -> tuple[CompositeTicker, CustomJSTickFormatter]:
    """Ticks of a time axis, where a clock has its marks, and their labels."""
    tickers = [
        AdaptiveTicker(base=10, mantissas=[1, 2, 5], min_interval=0.001, max_interval=0.5, num_minor_ticks=0),
        AdaptiveTicker(base=60, mantissas=[1, 2, 5, 10, 15, 30], min_interval=1, max_interval=1800),
        AdaptiveTicker(base=24, mantissas=[3600, 7200], min_interval=3600, max_interval=36000),
    ]
    return CompositeTicker(tickers=tickers), CustomJSTickFormatter(code=_TICK)


def hover(renderers: Sequence[Any], tooltips: Sequence[tuple[str, str]], *times: str) -> HoverTool:
    """Tooltips of glyphs; `times` are the fields that are shown as on a clock."""
    shown: Any = {time: CustomJSHover(code=_HOVERED) for time in times}
    return HoverTool(renderers=list(renderers), tooltips=list(tooltips), formatters=shown, point_policy="follow_mouse")


def legend(panel: Any) -> None:
    """Puts a panel's legend above it; a click on a name hides its curve."""
    panel.add_layout(panel.legend[0], "above")
    panel.legend.orientation = "horizontal"
    panel.legend.click_policy = "hide"
    panel.legend.padding = panel.legend.margin = 2
    panel.legend.spacing = 14
    panel.legend.location = "left"
    panel.legend.label_text_font_size = "12px"


def short(label: str) -> str:
    """A label that fits beside a panel."""
    return label if len(label) <= 14 else f"{label[:13]}…"
