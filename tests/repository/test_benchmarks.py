"""BENCHMARKS.md is what the results give, and each result says where it comes from."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.record import RESULTS

LARGEST = 10_000  # bytes of a page that people read


def test_the_page_is_what_the_results_give() -> None:
    page = tables.PAGE.read_text(encoding="utf-8")
    assert page == tables.page(), "python -m benchmarks.tables makes it"
    assert len(page.encode()) <= LARGEST


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_a_result_says_where_it_comes_from(file: Path) -> None:
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["machine"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])
    [script] = re.findall(r"^python -m (benchmarks\.\w+)", found["command"])
    assert importlib.util.find_spec(script)
    for table in found["tables"].values():
        assert table["rows"]
        assert {len(row) for row in table["rows"]} == {len(table["columns"])}
