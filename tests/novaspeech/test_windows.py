"""That nothing in modules/ works on POSIX only. Windows itself cannot be had here: this reads the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaspeech.module.catalogue import MODULES
from tests.conftest import ROOT

FILES = sorted([*MODULES.rglob("*.py"), *(ROOT / "demo").glob("*.py"), ROOT / "tasks.py"])
# Parts of Python's library that Windows does not have, or that mean something else there.
IMPORTS = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "spwd", "syslog", "termios", "tty"}
OF_OS = """
access chown chroot fork forkpty getegid geteuid getgid getloadavg getpgid getuid kill killpg lchown mkfifo mknod nice
openpty pread pwrite sched_getaffinity setsid setuid statvfs sync uname wait waitpid
"""
OF_SIGNAL = "SIGKILL SIGHUP SIGQUIT SIGPIPE SIGUSR1 alarm pause setitimer"
CALLS = {"socket.AF_UNIX", "time.tzset", "shutil.chown"}
CALLS |= {f"os.{name}" for name in OF_OS.split()} | {f"signal.{name}" for name in OF_SIGNAL.split()}
# What strings begin with that a POSIX system would take for places or programs.
PLACES = ("/dev/", "/proc/", "/tmp", "/etc/", "/bin/", "/usr/")  # noqa: S108


def posix_only(tree: ast.AST) -> Iterator[str]:
    """What a syntax tree uses that Windows does not have, but for what it asks for before."""
    asked = {
        f"{ast.unparse(node.args[0])}.{node.args[1].value}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("hasattr", "getattr")
        and len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"{node.lineno}: {alias.name}" for alias in node.names if alias.name in IMPORTS)
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names} & CALLS
            yield from (f"{node.lineno}: {name}" for name in names | ({node.module} & IMPORTS))
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in CALLS - asked:
            yield f"{node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(PLACES):
            yield f"{node.lineno}: {node.value!r}"
        elif (
            isinstance(node, ast.Call)
            and any(one.arg == "shell" for one in node.keywords)
            and ast.unparse(node.func) != "shellcode"  # which only writes for one
        ):
            yield f"{node.lineno}: a shell"
        elif isinstance(node, ast.keyword) and node.arg in ("preexec_fn", "start_new_session", "pass_fds"):
            yield f"{node.value.lineno}: {node.arg}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_nothing_is_for_posix_only(file: Path) -> None:
    assert list(posix_only(ast.parse(file.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_texts_are_read_and_written_as_utf_8(file: Path) -> None:
    """Elsewhere Python takes the system's encoding, which on Windows is another one."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        named = {one.arg for one in node.keywords}
        mode = next((a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)), "r")
        if name == "read_text" or (name == "write_text"):
            assert "encoding" in named or any(
                isinstance(a, ast.Constant) and str(a.value).lower() == "utf-8" for a in node.args
            ), f"{file.name}:{node.lineno} {ast.unparse(node)}"
        if name == "open" and ast.unparse(node.func) == "open" and "b" not in mode:
            assert "encoding" in named, f"{file.name}:{node.lineno} {ast.unparse(node)}"
