"""Ticks, tooltips and names of a page's panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bokeh.models import AdaptiveTicker, CompositeTicker, CustomJSHover, CustomJSTickFormatter, HoverTool


def named(
    text: str, title: str | None = None, colour: str = "", lines: Sequence[str] = (), *, dashed: bool = False
) -> dict[str, Any]:
    """A name beside a panel: its text, its whole meaning, and the ids of what a click on it hides."""
    return {"text": text, "title": title or text, "colour": colour, "lines": lines, "dashed": dashed}


def clock_ticks() -> tuple[CompositeTicker, CustomJSTickFormatter]:
    """Ticks of a time axis, where a clock has its marks, and their labels."""
    tickers = [
        AdaptiveTicker(base=10, mantissas=[1, 2, 5], min_interval=0.001, max_interval=0.5, num_minor_ticks=0),
        AdaptiveTicker(base=60, mantissas=[1, 2, 5, 10, 15, 30], min_interval=1, max_interval=1800),
        AdaptiveTicker(base=24, mantissas=[3600, 7200], min_interval=3600, max_interval=36000),
    ]
    return CompositeTicker(tickers=tickers), CustomJSTickFormatter(code="return novaspeech.tick(tick, ticks)")


def hover(renderers: Sequence[Any], tooltips: Sequence[tuple[str, str]], *times: str) -> HoverTool:
    """Tooltips of glyphs; `times` are the fields that are shown as on a clock."""
    shown: Any = {time: CustomJSHover(code="return novaspeech.clock(value)") for time in times}
    return HoverTool(renderers=list(renderers), tooltips=list(tooltips), formatters=shown, point_policy="follow_mouse")
