"""What a module owes, each duty in words: a folder in modules/ that passes this works wherever modules do.

`novaspeech new-module NAME` makes a folder that passes.
"""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from novaspeech.module.catalogue import (
    MODULES,
    has_weights,
    load_trainer,
    module_names,
    options_of,
    processor_class,
    weights_of,
)
from novaspeech.module.options import Options
from tests.conftest import ROOT
from tests.repository.reach import BY_NAME, ON_DEMAND, STATED, TESTED, Reach, read_requirements
from tests.repository.test_rooms import SLOW
from tests.repository.trainers import as_it_should_be

NOVA = (ROOT / "docs" / "nova.md").read_text(encoding="utf-8")
OPTIONS = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.parametrize("name", module_names())


def readme(name: str) -> str:
    return (MODULES / name / "README.md").read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[str]:
    """First cells of the first table below a heading; none if there is no table."""
    part = re.split(r"^#", re.split(rf"^{re.escape(heading)}$", text, flags=re.MULTILINE)[1], flags=re.MULTILINE)[0]
    table = re.search(r"(^\|.*\n)+", part, re.MULTILINE)
    return re.findall(r"^\| `(\w+)` \|", table[0], re.MULTILINE) if table else []


def own_options(options: type[Options]) -> list[str]:
    """Names of those that the module's own classes write."""
    parts = [part for part in options.__mro__ if not part.__module__.startswith("novaspeech.")]
    return [name for part in parts for name in inspect.get_annotations(part) if name in options.fields()]


def test_it_has_the_files_that_servers_and_people_look_for(name: str) -> None:
    there = {file.name for file in (MODULES / name).iterdir()}
    assert {"__init__.py", f"{name}.py", f"{name}.trainer", "requirements.txt", "version.py", "README.md"} <= there


def test_its_version_has_three_numbers(name: str) -> None:
    """Servers name environments by it: a change of requirements needs a new one."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", load_trainer(name).version)


def test_its_trainer_names_the_class_and_what_that_can_give(name: str) -> None:
    trainer = load_trainer(name)
    made = processor_class(trainer)
    assert [(entry.io_id, entry.io_data) for entry in trainer.outputs] == [(one.id, one.data) for one in made.outputs]
    assert trainer.inputs[0].io_id == "audio"
    assert {used for output in made.outputs for used in output.inputs} <= {entry.io_id for entry in trainer.inputs}
    assert trainer.content.meta_is_iterable
    assert trainer.content.meta_frame_step > 0
    assert trainer.content.meta_description


def test_novas_form_does_not_smooth_what_it_has_found(name: str) -> None:
    """A form with a discrete output asks the servers to merge and delete segments, unless the trainer says not to."""
    text = (MODULES / name / f"{name}.trainer").read_text(encoding="utf-8")
    if "annotation:Discrete" in text:
        assert 'enable_post_process="False"' in text


def test_its_trainers_optstr_is_what_its_options_say(name: str) -> None:
    """`python -m tests.repository.trainers --write` writes it."""
    _, text, wanted = as_it_should_be(name)
    assert text == wanted


def test_its_options_are_read_without_its_model(name: str) -> None:
    """`novaspeech modules` and a shell's completion read them often: options.py imports nothing that computes."""
    assert processor_class(load_trainer(name)).options_class is options_of(name)
    code = f"import sys, {name}.options; print([slow for slow in {SLOW} if slow in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_its_readme_explains_its_own_inputs_outputs_and_options(name: str) -> None:
    trainer, text = load_trainer(name), readme(name)
    assert rows(text, "### Input") == [entry.io_id for entry in trainer.inputs]
    assert rows(text, "### Output") == [entry.io_id for entry in trainer.outputs]
    assert sorted(rows(text, "## Options")) == sorted(own_options(options_of(name)))


def test_its_other_options_are_explained_once_for_all(name: str) -> None:
    options = options_of(name)
    shared = options.fields().keys() - set(own_options(options))
    assert shared <= set(re.findall(r"^\| `(\w+)` \|", OPTIONS, re.MULTILINE))


def test_its_readme_has_one_request_that_it_serves(name: str) -> None:
    [block] = re.findall(r"^payload = (\{.*?^\})$", readme(name), re.MULTILINE | re.DOTALL)
    payload = request_of(block)
    trainer = load_trainer(name)
    assert payload["trainerFilePath"].split("\\")[-2:] == [name, f"{name}.trainer"]
    known = {other for output in processor_class(trainer).outputs for other in (output.id, *output.aliases)}
    data = json.loads(payload["data"])
    assert {entry["id"] for entry in data if entry["type"] == "output"} <= known
    assert {entry["id"] for entry in data if entry["type"] == "input"} <= {entry.io_id for entry in trainer.inputs}
    assert json.loads(payload.get("options", "{}")).keys() <= options_of(name).fields().keys()


def request_of(block: str) -> dict[str, Any]:
    """What a README's Python says, `json.dumps` of literals computed."""
    found: dict[str, Any] = {}
    tree = ast.parse(block, mode="eval").body
    assert isinstance(tree, ast.Dict)
    for key, value in zip(tree.keys, tree.values, strict=True):
        assert isinstance(key, ast.Constant)
        dumped = isinstance(value, ast.Call)
        literal = ast.literal_eval(value.args[0] if isinstance(value, ast.Call) else value)
        found[str(key.value)] = json.dumps(literal) if dumped else literal
    return found


def test_its_annotations_have_a_row_in_novas_table_of_schemes(name: str) -> None:
    trainer, written = load_trainer(name), [line for line in NOVA.splitlines() if line.startswith(f"| {name} |")]
    for output in processor_class(trainer).outputs:
        if output.kind != "annotation":
            continue
        row = next((line for line in written if f"`{output.id}`" in line), "")
        assert output.subtype in row, f"docs/nova.md, section 7, needs a row: | {name} | `{output.id}` | …"
        if output.subtype == "continuous":
            rate = 1000 / trainer.content.meta_frame_step
            assert f"continuous, {rate:g} Hz, from {output.low:g} to {output.high:g}" in row


def test_its_further_inputs_are_explained_to_people_who_use_nova(name: str) -> None:
    for entry in load_trainer(name).inputs[1:]:
        assert f"`{entry.io_id}`" in NOVA or f"'{entry.io_id}'" in NOVA


def test_it_requires_what_a_server_imports(name: str) -> None:
    named = read_requirements(MODULES / name / "requirements.txt")
    reached = Reach(MODULES / name / f"{name}.py").packages - ON_DEMAND.get(name, set())
    assert named.keys() == reached | BY_NAME.get(name, set())


def test_its_requirements_have_the_projects_bounds_and_are_pinned_for_tests(name: str) -> None:
    named = read_requirements(MODULES / name / "requirements.txt")
    assert {key: str(entry) for key, entry in named.items()} == {key: str(STATED[key]) for key in named}
    assert named.keys() <= TESTED.keys()


def test_it_says_where_its_weights_come_from(name: str) -> None:
    weights, trainer = weights_of(name), load_trainer(name)
    if not has_weights(name):
        return
    if weights.home == "hub":
        assert "/" in (weights.name or trainer.options["model"])
    if weights.home == "uri":
        assert weights.uri in {uri.uri_id for uri in trainer.content.meta_uri}
        assert weights.name
    if weights.home == "folder":
        assert weights.place
        assert weights.place.exists()
    else:
        assert weights.stand_in, "the demo and tests need something where there is no network"


def test_what_it_fetches_has_a_hash(name: str) -> None:
    for uri in load_trainer(name).content.meta_uri:
        assert uri.uri_url.startswith("https://")
        assert re.fullmatch(r"zenodo|(md5|sha256|git):[0-9a-f]+", uri.uri_hash)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def test_it_imports_no_other_module(name: str) -> None:
    used = {used.split(".")[0] for file in (MODULES / name).rglob("*.py") for used in imports(file)}
    assert not used & (set(module_names()) - {name})


def test_it_has_tests(name: str) -> None:
    assert list((ROOT / "tests" / name).glob("test_*.py"))


def test_people_find_it_in_the_readme(name: str) -> None:
    assert f"(modules/{name}/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_threads_of_torch_sleep_when_they_wait(name: str) -> None:
    """The environment says so before torch is loaded, which reads it then."""
    code = f"""
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"), flush=True)
            os._exit(0)
sys.meta_path.insert(0, Watch())
from importlib.machinery import SourceFileLoader  # as the host loads it
SourceFileLoader("ns_script", {str(MODULES / name / f"{name}.py")!r}).load_module()
"""
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.split() in (["PASSIVE"], [])  # of one without torch
