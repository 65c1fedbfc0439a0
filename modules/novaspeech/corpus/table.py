"""One table of many recordings: each adds its part to the files beside its record, then all become one."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaspeech.corpus.notes import parsed
from novaspeech.corpus.store import Store
from novaspeech.errors import RequestError
from novaspeech.formats.files import file_names
from novaspeech.formats.joined import join_tables
from novaspeech.formats.one_table import SUMMARY, Table
from novaspeech.formats.tables import SAVERS
from novaspeech.saving import whole

if TYPE_CHECKING:
    from novaspeech.corpus.plan import Plan
    from novaspeech.corpus.rows import Row
    from novaspeech.hooks import Log
    from novaspeech.result import Result


def tabled(plan: Plan, file: Path, table: Table, log: Log) -> Plan:
    """A plan in which each recording gives its part of a table, and files of its own only if `out` says where to.

    Raises:
        RequestError: outputs that no table holds together.
    """
    table = table.holding(plan.kept, named=plan.outputs is not None)
    if lost := [one.id for one in plan.kept if one not in table.kept]:
        log(f"the table leaves out {', '.join(lost)}; --output names what it holds")
    own = () if table.statistics else (table.form,)
    if plan.out:
        return replace(plan, table=table, formats=tuple(dict.fromkeys((*plan.formats, *own))))
    outputs = [one.id for one in table.kept] if lost else plan.outputs
    return replace(plan, table=table, formats=own, outputs=outputs, out=str(file.with_name(f".{file.name}.parts")))


def part_name(table: Table, name: str) -> str:
    """Name of a recording's part of a table."""
    if table.statistics:
        return f"{name}.{table.kept[0].module}{SUMMARY}.{table.form}"
    [file] = file_names(name, table.kept, table.form)
    return file


def identity(table: Table, row: Row) -> dict[str, Any]:
    """What decides the numbers of a recording's part besides what made its windows, as JSON takes it."""
    found = table.segments_of(row.file, row.place, row.id)
    return {"summary": list(table.statistics)} | ({"segments": [list(one) for one in found]} if found else {})


def write_part(table: Table, result: Result, row: Row, folder: Path) -> list[Path]:
    """Writes a recording's part of a summary; other parts are files of a format."""
    if not table.statistics:
        return []
    segments = table.segments_of(row.file, row.place, row.id)
    content = result.summarised(table.statistics, [one.id for one in table.kept], segments)
    file = folder / part_name(table, row.name)
    with whole(file) as partial:
        SAVERS[table.form](result.file, *content, partial)
    return [file]


class Gathered:
    """A table in its place, made of the parts in a store.

    Args:
        file: the table.
        plan: checked; `plan.table` says what its parts are.
    """

    def __init__(self, file: Path, plan: Plan) -> None:
        assert plan.table
        self._file, self._table, self._store = file, plan.table, Store(plan.out)
        self._note = f"_{plan.module}.table.json"

    def check(self, recordings: int, *, overwrite: bool) -> None:
        """Raises RequestError if segments do not say whose they are, or another table is there than `write` made."""
        self._table.check_segments(recordings)
        if not overwrite and self._file.exists() and self._identity() != parsed(self._store.read(self._note)):
            raise RequestError(f"{self._file} is there, and not made by this command; --overwrite replaces it")

    def write(self, rows: Sequence[Row]) -> None:
        """Puts the parts of recordings together, in the order of the recordings' names; it appears whole or not at all.

        Without any recording what is there stays.

        Raises:
            PackageError: of Parquet, pyarrow is missing.
            OSError: it cannot be written.
        """
        if not rows:
            return
        ordered = sorted(rows, key=lambda row: (row.file, (row.span or (0, None))[0], row.id))
        names = (posixpath.join(row.folder, part_name(self._table, row.name)) for row in ordered)
        join_tables(map(self._store.open, names), self._table.form, self._file)
        self._store.write(self._note, json.dumps(self._identity()).encode())

    def _identity(self) -> dict[str, Any]:
        status = self._file.stat()
        content = {"outputs": [one.key for one in self._table.kept], "summary": list(self._table.statistics)}
        return {"bytes": status.st_size, "modified": status.st_mtime_ns, "segments": self._table.segments, **content}
