"""A folder of Parquet results is one data set, whatever else `run` leaves in it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import pyarrow.dataset
import pytest
import soundfile

from novaspeech.command.main import main

WORDS = {"file": "string", "start": "double", "end": "double", "label": "string", "confidence": "float"}
SCORES = {"file": "string", "start": "double", "end": "double", "arousal": "float", "valence": "float"}


@pytest.fixture
def talks(speech: Callable[..., Path], tmp_path: Path) -> Path:
    """Two recordings, one below a folder; one in which there is nothing, and one that cannot be read."""
    folder = tmp_path / "talks"
    (folder / "sub").mkdir(parents=True)
    speech("b.wav").rename(folder / "b.wav")
    speech("c.wav", seconds=1).rename(folder / "sub" / "c.wav")
    soundfile.write(folder / "a.wav", np.zeros(16000), 16000)  # the first file says what the types are
    (folder / "broken.wav").write_bytes(b"RIFF")
    return folder


@pytest.mark.parametrize(
    ("module", "outputs", "types", "rows"),
    [
        ("wav2vec2_kws", ["words"], WORDS, None),
        ("emow2v", ["arousal", "valence"], SCORES, {"a.wav": 25, "b.wav": 50, "c.wav": 25}),
    ],
)
def test_the_folder_that_run_fills_is_read_as_one_table(
    models: dict[str, Path],
    talks: Path,
    tmp_path: Path,
    module: str,
    outputs: list[str],
    types: dict[str, str],
    rows: dict[str, int] | None,
) -> None:
    out = tmp_path / "out"
    words = ["--set", f"model={models[module]}", "--set", "where=sound", "--format", "parquet", "--out", str(out)]
    assert main(["run", module, str(talks), *words, *(word for name in outputs for word in ("--output", name))]) == 1
    assert {".corpus", f"_{module}.report.jsonl", f".broken.{module}.json"} <= {file.name for file in out.iterdir()}

    found = pyarrow.dataset.dataset(out)
    assert {field.name: str(field.type) for field in found.schema} == types
    table, frame = found.to_table(), pandas.read_parquet(out)
    assert frame.columns.tolist() == list(types)
    assert len(frame) == table.num_rows > 0
    counts = {Path(file).name: int(count) for file, count in frame["file"].value_counts().items()}
    assert counts == (rows or {name: counts[name] for name in ("b.wav", "c.wav")})
