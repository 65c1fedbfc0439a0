"""The commands of docs/study.md, as they stand there, and the figure that they end with."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from novaspeech.command.main import main
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "study.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_from_a_folder_to_a_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("demo", "tests/data"):
        Path(folder).parent.mkdir(exist_ok=True)
        Path(folder).symlink_to(ROOT / folder)
    [figure] = blocks("r")
    Path("figure.R").write_text(figure)
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    ours = [shlex.split(line)[1:] for line in commands if line.startswith("novaspeech ")]
    others = [line for line in commands if not line.startswith("novaspeech ")]
    assert len(ours) == 9
    subprocess.run(["bash", "-ec", "\n".join(others[:-1])], check=True)
    for words in ours:
        assert main(words) == 0, words
    emotions = pd.read_csv("emotions.csv")
    assert list(emotions.columns) == ["file", "start", "end", "arousal", "dominance", "valence"]
    assert emotions["file"].unique().tolist() == ["talks/lesson1.flac", "talks/lesson2.flac"]
    recordings, turns = pd.read_csv("recordings.csv"), pd.read_csv("turns.csv")
    assert recordings["arousal_mean"].tolist() == pytest.approx(emotions.groupby("file")["arousal"].mean().tolist())
    assert turns[["file", "tier", "start"]].to_numpy().tolist()[0] == ["talks/lesson1.flac", "same_speaker", 0]
    assert len(turns) == 3
    assert pd.read_csv("keywords.csv")["label"].tolist() == ["money", "question"]
    assert len(pd.read_parquet("voices.parquet")) == 2
    eaf = Path("study/lesson2.eaf").read_text(encoding="utf-8")
    assert 'TIER_ID="keywords"' in eaf
    assert 'TIER_ID="alignment"' in eaf
    for name in ("lesson1.png", "lesson2.png", "lesson1.html", "lesson2.html"):
        assert Path("study", name).stat().st_size > 10_000
    assert others[-1] == "Rscript figure.R"
    if shutil.which("Rscript"):
        subprocess.run(["Rscript", "figure.R"], check=True)
        assert Path("figure.png").read_bytes().startswith(b"\x89PNG")
