"""docs/developers.md: its module runs on a server as it stands there, and what it names is there."""

import json
import re
from pathlib import Path

import numpy as np
import soundfile
from discover_utils.data.handler.file_handler import FileHandler
from discover_utils.scripts import process

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "developers.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_module_is_short_and_runs(tmp_path: Path) -> None:
    (options, code), [trainer], folder = blocks("python"), blocks("xml"), tmp_path / "my_level"
    assert len((options + code).splitlines()) <= 50
    folder.mkdir()
    for name, text in (("options.py", options), ("my_level.py", code), ("my_level.trainer", trainer)):
        (folder / name).write_text(text, encoding="utf-8")
    samples = (np.random.default_rng(0).normal(0, 0.1, 16000) * np.linspace(0, 1, 16000)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    data = [
        {"src": "file:stream:audio", "type": "input", "id": "audio", "uri": str(tmp_path / "a.wav")},
        {"src": "file:stream:SSIStream", "type": "output", "id": "level", "uri": str(tmp_path / "a.stream")},
    ]
    words = ["--trainer_file_path", "my_level\\my_level.trainer", "--cml_dir", str(tmp_path)]
    words += ["--cache_dir", str(tmp_path), "--tmp_dir", str(tmp_path), "--data", json.dumps(data)]
    process.main([*words, "--frame_size=40ms", "--stride=40ms", "--left_context=0", "--right_context=0"])
    expected = 10 * np.log10(np.square(samples.reshape(25, 640)).mean(axis=1))
    np.testing.assert_allclose(FileHandler().load(tmp_path / "a.stream").data[:, 0], expected, rtol=1e-5)


def test_files_and_names_that_it_sends_to_are_there() -> None:
    table = PAGE.split("## What else a module may need")[1]
    for names, places in re.findall(r"^\| [^|]+ \| (.+?) \| (.+?) \|$", table, re.MULTILINE)[2:]:
        paths = [ROOT / "modules" / place if "/" in place and not place.startswith("tests") else ROOT / place
                 for place in places.split(", ")]  # fmt: skip
        assert all(path.exists() for path in paths), places
        sources = "".join(file.read_text("utf-8") for file in (ROOT / "modules").rglob("*.py"))
        for name in re.findall(r"`(\w+)[`(]", names):
            assert re.search(rf"\b{name}\b", sources), name
    for file in re.findall(r"`((?:audio|module|inference|formats)/\w*(?:\.py)?)`", PAGE):
        assert (ROOT / "modules" / "novaspeech" / file).exists(), file
