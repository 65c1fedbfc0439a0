"""BENCHMARKS.md is what the results give, and each result says where it comes from."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.record import RESULTS, Report
from tests.conftest import ROOT

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


def test_a_report_is_kept_as_it_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [str(ROOT / "benchmarks" / "path.py"), "--minutes", "1"])
    report = Report("path", tmp_path)
    report.table("speed", "path", "windows/s", "ratio")
    report.row("novaspeech", 5326, 33.24)
    report.row("public", 160, None)
    report.note("All alike.")
    assert capsys.readouterr().out.endswith(
        "\n## speed\n\n| path | windows/s | ratio |\n|---|---|---|\n"
        "| novaspeech | 5326 | 33.24 |\n| public | 160 | – |\n\nAll alike.\n"
    )
    found = json.loads((tmp_path / "path.json").read_text(encoding="utf-8"))
    assert found["command"] == "python -m benchmarks.path --minutes 1"
    assert found["tables"]["speed"]["rows"] == [["novaspeech", 5326, 33.24], ["public", 160, None]]
    assert found["notes"] == ["All alike."]
