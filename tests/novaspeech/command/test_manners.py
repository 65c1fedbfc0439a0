"""What a command owes the person and the shell that call it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import novaspeech
from demo.standins import make_standin
from novaspeech.command import doctor
from novaspeech.command.main import main, parser
from novaspeech.module.catalogue import module_names
from tests.conftest import ROOT, SPELLER
from tests.repository.reach import DEPENDENCIES, EXTRAS, STATED

Speech = Callable[..., Path]


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "novaspeech", *map(str, arguments)]
    paths = {"PYTHONPATH": str(ROOT / "modules")}
    return subprocess.run(command, capture_output=True, check=False, env=os.environ | paths | environment)


def commands() -> dict[str, str]:
    """Name of each command → its help."""
    [described] = [action for action in parser()._actions if action.choices and action.metavar == "COMMAND"]
    assert isinstance(described.choices, dict)
    return {name: command.format_help() for name, command in described.choices.items()}


def test_every_command_says_what_it_does_with_examples_that_can_be_parsed() -> None:
    found = commands()
    assert {"run", "convert", "view", "plot", "find", "verify", "export", "download", "doctor", "completion"} <= set(
        found
    )
    for name, text in found.items():
        examples = text.split("examples:\n")[1].strip().splitlines()
        assert examples
        for example in examples:
            words = example.split(" > ")[0].replace('"money, thank you"', "money").split()
            assert words[:2] == ["novaspeech", name]
            parser().parse_args(words[1:])


def test_version_by_the_script_and_by_python() -> None:
    answer = run("--version")
    assert (answer.returncode, answer.stdout.decode().strip()) == (0, f"novaspeech {novaspeech.__version__}")


def test_a_reader_that_has_enough_is_no_problem() -> None:
    """As in `novaspeech modules | head -1`, by bash alone; Python would end with a traceback."""
    command = f"'{sys.executable}' -m novaspeech modules | {{ read -r line; echo $line; }}; echo ${{PIPESTATUS[0]}}"
    answer = subprocess.run(
        ["bash", "-c", command], capture_output=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT / "modules")}
    )
    assert answer.stderr.decode() == ""
    first, status = answer.stdout.decode().splitlines()
    assert first.startswith("byols ")
    assert int(status) in (0, 141), "0 where all fitted into the pipe"


def test_terminals_without_utf_8(speech: Speech) -> None:
    """`find` ended with status 1, "nothing found", on a name that the terminal could not show."""
    name = "Grüße – 日本.wav"
    audio = speech(name, seconds=14)
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C.UTF-8"}
    answer = run("find", "money", audio, "--model", SPELLER, "--threshold", "0", **environment)
    assert answer.returncode == 0, answer.stderr
    assert b"Traceback" not in answer.stderr
    shown = name.encode("ascii", "backslashreplace")
    assert shown in answer.stdout


def test_modules_for_people_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modules", "--json"]) == 0
    found = {module["name"]: module for module in json.loads(capsys.readouterr().out)}
    assert list(found) == module_names()
    options = {option["name"]: option for option in found["wav2vec2_kws"]["options"]}
    assert options["tolerance"] == {
        "name": "tolerance", "default": 0, "text": "wrong letters that a recognised word may have", "choices": [],
        "minimum": 0, "maximum": 3,
    }  # fmt: skip
    assert found["emow2v"]["windows_ms"] == {"frame": 40, "left": 960, "right": 0}
    assert {"id": "scene", "data": "stream:SSIStream", "on_by_default": False} in found["byols"]["outputs"]
    assert main(["modules", "wav2vec2_kws"]) == 0
    said = capsys.readouterr().out
    assert "wrong letters that a recognised word may have" in said
    assert "byols" not in said
    assert main(["modules", "wav2vec2_sv"]) == 0
    assert "  option   threshold = \n" in capsys.readouterr().out


def test_doctor_finds_a_machine_on_which_all_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "emow2v", "byols"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^  pyarrow +[\d.]+ +formats: Parquet$", said, re.MULTILINE)
    for expected in ("python ", "torch ", "cores ", "ffprobe ", "cache ", "GB free", "audeering/wav2vec2-large-robust"):
        assert expected in said
    tests = said.split("self-test: ")[1].splitlines()[1:]
    assert [line.split()[:2] for line in tests] == [["emow2v", "works"], ["byols", "works"]]
    assert "125 arousal" in tests[0]


def test_doctor_knows_all_packages_and_the_extras_that_bring_them() -> None:
    """But for those of developers, the extras test and dev."""
    said = {name: purpose for name, purpose in doctor._PACKAGES.items() if name in STATED}
    assert said.keys() >= DEPENDENCIES.keys()
    for extra in EXTRAS.keys() - {"test", "dev"}:
        brought = EXTRAS[extra].keys() - {"novaspeech"}
        assert brought == {name for name, purpose in said.items() if purpose.startswith(f"{extra}: ")}
    assert all(said.values())


def test_doctor_says_what_does_not_work(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(doctor, "_sound", lambda: np.zeros(8, np.float32))
    assert main(["doctor", "byols"]) == 1
    said = capsys.readouterr().out
    assert "ffprobe              – (novaspeech needs none; the servers do)" in said
    assert "(PyAV 1" in said
    assert said.splitlines()[-1].startswith("  byols            FAILS  ")


def test_download_loads_what_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fetching itself, and what is half fetched: tests/novaspeech/models/test_hub.py."""
    own = make_standin("emow2v", tmp_path / "own")
    assert main(["download", "emow2v", "--set", f"model={own}"]) == 0
    assert capsys.readouterr().out.startswith(f"emow2v: {own}, 0.")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert main(["download", "emow2v", "w2v_bert_2"]) == 1
    problems = [line for line in capsys.readouterr().err.splitlines() if line.startswith("novaspeech: ")]
    assert [line.split(":")[1].strip() for line in problems] == ["emow2v", "w2v_bert_2"]
    assert main(["download", "emo"]) == 1
    assert "there is no module 'emo'" in capsys.readouterr().err
