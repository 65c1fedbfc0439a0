"""The rooms of novaspeech: which may use which, and that nothing of it knows a module."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaspeech.module.catalogue import MODULES, module_names
from tests.conftest import ROOT

# From the bottom to the top: each may use itself and those before it.
ROOMS = (
    "foundation",
    "audio",
    "models",
    "inference",
    "server",
    "module",
    "formats",
    "api",
    "corpus",
    "view",
    "terminal",
    "command",
)
FOUNDATION = {"errors", "arrays", "colours", "hooks", "saving", "segments", "times", "wording"}
# Of a module: what knows a model and no server.
KNOWS_NO_SERVER = ("encoder.py", "network.py")
COMMAND = "from novaspeech.command.main import main; main"


def room(name: str) -> str | None:
    """The room of something imported, as "novaspeech.audio.grid"; None if it is none of ours."""
    parts = name.split(".")
    if parts[0] != "novaspeech":
        return None
    if parts[1:] == ["__main__"]:
        return "command"
    if len(parts) == 1 or parts[1] not in {*ROOMS, *FOUNDATION}:
        return "api"  # `import novaspeech`, novaspeech.api, novaspeech.result
    return "foundation" if parts[1] in FOUNDATION else parts[1]


def imports(tree: ast.AST, known: set[str]) -> Iterator[tuple[int, str]]:
    """Line and name of everything imported anywhere in a file, functions and TYPE_CHECKING included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"line {node.lineno}: import by full name"
            assert not node.level, f"line {node.lineno}: import by full name"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if whole in known else node.module


def names_of(files: list[Path]) -> set[str]:
    return {".".join(file.relative_to(MODULES).with_suffix("").parts) for file in files}


def breaches(file: Path, text: str, known: set[str]) -> list[str]:
    """What an imports test would complain of in a file with this text."""
    own = ".".join(file.relative_to(MODULES).with_suffix("").parts).removesuffix(".__init__")
    package, found = own.split(".")[0], []
    for line, name in imports(ast.parse(text), known):
        used, place = room(name), f"{file.relative_to(ROOT)}:{line}"
        if package == "novaspeech":
            if name.split(".")[0] in module_names():
                found.append(f"{place} imports the module {name}")
            above = used and ROOMS.index(used) > ROOMS.index(room(own) or "api")
            if above and own != "novaspeech":  # which imports on use only
                found.append(f"{place} imports {name}, which is in a room above")
        else:
            if name.split(".")[0] in set(module_names()) - {package}:
                found.append(f"{place} imports another module, {name}")
            if file.name in KNOWS_NO_SERVER and used in ("server", "module", "api", "command"):
                found.append(f"{place} imports {name}; a model knows no server")
    return found


def test_imports_run_downwards_only() -> None:
    files = sorted(MODULES.rglob("*.py"))
    known = names_of(files)
    assert len(files) > 50
    assert [line for file in files for line in breaches(file, file.read_text(encoding="utf-8"), known)] == []


@pytest.mark.parametrize(
    ("place", "line", "said"),
    [
        ("novaspeech/audio/grid.py", "from novaspeech.models import weights", "novaspeech.models.weights, which is in"),
        ("novaspeech/audio/grid.py", "def f():\n    import novaspeech.server.host", "server.host, which is in a room"),
        ("novaspeech/segments.py", "from novaspeech.audio.grid import WindowGrid", "grid, which is in a room above"),
        ("novaspeech/server/host.py", "import novaspeech", "imports novaspeech, which is in a room above"),
        ("novaspeech/command/run.py", "import byols.hear_api", "imports the module byols.hear_api"),
        ("byols/byols.py", "from emow2v.network import SCORES", "imports another module, emow2v.network"),
        ("byols/encoder.py", "from novaspeech.server import host", "novaspeech.server.host; a model knows no server"),
    ],
)
def test_a_line_that_breaks_it_is_named(place: str, line: str, said: str) -> None:
    [found] = breaches(MODULES / place, line, names_of(sorted(MODULES.rglob("*.py"))))
    assert found.startswith(f"modules/{place}:{line.count(chr(10)) + 1} imports ")
    assert said in found


def test_nothing_outside_a_module_names_it() -> None:
    """No list of modules anywhere: texts for people (docstrings) may give one as an example."""
    named = []
    for file in [*MODULES.glob("novaspeech/**/*.py"), *(ROOT / "demo").glob("*.py")]:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        docstrings = {node.body[0].value for node in ast.walk(tree) if isinstance(node, documented) and node.body
                      and isinstance(node.body[0], ast.Expr)}  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                named += [f"{file.name}:{node.lineno} {name}" for name in module_names() if name in node.value]
    assert named == []


SLOW = ("torch", "transformers", "scipy", "pandas", "matplotlib")  # seconds, or a good part of one, each


@pytest.mark.parametrize(
    ("code", "slow"),
    [
        ("import novaspeech; novaspeech.OptionError", (*SLOW, "numpy", "discover_utils")),
        (f"{COMMAND}(['--help'])", (*SLOW, "numpy", "discover_utils")),
        (f"{COMMAND}(['modules'])", SLOW),
        (f"{COMMAND}(['modules', '--json'])", SLOW),
        (f"{COMMAND}(['run', 'w2v', 'a.wav'])", SLOW),
        (f"{COMMAND}(['run', 'emow2v', 'a.wav', '--set', 'speed=2'])", SLOW),
    ],
    ids=["import", "help", "modules", "modules-json", "no-such-module", "no-such-option"],
)
def test_what_starts_often_starts_without_what_is_slow(code: str, slow: tuple[str, ...]) -> None:
    ask = f"import sys; print([name for name in {slow} if name in sys.modules])"
    code = f"import contextlib\nwith contextlib.suppress(SystemExit):\n    {code}\n{ask}"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"
