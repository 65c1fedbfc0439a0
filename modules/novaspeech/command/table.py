"""`novaspeech table`: one table of the results of many recordings."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from novaspeech.errors import RequestError
from novaspeech.terminal.arguments import add_summary_arguments, new_command
from novaspeech.terminal.outputs import Outputs, add_output_arguments, read_recordings

if TYPE_CHECKING:
    from novaspeech.formats.one_table import Table


def add_command(commands: Any) -> None:
    """Adds `table` to the subparsers of `novaspeech`."""
    table = new_command(commands, "table", _table, help="put the results of many recordings into one table")
    add_output_arguments(table)
    table.add_argument("--out", type=Path, metavar="FILE", required=True, help="the table, .csv or .parquet")
    table.add_argument("--output", action="append", metavar="ID", help="an output (default: the scores)")
    add_summary_arguments(table)
    table.add_argument("--overwrite", action="store_true", help="replace what is there already")


def _table(given: argparse.Namespace) -> int:
    """Puts the results of many recordings, in any format, into one table, without computing them again.

    It is the table that `novaspeech run --table` writes. What is silent stands in what `run` noted beside the results;
    of other files nobody knows it.

    Examples:
        novaspeech table results --out emotions.csv
        novaspeech table results --out turns.csv --summary mean,std --segments turns
        novaspeech table results --out words.parquet --output words
    """
    from novaspeech.formats.joined import join_tables
    from novaspeech.formats.one_table import Table
    from novaspeech.formats.read import found_outputs

    asked = Table.asked(given.out, given.summary, given.segments)
    if given.out.exists() and not given.overwrite:
        raise RequestError(f"{given.out} is there already; --overwrite replaces it")
    groups = found_outputs(given.places)
    if given.audio and len(groups) > 1:
        raise RequestError(f"these are files of {len(groups)} recordings; --audio is for one")
    asked.check_segments(len(groups))
    with tempfile.TemporaryDirectory() as folder:
        parts = _parts(read_recordings(groups, given.audio), asked, given.output, Path(folder, "part"))
        join_tables(parts, asked.form, given.out)
    print(given.out)
    return 0


def _parts(recordings: Iterator[Outputs], table: Table, named: list[str] | None, file: Path) -> Iterator[IO[bytes]]:
    """The part of each recording, one after the other in one file."""
    from novaspeech.formats.tables import SAVERS

    for folder, tracks, _, records in recordings:
        outputs = [one for one in tracks.kept if not named or one.id in named or one.key in named]
        if outputs and not table.kept:
            table = table.holding(outputs, named=bool(named))
        rows = table.rows_of(tracks, _record(table, records))
        if rows is None:
            print(f"novaspeech: {folder / tracks.name} has none of the outputs; left out", file=sys.stderr)
            continue
        SAVERS[table.form](tracks.file, *rows, file)
        yield file.open("rb")
    if not table.kept:
        raise RequestError(f"the results have no output {', '.join(named or [])}")


def _record(table: Table, records: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return records.get(table.kept[0].module, {}) if table.kept else {}
