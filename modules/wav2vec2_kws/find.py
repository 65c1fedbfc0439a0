"""`novaspeech find`: where a keyword is said in recordings."""

from __future__ import annotations

import csv
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from novaspeech.audio.buffer import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.errors import NovaspeechError, RequestError
from novaspeech.inference.encoder import choose_device
from novaspeech.models import weights
from novaspeech.segments import Stretch
from wav2vec2_kws.classifier import load_classifier
from wav2vec2_kws.encoder import PUBLISHED, KeywordEncoder
from wav2vec2_kws.scan import scan
from wav2vec2_kws.search import THRESHOLD, Search, by_classifier, by_example, by_spelling, split_keywords

COLUMNS = ("file", "start", "end", "keyword", "score")
GRID_MS = 40  # of the progress bar only


def load_encoder(model: str | None, layer: int, device: str) -> KeywordEncoder:
    """The encoder in a Hub id or folder; None for the published one.

    Raises:
        OptionError, WeightsError: no such device, layer or model.
    """
    disable_progress_bar()  # of loading weights
    return KeywordEncoder(weights.model_folder(model or PUBLISHED, "wav2vec2"), layer, choose_device(device))


def make_search(wanted: str, encoder: KeywordEncoder, tolerance: int) -> Search:
    """What `wanted` means: a file of `novaspeech train-keywords`, a recorded example, or else keywords with commas.

    Raises:
        OptionError, RequestError, RecordingError, WeightsError: it cannot be looked for.
    """
    file = Path(wanted).expanduser()
    if file.is_file() and zipfile.is_zipfile(file):
        return by_classifier(load_classifier(file, encoder))
    if file.is_file():
        return by_example(file.stem, Recording.open(file), encoder)
    if " " not in wanted and (file.suffix or len(file.parts) > 1):
        raise RequestError(f"there is no file {wanted}; give a recording of the keyword, or the keyword in letters")
    return by_spelling(split_keywords(wanted), encoder.vocabulary, tolerance)


def find(
    search: Search, recordings: Sequence[Path], encoder: KeywordEncoder, *, threshold: float = THRESHOLD, as_csv: bool
) -> int:
    """Prints each place with its file, start and end in seconds, keyword and score, a table or CSV.

    A recording that cannot be used is listed on standard error, and the others are searched.

    Args:
        threshold: lowest score.

    Returns:
        0 if something was found, 1 if nothing, 2 if a recording could not be searched.
    """
    write = _csv_writer() if as_csv else _table_writer(recordings, search.names)
    found = failed = 0
    for path in recordings:
        try:
            places = _places(search, Recording.open(path), encoder, threshold)
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


def _places(search: Search, recording: Recording, encoder: KeywordEncoder, threshold: float) -> list[Stretch]:
    search.check(recording)
    grid = WindowGrid(GRID_MS, GRID_MS, 0, 0, count=-(-recording.duration_ms // GRID_MS))
    with tqdm(total=grid.count, unit="window", desc=recording.name, leave=False, disable=None) as bar:

        def progress(completed: int, total: int) -> None:
            bar.update(completed - bar.n)

        return scan(
            recording,
            encoder,
            grid,
            search.detectors(),
            threshold=threshold,
            progress=progress,
            log=lambda line: print(line, file=sys.stderr),
        ).keywords


def _csv_writer() -> Callable[[Sequence[str]], object]:
    return csv.writer(sys.stdout, lineterminator="\n").writerow


def _table_writer(recordings: Sequence[Path], names: Sequence[str]) -> Callable[[Sequence[str]], object]:
    file, name = (max(map(len, map(str, column))) for column in ([*recordings, "file"], [*names, "keyword"]))

    def write(row: Sequence[str]) -> None:
        print(f"{row[0]:<{file}}  {row[1]:>9}  {row[2]:>9}  {row[3]:<{name}}  {row[4]:>5}")

    return write
