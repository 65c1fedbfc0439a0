"""Every program that is started anywhere stands in one list, from which `tasks.py` installs what a task needs."""

import subprocess
import sys
from pathlib import Path

import pytest

import tasks
from tests.conftest import ROOT
from tests.repository.programs import UNKNOWN, programs, programs_in

ROOMS = ("modules", "demo", "docs", "benchmarks", "training", "tests", "tasks.py")
# What stands for Python, for a server's own program in the environment, or for a program that the list itself names.
NO_PROGRAM = {
    "benchmarks": {"command"},
    "demo": {"str(self._command)"},
    "tests": {"Path(sys.executable).with_name(program)", "installed / 'novaspeech'", "next(iter({'sox'}))"},
    "tasks.py": {"VENV / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')", "str(PYTHON)", "program"},
}


def listed(room: str) -> set[str]:
    """The programs that the list has for a room; those that a browser's tests start are the tests', too."""
    rooms = {room, f"{room}:may", *(["browser"] if room == "tests" else [])}
    return {program for program, (_, users) in tasks.PROGRAMS.items() if rooms & set(users.split())}


@pytest.mark.parametrize("room", ROOMS)
def test_every_program_that_is_started_is_listed(room: str) -> None:
    known = {f"{UNKNOWN} {text}" for text in NO_PROGRAM.get(room, set()) | {"sys.executable"}} | listed(room)
    assert [found for found in sorted(programs_in(ROOT / room)) if found[0] not in known] == []


def test_nothing_is_listed_that_nobody_starts() -> None:
    started = {found[0] for room in ROOMS for found in programs_in(ROOT / room)}
    assert started >= tasks.PROGRAMS.keys()


@pytest.mark.parametrize(
    "text",
    [
        'subprocess.run(["sox", "a.wav"])',
        'shutil.which("sox")',
        'command = ["sox", "-q"]\nsubprocess.Popen([*command, "a.wav"])',
        'subprocess.run({"a": ["sox"]}[kind], check=True)',
        'os.system("sox a.wav")',
    ],
)
def test_a_planted_program_is_found(text: str) -> None:
    assert {program for program, _ in programs(text)} == {"sox"}


def test_a_program_that_no_text_tells_is_found_when_a_test_starts_it() -> None:
    with pytest.raises(AssertionError, match="sox is started here, and PROGRAMS in tasks.py has it not for tests"):
        subprocess.run([next(iter({"sox"}))])


def test_a_task_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where nothing may be installed: no apt-get, or nobody who may use it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(tasks.TaskError, match="ffprobe, ffmpeg, openssl, espeak-ng, .* not found; install .*espeak-ng"):
        tasks.ensure("tests")


def test_a_task_installs_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By an apt-get of ours, which writes the programs of the packages that it is asked for."""
    program = tmp_path / "apt-get"
    packages = {package: name for name, (package, _) in tasks.PROGRAMS.items()}
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfrom pathlib import Path\n"
        f"for package, name in {packages!r}.items():\n"
        f"    if package in sys.argv:\n"
        f"        for one in {{'ffmpeg': ['ffmpeg', 'ffprobe']}}.get(package, [name]):\n"
        f"            Path({str(tmp_path)!r}, one).write_text('')\n"
        f"            Path({str(tmp_path)!r}, one).chmod(0o755)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    tasks.ensure("tests")
    assert {path.name for path in tmp_path.iterdir()} == {"apt-get", *tasks.needed_by("tests")}
