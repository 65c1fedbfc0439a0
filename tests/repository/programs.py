"""Which programs the repository's Python files start, as far as their text tells."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

STARTERS = {
    *(f"subprocess.{name}" for name in ("run", "Popen", "call", "check_call", "check_output")),
    *("shutil.which", "os.system", "os.popen", "os.execvp", "os.execlp", "os.spawnvp", "os.posix_spawnp"),
}
Function = ast.FunctionDef | ast.AsyncFunctionDef
Found = tuple[str, str, int]  # program, file, line
UNKNOWN = "?"  # begins what the text does not tell


class Programs(ast.NodeVisitor):
    """All that some files start; a call whose program is a function's parameter is looked up where that is called.

    Args:
        files: name → text.
    """

    def __init__(self, files: dict[str, str]) -> None:
        self.found: set[Found] = set()
        self._trees = {name: ast.parse(text) for name, text in files.items()}
        self._scopes: list[ast.AST] = []
        for name, tree in self._trees.items():
            self._name, self._scopes = name, [tree]
            self.visit(tree)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._scopes.append(node)
        self.generic_visit(node)
        self._scopes.pop()

    def visit_Call(self, node: ast.Call) -> None:
        if ast.unparse(node.func) in STARTERS and node.args:
            for program in self._words(node.args[0], self._scopes, 0):
                self.found.add((program, self._name, node.lineno))
        self.generic_visit(node)

    def _words(self, node: ast.expr, scopes: list[ast.AST], depth: int) -> Iterator[str]:
        """Each first word that an expression may stand for."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.split()[0]
        elif isinstance(node, ast.List | ast.Tuple) and node.elts:
            yield from self._words(node.elts[0], scopes, depth)
        elif isinstance(node, ast.Starred | ast.Subscript):
            yield from self._words(node.value, scopes, depth)
        elif isinstance(node, ast.Dict):
            for value in node.values:
                yield from self._words(value, scopes, depth)
        elif isinstance(node, ast.Name) and depth < 4 and (values := list(_values(node.id, scopes))):
            for value in values:
                yield from self._words(value, scopes, depth + 1)
        elif isinstance(node, ast.Name) and depth < 4 and (place := _parameter(node.id, scopes)):
            yield from self._at_calls(*place, depth)
        else:
            yield f"{UNKNOWN} {ast.unparse(node)}"

    def _at_calls(self, function: str, place: int, depth: int) -> Iterator[str]:
        """What the callers of a function give in a place."""
        for tree in self._trees.values():
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == function:
                    for argument in node.args[place : place + 1]:
                        yield from self._words(argument, [tree], depth + 1)


def _values(name: str, scopes: list[ast.AST]) -> Iterator[ast.expr]:
    """What is assigned to a name, in the innermost scope that assigns to it."""
    for scope in reversed(scopes):
        found = [value for node in ast.walk(scope) for value in _assigned(name, node)]
        bound = any(isinstance(node, ast.Name) and node.id == name and _is_stored(node) for node in ast.walk(scope))
        if found or bound or _is_parameter(name, scope):
            yield from found
            return


def _assigned(name: str, node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id == name:
                yield node.value
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=False)
                yield from (value for one, value in pairs if isinstance(one, ast.Name) and one.id == name)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value and ast.unparse(node.target) == name:
        yield node.value


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _is_parameter(name: str, scope: ast.AST) -> bool:
    return isinstance(scope, Function) and name in _names(scope)


def _names(function: Function) -> list[str]:
    arguments = function.args
    more = [arguments.vararg] if arguments.vararg else []
    return [one.arg for one in (*arguments.posonlyargs, *arguments.args, *more) if one.arg != "self"]


def _parameter(name: str, scopes: list[ast.AST]) -> tuple[str, int] | None:
    """The function whose parameter a name is, and its place among them."""
    for scope in reversed(scopes):
        if isinstance(scope, Function) and name in _names(scope):
            return scope.name, _names(scope).index(name)
    return None


def programs_in(folder: Path) -> set[Found]:
    """What the Python files of a folder start, or one file."""
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*.py"))
    return Programs({path.as_posix(): path.read_text("utf-8") for path in paths}).found
