"""`novaspeech find`: where a keyword is said in recordings."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from novaspeech.errors import NovaspeechError, RequestError
from novaspeech.terminal.arguments import load_model
from novaspeech.terminal.bar import progress_bar
from novaspeech.terminal.table import row_writer

COLUMNS = ("file", "start", "end", "keyword", "score")


def what_to_find(wanted: str) -> tuple[dict[str, Any], dict[str, Path]]:
    """Options and further inputs of a job that looks for `wanted`.

    Args:
        wanted: a file of `novaspeech train-keywords`, a recorded example, or else keywords with commas.

    Raises:
        RequestError: it looks like a file that is not there.
    """
    file = Path(wanted).expanduser()
    if file.is_file() and zipfile.is_zipfile(file):
        return {"method": "classifier", "classifier": str(file)}, {}
    if file.is_file():
        return {"method": "example"}, {"keyword": file}
    if " " not in wanted and (file.suffix or len(file.parts) > 1):
        raise RequestError(f"there is no file {wanted}; give a recording of the keyword, or the keyword in letters")
    return {"keywords": wanted}, {}


def find(wanted: str, recordings: Sequence[Path], *, as_csv: bool, **options: Any) -> int:
    """Prints each place with its file, start and end in seconds, keyword and score, a table or CSV.

    A recording that cannot be used is listed on standard error, and the others are searched.

    Args:
        wanted: see `what_to_find`.
        options: more of the module's.

    Returns:
        0 if something was found, 1 if nothing, 2 if a recording could not be searched.
    """
    method, inputs = what_to_find(wanted)
    model = load_model("wav2vec2_kws", **options, **method)
    write = row_writer(_layout(recordings, wanted), as_csv=as_csv)
    found = failed = 0
    for path in recordings:
        try:
            with progress_bar(path.name, leave=False, disable=None) as progress:
                places = model(path, ["keywords"], inputs=inputs, progress=progress)["keywords"]
        except NovaspeechError as error:
            print(f"novaspeech: {error}", file=sys.stderr)
            failed += 1
            continue
        if places and not found:
            write(COLUMNS)
        for place in places:
            times = (f"{ms / 1000:.3f}" for ms in (place.start_ms, place.end_ms))
            write((str(path), *times, place.name, f"{place.confidence:.3f}"))
        found += len(places)
    if not found and not failed:
        print("novaspeech: nothing was found", file=sys.stderr)
    return 2 if failed else int(not found)


def _layout(recordings: Sequence[Path], wanted: str) -> str:
    names = [part.strip() for part in Path(wanted).stem.split(",")]
    file, name = (max(map(len, map(str, column))) for column in ([*recordings, "file"], [*names, "keyword"]))
    return f"{{:<{file}}}  {{:>9}}  {{:>9}}  {{:<{name}}}  {{:>5}}"
