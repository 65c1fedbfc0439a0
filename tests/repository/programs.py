"""Which programs the repository's Python files start, as far as their text tells."""

import ast
from collections.abc import Iterator
from pathlib import Path

STARTERS = {
    *(f"subprocess.{name}" for name in ("run", "Popen", "call", "check_call", "check_output")),
    *("shutil.which", "os.system", "os.popen", "os.execvp", "os.execlp", "os.spawnvp", "os.posix_spawnp"),
}
Function = ast.FunctionDef | ast.AsyncFunctionDef
UNKNOWN = "?"  # begins what the text does not tell


def programs(text: str) -> Iterator[tuple[str, int]]:
    """What a file starts, and in which line. A name stands for what its function assigns to it, else the file."""
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in STARTERS and node.args:
            around = [one for one in functions if one.lineno <= node.lineno <= (one.end_lineno or 0)]
            yield from ((word, node.lineno) for word in _first_words(node.args[0], [*reversed(around), tree], 4))


def _first_words(node: ast.expr, scopes: list[ast.AST], depth: int) -> Iterator[str]:
    """Each first word that an expression may stand for."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value.split()[0]
        return
    following: list[ast.expr] = []
    if isinstance(node, ast.List | ast.Tuple):
        following = node.elts[:1]
    elif isinstance(node, ast.Starred | ast.Subscript):
        following = [node.value]
    elif isinstance(node, ast.Dict):
        following = node.values
    elif isinstance(node, ast.Name) and depth:
        following = next((values for scope in scopes if (values := list(_assigned(node.id, scope)))), [])
    if not following:
        yield f"{UNKNOWN} {ast.unparse(node)}"
    for value in following:
        yield from _first_words(value, scopes, depth - 1)


def _assigned(name: str, scope: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(scope):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=False))
            yield from (value for one, value in pairs if isinstance(one, ast.Name) and one.id == name)


def programs_in(folder: Path) -> set[tuple[str, str, int]]:
    """Program, file and line of what the Python files of a folder start, or one file."""
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*.py"))
    return {(word, path.as_posix(), line) for path in paths for word, line in programs(path.read_text("utf-8"))}
