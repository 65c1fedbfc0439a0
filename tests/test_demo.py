"""`make demo` as a person runs it, without what make installs before."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from discover_utils.data.handler.file_handler import FileHandler
from discover_utils.utils.ssi_xml_utils import URI
from matplotlib.image import imread

from demo.__main__ import RECORDING, choose_options, main
from demo.standins import lay_out, make_standin
from novaspeech.module.catalogue import Trainer, load_trainer, module_names, published_name, standins
from tests.conftest import ROOT, Site


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
    lines = [line.split() for line in answer.stdout.splitlines() if line.startswith(tuple(module_names()))]
    return {words[0]: words for words in lines if words[1].isdigit()}


def windows_of(trainer: Trainer) -> int:
    """What the table must say: steps in the module's recording."""
    return int(soundfile.info(RECORDING).duration * 1000) // trainer.content.meta_frame_step


def test_with_standins(tmp_path: Path) -> None:
    out = tmp_path / "out"
    empty = {"HF_HUB_CACHE": str(tmp_path), "HF_ASSETS_CACHE": str(tmp_path)}  # no published model is cached
    answer = run_demo(out, **empty, HF_HUB_OFFLINE="1")
    assert {module: int(words[1]) for module, words in rows(answer).items()} == {
        trainer.name: windows_of(trainer) for trainer in map(load_trainer, module_names())
    }
    assert answer.stdout.count("its numbers mean nothing") == sum(one.small is None for one in standins().values())
    assert "ones: make demo MODEL=facebook/w2v-bert-2.0" in answer.stdout
    assert min(imread(out / f"{module}.png").shape[0] for module in module_names()) > 300
    pages = [(out / f"{module}.html").as_uri() for module in module_names()]
    lines = [line.strip() for line in answer.stdout.splitlines()]
    assert lines[-len(pages) - 3 : -3] == pages
    assert lines[-3:-1] == ["", "a recording of yours:"]
    typed = [str(out / "results") if word == "results" else word for word in shlex.split(lines[-1])]
    typed[typed.index("RECORDING")] = str(RECORDING)
    assert (ROOT / typed[0]).is_file()
    words = ["-m", "novaspeech", *typed[typed.index("run") :]]
    subprocess.run([sys.executable, *words], cwd=ROOT, env={**os.environ, **empty}, check=True)
    assert list((out / "results").glob("recording.*.annotation"))
    for trainer in map(load_trainer, module_names()):
        for entry in trainer.outputs:
            kind = entry.io_data.split(":")[0]
            assert len(FileHandler().load(out / f"{trainer.name}.{entry.io_id}.{kind}").data) > 0, entry.io_id


def test_with_models_that_are_named_or_cached(
    tmp_path: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What each job is told; that a job uses it, the sentence below shows of a model that is none."""
    lay_out("emow2v", tmp_path)
    mine = make_standin("byols", tmp_path / "mine.pth")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ASSETS_CACHE", str(tmp_path / "assets"))
    named = {"w2v_bert_2": str(small_model), "byols": str(mine)}
    modules = ("byols", "emow2v", "w2v_bert_2")
    options = {module: choose_options(module, named.get(module), tmp_path) for module in modules}
    assert {module: found["model"] for module, found in options.items() if "model" in found} == named
    said = capsys.readouterr().out
    assert f"emow2v: {published_name('emow2v')} from {tmp_path}/hub or {tmp_path}/assets." in said
    assert not re.search("^(w2v_bert_2|byols): [a-zA-Z]+/", said, re.MULTILINE)
    assert "mean nothing" not in said
    assert "takes its place" not in said


@pytest.fixture
def complaint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """The sentence with which a demo ends that cannot go on; the first module is byols."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["demo", "--out", str(tmp_path / "out"), *arguments])
        assert main() == 1
        return capsys.readouterr().err.splitlines()[-1]

    return run


def test_a_model_that_is_none_is_one_sentence(complaint: Callable[..., str], tmp_path: Path) -> None:
    said = complaint("--model", f"byols={tmp_path}")
    assert said.startswith(f"demo: the job ended with ERROR: {tmp_path} is no file")


def test_a_published_checkpoint_that_is_not_on_the_hub_can_be_asked_for(
    complaint: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in (("HF_HUB_CACHE", tmp_path), ("HF_ASSETS_CACHE", tmp_path), ("HF_HUB_OFFLINE", 1)):
        monkeypatch.setenv(variable, str(value))
    said = complaint("--model", "GasserElbanna/serab-byols")
    assert "bs256-lr0003-rs42.pth cannot be fetched (HF_HUB_OFFLINE is set)" in said


@pytest.mark.parametrize("answer", ["y", "", None])
def test_at_a_terminal_it_offers_to_fetch_a_published_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], site: str, answer: str | None
) -> None:
    """From a server on loopback, in place of the published one; None: without a terminal."""
    for variable in ("HF_HUB_CACHE", "HF_ASSETS_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    content = make_standin("byols", tmp_path / "published.pth").read_bytes()
    Site.files["/byols.pth"] = content
    uri = URI("default", f"{site}/byols.pth", f"sha256:{hashlib.sha256(content).hexdigest()}")
    for place in ("demo.__main__", "novaspeech.module.catalogue"):
        monkeypatch.setattr(f"{place}.published_uri", lambda module: uri)
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: answer is not None, raising=False)
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: [asked.append(question), answer][1])
    options = choose_options("byols", None, tmp_path)
    size = f"{len(content) / 1e6:.1f} MB"
    assert asked == ([] if answer is None else [f"byols: fetch GasserElbanna/serab-byols ({size})? [y/N] "])
    assert ("model" in options) == (answer != "y")
    assert ("its numbers mean nothing" in capsys.readouterr().out) == (answer != "y")


def test_a_model_of_no_module_is_one_sentence(complaint: Callable[..., str]) -> None:
    sentence = "demo: 'some/model' does not say which module it is for; write for example byols=some/model"
    assert complaint("--model", "some/model") == sentence


def test_a_missing_ffprobe_is_one_sentence(
    complaint: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sentence = "demo: ffprobe is missing; install ffmpeg first (Debian, Ubuntu: sudo apt-get install ffmpeg)"
    assert complaint() == sentence


def test_no_network_is_one_sentence_after_pips_own(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "tasks.py"):
        shutil.copy(ROOT / name, tmp_path)
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    answer = subprocess.run(
        [sys.executable, str(tmp_path / "tasks.py"), "demo"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith("novaspeech: pip could not install; its message is above (without")
