"""`novaspeech align`: when each word of a transcript is said."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from novaspeech.api import load
from novaspeech.terminal.bar import progress_bar
from novaspeech.terminal.table import row_writer
from wav2vec2_kws.align.transcript import read_transcript

COLUMNS = ("start", "end", "word", "confidence")


def align_transcript(audio: Path, transcript: Path, *, as_csv: bool, out: Path | None, **options: Any) -> int:
    """Prints each word with its start and end in seconds and its confidence, a table or CSV.

    Words that are not heard are listed on standard error, too.

    Args:
        audio: the recording.
        transcript: what is said in it, see `read_transcript`.
        out: folder for the annotation that a server would write; None for none.
        options: the module's.

    Returns:
        0, as the exit status.

    Raises:
        RequestError, RecordingError, ModelError: a file cannot be used.
    """
    words = read_transcript(transcript)  # before the model is loaded
    # Not print: lines that come while the bar is there would break it.
    model = load("wav2vec2_kws", log=partial(tqdm.write, file=sys.stderr), **options)
    with progress_bar(audio.name, leave=False, disable=None) as progress:
        result = model(audio, ["alignment"], inputs={"transcript": transcript}, progress=progress)
    width = max(map(len, [*words, COLUMNS[2]]))
    write = row_writer(f"{{:>9}}  {{:>9}}  {{:<{width}}}  {{:>10}}", as_csv=as_csv)
    write(COLUMNS)
    for segment in result["alignment"]:
        times = (f"{ms / 1000:.3f}" for ms in (segment.start_ms, segment.end_ms))
        write((*times, segment.name, f"{segment.confidence:.3f}"))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        result.save(out)
    return 0
