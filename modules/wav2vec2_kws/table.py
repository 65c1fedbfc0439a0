"""Rows on standard output: a table for people, or CSV for other programs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence


def row_writer(layout: str, *, as_csv: bool) -> Callable[[Sequence[str]], object]:
    """A function that prints a row, in the layout of `str.format`, as "{:<10}  {:>9}", or as CSV."""
    if as_csv:
        return csv.writer(sys.stdout, lineterminator="\n").writerow
    return lambda row: print(layout.format(*row))
