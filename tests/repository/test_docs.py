"""The pages in docs/ against the code: what a person reads there is what messages say. Modules: test_duties.py."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaspeech import errors
from novaspeech.module.catalogue import MODULES
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "nova.md").read_text(encoding="utf-8")
SERVERS_OWN = ("No connection to server!", "SSL certificates not found", "MongoDB TLS connection attempt failed.")


def messages() -> list[str]:
    table = PAGE.split("## 9. What a message means")[1]
    rows = re.findall(r"^\| (.+?) \| .+ \|$", table, re.MULTILINE)[1:]
    return [message for row in rows for message in row.split("; ") if message not in SERVERS_OWN]


@pytest.mark.parametrize("message", messages())
def test_every_message_is_one_of_ours(message: str) -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in MODULES.rglob("*.py"))
    sources = re.sub(r"\"\s*\n\s*f?\"", "", sources)  # strings over several lines
    said = re.sub(r"'?\{[^{}\n]*\}'?", "…", sources)
    for part in re.sub(r"'…'", "…", message).strip("… .").split(" … "):
        assert part.strip() in said, part


TROUBLES = ROOT / "docs" / "troubleshooting.md"
ERRORS = {name for name in vars(errors) if name.endswith("Error")}


def template(node: ast.expr) -> str:
    """What an expression says, with … for each part that is known only when it is said."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) for part in node.values)
    return "…"


def said(directory: Path) -> Iterator[str]:
    """What each error says that the code below a folder makes."""
    for path in directory.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            if ast.unparse(node.func) == "require" and path.name != "errors.py":
                yield ": pip install ".join(map(template, node.args))
            elif ast.unparse(node.func).rpartition(".")[2] in ERRORS and path.name != "errors.py":
                yield re.sub(r"…[…\s]*…", "…", template(node.args[0]))


def test_what_is_explained_is_said_by_the_code() -> None:
    """Of the errors the page has those that people meet: each line of ours says by itself what to do."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", TROUBLES.read_text(encoding="utf-8"), re.MULTILINE)
    explained = [line for row in rows for line in row[0].split("<br>") if row[0] not in ("the line", "you use")]
    assert sorted(set(explained)) == sorted(explained)
    code = set(said(MODULES))
    assert 25 <= len(explained) <= 35
    assert not set(explained) - code, "said nowhere"
