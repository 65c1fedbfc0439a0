"""Times as people write them. What servers send has a rule of its own, see `novaspeech.server.host.parse_time`."""

from __future__ import annotations

import datetime
import math
import re
from typing import Any, TypeAlias

from novaspeech.errors import RequestError, quoted

# A number of seconds, or a text: "1.5" (seconds), "40ms", "1.5s", "2min", "1h", "1:05", "0:01:05.5".
Time: TypeAlias = "str | int | float"

_UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}
_LENGTH = re.compile(r"(\d+\.?\d*|\.\d+)\s*(ms|s|min|h)?")
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):([0-5]?\d(?:\.\d+)?)")


def milliseconds(time: Time, name: str, unit: str = "s") -> int:
    """Milliseconds of a time that a person wrote.

    Args:
        name: what it is the time of, for messages.
        unit: of a bare number: "s" or "ms".

    Raises:
        RequestError: it is no time, or negative.
    """
    text = str(time).strip()
    if clock := _CLOCK.fullmatch(text):
        return round(1000 * (3600 * int(clock[1] or 0) + 60 * int(clock[2]) + float(clock[3])))
    length = _LENGTH.fullmatch(text)
    number = float(length[1]) if length else _number(time)
    if math.isfinite(number) and number >= 0:
        return round(number * _UNITS[(length and length[2]) or unit])
    raise RequestError(f"{name} is {quoted(time)}; it must be a time, as 1.5 or 1.5s, 40ms or 1:05")


def seconds_of(value: Any) -> float | None:
    """Seconds of a time in a table: a number, or audformat's "0 days 00:00:01.04"; None for none. ValueError."""
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    text = str("" if value is None else value).strip()
    if text.lower() in ("", "nat", "nan", "none"):
        return None
    days, _, clock = text.rpartition(" days")
    try:
        return 86400 * int(days or 0) + milliseconds(clock.strip() or 0, "time") / 1000
    except ValueError:
        raise ValueError(f"{quoted(text)} is no time; seconds are needed") from None


def _number(time: object) -> float:
    """A number that Python writes in another way, as 1e-05; NaN for what is none."""
    try:
        return math.nan if isinstance(time, (str, bool)) else float(time)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan
