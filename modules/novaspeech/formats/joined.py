"""Tables of recordings, one after the other in one file."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO, Any

from novaspeech.errors import require
from novaspeech.saving import whole

Part = AbstractContextManager[IO[bytes]]
_ROWS = 100_000  # of a Parquet file's groups: thousands of recordings of a row each are not as many groups


def join_tables(parts: Iterable[Part], form: str, file: Path) -> None:
    """Puts tables with the same columns into one file, which appears whole or not at all.

    Args:
        parts: files that are open while they are read, at least one.
        form: "csv" or "parquet".

    Raises:
        PackageError: of Parquet, pyarrow is missing.
        SavingError: it cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole(file) as partial:
        (_join_csv if form == "csv" else _join_parquet)(parts, partial)


def _join_csv(parts: Iterable[Part], file: Path) -> None:
    with file.open("wb") as joined:
        for number, opened in enumerate(parts):
            with opened as part:
                names = part.readline()
                joined.write(b"" if number else names)
                shutil.copyfileobj(part, joined)


def _join_parquet(parts: Iterable[Part], file: Path) -> None:
    with require("Parquet needs pyarrow", "novaspeech[formats]"):
        import pyarrow
        from pyarrow import parquet
    with ExitStack() as stack:
        writer, waiting = None, list[Any]()
        for opened in parts:
            with opened as part:
                table = parquet.ParquetFile(part)
                writer = writer or stack.enter_context(parquet.ParquetWriter(file, table.schema_arrow))
                for batch in table.iter_batches():
                    if sum(map(len, waiting)) >= _ROWS:
                        writer.write_table(pyarrow.Table.from_batches(waiting))
                        waiting = []
                    waiting.append(batch)
        if writer and waiting:
            writer.write_table(pyarrow.Table.from_batches(waiting))
