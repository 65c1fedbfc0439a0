"""What shells offer at the cursor, asked by the shells themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from novaspeech.formats.files import FORMATS
from novaspeech.module.catalogue import load_trainer, module_names, options_of
from tests.conftest import ROOT

# What each shell does at a tab, but for showing what it found.
TABS = {
    "bash": """
        eval "$(novaspeech completion bash)"
        COMP_LINE=$LINE; COMP_POINT=${#LINE}
        _python_argcomplete novaspeech
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "fish": """
        novaspeech completion fish | source
        complete -C $LINE | string replace --regex '\\t.*' ''
    """,
    "zsh": """
        autoload -Uz compinit; compinit -D -u
        eval "$(novaspeech completion zsh)"
        _describe() { print -l -- ${${(P)2}%%:*} }
        BUFFER=$LINE; CURSOR=${#LINE}; words=(${(z)LINE})
        _python_argcomplete
    """,
}


def offered(shell: str, line: str, folder: Path) -> set[str]:
    """What a shell offers where the line ends; in bash without what stands before a = there."""
    command = folder / "novaspeech"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m novaspeech "$@"\n')
    command.chmod(0o755)
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "modules")}
    environment |= {"LINE": line, "HOME": str(folder), "TERM": "dumb"}
    program = {"bash": "bash", "fish": "fish", "zsh": "zsh"}[shell]
    try:
        answer = subprocess.run(
            [program, "-c", TABS[shell]],
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip(f"{shell} is not installed")
    assert answer.stderr == ""
    words = [word.strip() for word in answer.stdout.splitlines() if word.strip()]
    after = "=" in line.split()[-1]  # bash offers what follows a =, the others the whole word
    return {word.partition("=")[2] if after and "=" in word else word for word in words}


OFFERS = {
    "novaspeech run emow2v --format ": set(FORMATS),
    "novaspeech run wav2vec2_sv --set ": {f"{name}=" for name in options_of("wav2vec2_sv").fields()},
    "novaspeech run emow2v --set context=": {"window", "recording"},
    "novaspeech run emow2v les": {"lesson.wav"},
    "novaspeech com": {"completion"},
    "novaspeech run ": set(module_names()),
    "novaspeech run emow2v --form": {"--format"},
    "novaspeech run emow2v a.wav --output ": {entry.io_id for entry in load_trainer("emow2v").outputs},
    "novaspeech run wav2vec2_sv --input ": {"reference="},
    "novaspeech run wav2vec2_sv --set reference=tea": {"teacher.wav"},
    "novaspeech doctor emow2v by": {"byols"},
    "novaspeech verify --set ": {f"{name}=" for name in options_of("wav2vec2_sv").fields()},
    "novaspeech align --model s": {"small"},
    "novaspeech verify --device ": {"auto", "cpu", "cuda", "mps"},
}


@pytest.mark.parametrize(
    ("shell", "line"), [(shell, line) for shell in TABS for line in [*OFFERS][: 4 if shell != "bash" else None]]
)
def test_it_offers(shell: str, line: str, tmp_path: Path) -> None:
    for name in ("teacher.wav", "lesson.wav"):
        (tmp_path / name).touch()
    assert offered(shell, line, tmp_path) == OFFERS[line]
