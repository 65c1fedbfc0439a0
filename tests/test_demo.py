"""`make demo` as a person runs it, without what make installs before."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from matplotlib.image import imread

from demo.standins import STANDINS, lay_out_as_cached
from tests.conftest import ROOT


def run_demo(out: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "demo", "--out", str(out), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def rows(answer: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """The table's lines, by module."""
    assert answer.returncode == 0, answer.stderr
    lines = [line.split() for line in answer.stdout.splitlines() if line.startswith(tuple(STANDINS))]
    return {words[0]: words for words in lines if words[1].isdigit()}


def test_with_standins_then_again_with_models(tmp_path: Path, small_model: Path) -> None:
    out = tmp_path / "out"
    first = run_demo(out, HF_HUB_CACHE=str(tmp_path), HF_HUB_OFFLINE="1")  # no published model is cached
    assert {module: words[1] for module, words in rows(first).items()} == dict.fromkeys(STANDINS, "350")
    assert first.stdout.count("its numbers mean nothing") == 2
    assert "ones: make demo MODEL=facebook/w2v-bert-2.0" in first.stdout
    assert min(imread(out / f"{module}.png").shape[0] for module in STANDINS) > 300

    published, make = STANDINS["emow2v"]
    lay_out_as_cached(tmp_path, published, make)
    named = ["--model", f"w2v_bert_2={small_model}"]
    second = run_demo(out, *named, HF_HUB_CACHE=str(tmp_path / "hub"), HF_HUB_OFFLINE="1")
    assert rows(second).keys() == STANDINS.keys()
    assert f"emow2v: {published} from {tmp_path}/hub." in second.stdout
    assert "w2v_bert_2: facebook" not in second.stdout
    assert "mean nothing" not in second.stdout


def test_a_model_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    answer = run_demo(tmp_path / "out", "--model", f"emow2v={tmp_path}")
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith(f"demo: the job ended with ERROR: {tmp_path} is no model folder")


def test_a_model_of_no_module_is_one_sentence(tmp_path: Path) -> None:
    answer = run_demo(tmp_path / "out", "--model", "some/model")
    assert answer.returncode == 1
    sentence = "demo: 'some/model' does not say which module it is for; write for example emow2v=some/model"
    assert answer.stderr.splitlines()[-1] == sentence


def test_a_missing_ffprobe_is_one_sentence(tmp_path: Path) -> None:
    answer = run_demo(tmp_path, PATH=str(tmp_path))
    assert answer.returncode == 1
    sentence = "demo: ffprobe is missing; install ffmpeg first (Debian, Ubuntu: sudo apt-get install ffmpeg)"
    assert answer.stderr.splitlines()[-1] == sentence


def test_no_network_is_one_sentence_after_pips_own(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    answer = subprocess.run(
        [str(ROOT / "demo" / "install"), sys.executable, "venv", "server"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith("novaspeech: pip could not install; its message is above (without")
