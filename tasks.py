"""What `make` calls, also where there is neither make nor sh: python tasks.py demo, test, test-view, lint and so on.

It needs Python's own library only. What it installs goes into .venv.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
OLDEST = (3, 10)
# Each environment's stamp, and the extra that makes it; what is newer than a stamp asks for it anew.
STAMPS = {"server,view": VENV / "installed", "dev": VENV / "installed-dev"}
SOURCES = (ROOT / "pyproject.toml", ROOT / "constraints.txt")
# Every program that is started here: its Debian package, and who needs it. A task installs what its own room needs.
# "may": it is used where it is there. tests/repository/test_programs.py holds what is started against this.
PROGRAMS = {
    "ffprobe": ("ffmpeg", "demo tests modules:may"),  # what the servers ask; `novaspeech doctor` looks for it
    "ffmpeg": ("ffmpeg", "tests"),
    "openssl": ("openssl", "demo tests"),
    "espeak-ng": ("espeak-ng", "tests training benchmarks"),
    "git": ("git", "tests benchmarks"),
    "bash": ("bash", "tests"),
    "fish": ("fish", "tests:may"),
    "zsh": ("zsh", "tests:may"),
    "Rscript": ("r-base-core", "tests:may"),
    "mount": ("mount", "tests:may"),
    "umount": ("mount", "tests:may"),
    "chromium": ("chromium", "browser"),
    "chromedriver": ("chromium-driver", "browser"),
    "npm": ("npm", "training"),
    "dpkg-deb": ("dpkg", "training"),
    "apt-get": ("apt", "training tasks.py:may tests:may"),
}


class TaskError(Exception):
    """A task cannot be done; the message is for the person at the terminal."""


def main() -> int:
    """Does a task; gives its exit status, 1 with one sentence on standard error if it cannot begin."""
    parser = argparse.ArgumentParser(prog="python tasks.py", description=__doc__.split("\n")[0])
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    demo = tasks.add_parser("demo", help="a bundled recording through the real DISCOVER server")
    demo.add_argument("more", nargs=argparse.REMAINDER, help="of the demo, as --model ID")
    for name, text in (
        ("test", "the tests"), ("test-view", "those in a browser"), ("lint", "ruff and mypy"),
        ("docs", "the site of the documentation, into site/"),
        ("install", "the environment for all of these"), ("clean", "removes the environment and what the demo wrote"),
    ):  # fmt: skip
        tasks.add_parser(name, help=text)
    given = parser.parse_args()
    try:
        return _do(given.task, getattr(given, "more", []))
    except TaskError as error:
        print(f"novaspeech: {error}", file=sys.stderr)
        return 1


def _do(task: str, more: Sequence[str]) -> int:
    if task == "clean":
        shutil.rmtree(VENV, ignore_errors=True)
        shutil.rmtree(ROOT / "demo" / "out", ignore_errors=True)
        return 0
    install("server,view" if task == "demo" else "dev")
    if task == "demo":
        ensure("demo")
        return _run("-m", "demo", *more)
    if task == "test":
        ensure("tests")
        pytest = ("-m", "pytest", "-n", "2", "--dist", "worksteal")
        return _run(*pytest, OMP_NUM_THREADS="1")
    if task == "test-view":
        ensure("tests")
        ensure("browser")
        return _run("-m", "pytest", "-m", "browser", "tests/novaspeech/view")
    if task == "docs":
        return _run("-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", "site", NO_MKDOCS_2_WARNING="1")
    if task == "lint":
        commands = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))
        return max(_run("-m", *command) for command in commands)
    return 0


def install(extra: str) -> None:
    """Makes the environment and installs novaspeech with an extra into it, unless that is done.

    Raises:
        TaskError: Python is too old, no environment could be made, or pip failed.
    """
    stamp = STAMPS[extra]
    if stamp.is_file() and all(stamp.stat().st_mtime >= source.stat().st_mtime for source in SOURCES):
        return
    if sys.version_info < OLDEST:
        raise TaskError(f"Python {sys.version.split()[0]} is too old; Python 3.10 or newer is needed (make PYTHON=…)")
    if not PYTHON.is_file() or subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        if not _can_make_environments() and _may_install():
            _apt_get(["python3-venv"])
        if subprocess.run([sys.executable, "-m", "venv", VENV], check=False).returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            raise TaskError(f"no environment could be made in {VENV}; on Debian: apt-get install python3-venv")
    print(f"novaspeech: installing into {VENV} (minutes the first time) …", flush=True)
    # HEAR's validator asks for TensorFlow, gigabytes that models in torch do not need.
    wanted = [["--editable", f".[{extra}]"], *([["--no-deps", "hearvalidator"]] if extra == "dev" else [])]
    for arguments in wanted:
        pip = ("-m", "pip", "install", "--quiet", "--constraint", "constraints.txt", *arguments)
        if _run(*pip, PIP_DISABLE_PIP_VERSION_CHECK="1"):
            raise TaskError(
                "pip could not install; its message is above (without a network, point pip at a folder of wheels: "
                "PIP_NO_INDEX, PIP_FIND_LINKS)"
            )
    for name, other in STAMPS.items():
        if extra in (name, "dev"):
            other.touch()


def needed_by(room: str) -> list[str]:
    """The programs that a room cannot do without."""
    return [program for program, (_, rooms) in PROGRAMS.items() if room in rooms.split()]


def ensure(room: str) -> None:
    """Installs programs of a room that are missing where apt-get may.

    Raises:
        TaskError: they are missing.
    """
    missing = _missing(needed_by(room))
    packages = sorted({PROGRAMS[program][0] for program in missing})
    if missing and _may_install():
        print(f"novaspeech: installing {' '.join(packages)} with apt-get …", flush=True)
        _apt_get(packages)
        missing = _missing(missing)
    if missing:
        raise TaskError(
            f"{', '.join(missing)} not found; install {' and '.join(packages)} first (Debian, Ubuntu: sudo apt-get "
            f"install {' '.join(packages)}; macOS: brew install; Windows: winget install, such as Gyan.FFmpeg)"
        )


def _missing(programs: Iterable[str]) -> list[str]:
    return [program for program in programs if shutil.which(program) is None]


def _run(*arguments: str, **environment: str) -> int:
    command = [str(PYTHON), *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False).returncode


def _can_make_environments() -> bool:
    try:
        import ensurepip  # noqa: F401
    except ImportError:  # Debian has it in a package of its own
        return False
    return True


def _may_install() -> bool:
    return shutil.which("apt-get") is not None and getattr(os, "geteuid", lambda: 1)() == 0


def _apt_get(packages: Sequence[str]) -> None:
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", *packages]):
        subprocess.run(["apt-get", *arguments], stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    sys.exit(main())
