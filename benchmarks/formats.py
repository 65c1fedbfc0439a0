"""What a format costs: seconds from a recording to its files, against NOVA's own format, and the files' size.

emow2v's small model over 23 minutes, its default outputs, `context=recording`, in which files weigh most. The formats
take turns, round by round. Without a recording of yours it is noise in bursts of syllable length.

    python -m benchmarks.formats [--recording FILE] [--minutes 23] [--rounds 3]
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import soundfile

import novaspeech
from benchmarks.machine import alternate, syllables
from benchmarks.record import Report, command_line
from novaspeech.api import Model
from novaspeech.formats.files import SSI

FORMATS = (SSI, "csv", "parquet", "npz", "npy")


def save(model: Model, recording: Path, form: str, folder: Path) -> int:
    """Bytes of what the whole way writes, from the file to files of one format."""
    model(recording).save(folder, [form], overwrite=True)
    return sum(file.stat().st_size for file in folder.iterdir())


def main() -> None:
    """Prints the table."""
    parser = command_line(__doc__)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--minutes", type=float, default=23, help="of noise")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    report = Report("formats", given.results)
    report.table("formats", "format", "seconds", "× ssi", "MB")
    model = novaspeech.load("emow2v", model="small", context="recording", device="cpu")
    with tempfile.TemporaryDirectory() as name:
        noise = Path(name, "noise.wav")
        if not given.recording:
            soundfile.write(noise, syllables(int(given.minutes * 60 * 16000)), 16000)
        ways: dict[str, Callable[[], int]] = {
            form: partial(save, model, given.recording or noise, form, Path(name, form)) for form in FORMATS
        }
        seconds, sizes = alternate(ways, model.encoder.compute.device, given.rounds)
    for form in FORMATS:
        report.row(form, round(seconds[form], 2), round(seconds[form] / seconds[SSI], 3), round(sizes[form] / 1e6, 2))


if __name__ == "__main__":
    main()
