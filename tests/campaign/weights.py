"""Models whose files came to harm: an error in one line, or the same values; never a hang, a crash or a traceback."""

from __future__ import annotations

import json
import random
import resource
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from novaspeech.module.catalogue import module_names
from tests.campaign.base import ROOT, Kind, Problem, Section, World
from tests.campaign.child import Ended, run_child
from tests.campaign.sounds import DAMAGES

LIMIT = 90.0
MEMORY = 16 * 2**30  # bytes of address space: a damaged size must not fill the machine
WAYS = (*(name for name in DAMAGES if name != "none"), "missing", "a folder", "wrong JSON", "wrong JSON", "header")
ODD: tuple[Any, ...] = (None, -1, 0, 3, 1e9, 10**12, "x", [], {}, True, [[1]], float("nan"))

Values = dict[str, Any]


def use(module: str, options: Mapping[str, Any], recording: str) -> tuple[str, Values]:
    """Loads a model and runs it; in a child. The message of an error, and the values."""
    import novaspeech

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        result = novaspeech.load(module, **options)(recording, end="3s")
    except novaspeech.NovaspeechError as error:
        return str(error) or "(no message)", {}
    return "", {name: value if isinstance(value, list) else np.asarray(value) for name, value in result.items()}


class Weights(Section):
    """Each trial is one damaged file of one module's stand-in."""

    name = "weights"
    count = 180

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._references: dict[str, Values] = {}
        self._silent = self._refused = self._same = 0

    def try_one(self, index: int) -> list[Problem]:
        modules = module_names()
        module, way = modules[index % len(modules)], WAYS[index // len(modules) % len(WAYS)]
        chance = self.world.random(self.name, index)
        wanted = self._reference(module)
        place, file = self._copy(module, chance, wants_json=way == "wrong JSON")
        what = f"{module}, {file.name if place.is_dir() else 'the checkpoint'}, {way}"
        what += _harm(file, way, chance)
        ended = self._use(module, place)
        problems = ended.problems(what)
        if ended.value is None:
            return problems
        said, values = ended.value
        if said:
            self._refused += 1
            return problems + ([Problem(Kind.MESSAGE, f"{what}: {said[:300]!r}")] if "\n" in said else [])
        different = _difference(values, wanted)
        self._same += not different
        if not different:
            return problems
        # Nothing says what a folder's weights should be; what states shapes and settings can be held to account.
        if file.suffix != ".json" and "NaN" not in different:
            self._silent += 1
            return problems
        return [*problems, Problem(Kind.WRONG, f"{what}: {different}")]

    def finish(self, tried: int) -> list[Problem]:
        self.notes.append(
            f"weights: {self._refused} refused in a message, {self._same} gave the same values; {self._silent} gave "
            f"others without a word, by damage inside weights, which no checksum covers"
        )
        return []

    def _reference(self, module: str) -> Values:
        if module not in self._references:
            ended = self._use(module, self.world.model(module))
            if ended.value is None or ended.value[0]:
                raise RuntimeError(f"{module} cannot be run undamaged: {ended.value} {ended.printed[-300:]}")
            self._references[module] = ended.value[1]
        return self._references[module]

    def _use(self, module: str, place: Path) -> Ended:
        recording = ROOT / "demo" / "recording.flac"
        options = {**self.world.options(module), "model": str(place)}
        return run_child(use, module, options, str(recording), folder=self.folder / "scratch", limit=LIMIT)

    def _copy(self, module: str, chance: random.Random, *, wants_json: bool) -> tuple[Path, Path]:
        """The model anew, and the file of it that is to be damaged."""
        source, place = self.world.model(module), self.folder / module
        shutil.rmtree(place, ignore_errors=True)
        if source.is_file():
            shutil.copy(source, place)
            return place, place
        shutil.copytree(source, place)
        files = [file for file in sorted(place.iterdir()) if file.is_file()]
        known = [file for file in files if file.suffix == ".json"] if wants_json else files
        return place, chance.choice(known)


def _harm(file: Path, way: str, chance: random.Random) -> str:
    """Damages a file; what more there is to say of it."""
    if way == "missing":
        file.unlink()
    elif way == "a folder":
        file.unlink()
        file.mkdir()
    elif way == "wrong JSON" and file.suffix == ".json":
        content = json.loads(file.read_text())
        key, value = chance.choice(sorted(content)), chance.choice(ODD)
        content[key] = value
        file.write_text(json.dumps(content))
        return f" ({key}: {json.dumps(value)})"
    elif way == "wrong JSON":
        file.write_text("{}")
    else:
        content = bytearray(file.read_bytes())
        before = bytes(content)
        DAMAGES[way](content, chance)
        file.write_bytes(content)
        changed = next(
            (place for place, pair in enumerate(zip(before, content, strict=False)) if pair[0] != pair[1]), -1
        )
        return f" (from byte {changed})" if changed >= 0 else ""
    return ""


def _difference(found: Values, wanted: Values) -> str:
    """In what way values are not those of the undamaged model; "" if they are."""
    for name, value in wanted.items():
        other = found.get(name)
        if isinstance(value, list):
            if other != value:
                return f"other {name}"
        elif other is None or other.shape != value.shape:
            return f"{name} of shape {None if other is None else other.shape}, not {value.shape}"
        elif np.isnan(other).any() and not np.isnan(value).any():
            return f"{name} is NaN"
        elif not np.allclose(other, value, rtol=1e-4, atol=1e-5, equal_nan=True):
            return f"{name} differs by up to {float(np.nanmax(np.abs(other - value))):.2g}"
    return ""
