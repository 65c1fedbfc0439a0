"""What of the Dockerfile can be checked without Docker: its files, its packages, and how it starts the server."""

import json
import re
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

from tests.conftest import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LINES = [
    line for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    if line.strip() and not line.startswith("#")
]  # fmt: skip


def of(instruction: str) -> list[str]:
    return [line.partition(" ")[2] for line in LINES if line.split()[0] == instruction]


def test_it_copies_what_is_there_and_not_ignored() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0] == "!"]
    for line in of("COPY"):
        *sources, _ = line.split()
        for source in sources:
            assert source in kept or source == "wheels*"
            assert (ROOT / source).exists() or source == "wheels*"


def test_it_installs_extras_that_there_are() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    [install] = [line for line in of("RUN") if line.startswith("pip install")]
    [asked] = re.findall(r'"\.(\[[\w,]+\])"', install)
    assert Requirement(f"novaspeech{asked}").extras <= extras.keys()


def test_the_server_knows_its_arguments() -> None:
    [line] = of("ENTRYPOINT")
    program, *arguments = json.loads(line)
    flags = [argument for argument in arguments if argument.startswith("--")]
    answer = subprocess.run(
        [Path(sys.executable).with_name(program), "--help"], capture_output=True, text=True, check=True
    )
    assert all(f"{flag} " in answer.stdout for flag in flags)
    assert {"--cml_dir", "--data_dir", "--cache_dir", "--tmp_dir", "--log_dir", "--backend"} <= set(flags)
