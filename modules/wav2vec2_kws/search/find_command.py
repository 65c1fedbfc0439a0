"""`novaspeech find`: the times at which a keyword is said in recordings."""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from novaspeech.errors import NovaspeechError, RequestError
from novaspeech.terminal.arguments import add_model_arguments, load_model, new_command
from wav2vec2_kws.table import row_writer

COLUMNS = ("file", "start", "end", "keyword", "score")


def add_command(commands: Any) -> None:
    """Adds `find` to the subparsers of `novaspeech`."""
    find = new_command(commands, "find", _find, problem=2, help="find keywords")
    find.add_argument(
        "keyword", metavar="KEYWORD-OR-FILE", help="words with commas between, a recording, or a classifier"
    )
    find.add_argument("audio", nargs="+", type=Path, help="recordings to search")
    find.add_argument("--threshold", type=float, default=0.5, help="lowest score, 0 to 1 (0.5)")
    find.add_argument("--tolerance", type=int, default=0, help="wrong letters that a recognised word may have (0)")
    find.add_argument("--csv", action="store_true", help="comma-separated, for other programs")
    find.add_argument("--layer", type=int, default=-1, help="of the hidden states (-1: the last)")
    add_model_arguments(find)


def _find(given: argparse.Namespace) -> int:
    """Lists the places where keywords are said. Exit status: 0 found, 1 nothing found, 2 a problem.

    Examples:
        novaspeech find "money, thank you" a.wav
        novaspeech find said-once.wav talk.wav --csv
        novaspeech find money.skops talk.wav
    """
    from novaspeech.terminal.bar import progress_bar

    method, inputs = _method_of(given.keyword)
    options = {name: getattr(given, name) for name in ("model", "layer", "device", "threshold", "tolerance")}
    model = load_model("wav2vec2_kws", **options, **method)
    write = row_writer(_layout(given.audio, given.keyword), as_csv=given.csv)
    found = failed = 0
    for path in given.audio:
        try:
            with progress_bar(path.name) as progress:
                keywords = model(path, ["keywords"], inputs=inputs, progress=progress)["keywords"]
        except NovaspeechError as error:
            print(f"novaspeech: {error}", file=sys.stderr)
            failed += 1
            continue
        if keywords and not found:
            write(COLUMNS)
        for keyword in keywords:
            times = (f"{ms / 1000:.3f}" for ms in (keyword.start_ms, keyword.end_ms))
            write((str(path), *times, keyword.name, f"{keyword.confidence:.3f}"))
        found += len(keywords)
    if not found and not failed:
        print("novaspeech: nothing was found", file=sys.stderr)
    return 2 if failed else int(not found)


def _method_of(wanted: str) -> tuple[dict[str, Any], dict[str, Path]]:
    """Options and further inputs of a job that looks for a classifier's file, a recorded example, or keywords."""
    file = Path(wanted).expanduser()
    with suppress(OSError):  # of keywords that are longer than a file's name may be
        if file.is_file() and zipfile.is_zipfile(file):
            return {"method": "classifier", "classifier": str(file)}, {}
        if file.is_file():
            return {"method": "example"}, {"keyword": file}
    if " " not in wanted and (file.suffix or len(file.parts) > 1):
        raise RequestError(f"there is no file {wanted}; give a recording of the keyword, or the keyword in letters")
    return {"keywords": wanted}, {}


def _layout(recordings: Sequence[Path], wanted: str) -> str:
    names = [part.strip() for part in Path(wanted).stem.split(",")]
    file, name = (max(map(len, map(str, column))) for column in ([*recordings, "file"], [*names, "keyword"]))
    return f"{{:<{file}}}  {{:>9}}  {{:>9}}  {{:<{name}}}  {{:>5}}"
