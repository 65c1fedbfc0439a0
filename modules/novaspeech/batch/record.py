"""What made the files of a recording: a small JSON file beside them, by which a second run knows what it can skip."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import novaspeech
from novaspeech.batch.order import Order, Task
from novaspeech.models.hub import cached_revision
from novaspeech.module.catalogue import load_trainer, module_names, processor_class
from novaspeech.saving import save_json

_DATA = "~"  # ends the name of a server's second file of an output


def origin(order: Order) -> dict[str, Any]:
    """What decides the numbers, but for the recording: versions, options, windows, the files that they name.

    Raises:
        RequestError, OptionError: the order is wrong.
    """
    trainer = order.trainer
    parsed = order.parsed_options(trainer)
    options = dataclasses.asdict(parsed)
    named = [str(options[name]) for name, field in parsed.fields().items() if field.metadata["file"]]
    places = [place for place in (*named, *order.inputs.values()) if place]
    return {
        "novaspeech": novaspeech.__version__,
        "module": order.module,
        "version": trainer.version,
        "options": options,
        "milliseconds": order.milliseconds(trainer),
        "inputs": dict(order.inputs),
        "files": {place: stamp for place in places if (stamp := _stamp(place))},
    }


class Record:
    """The JSON file of a task, `NAME.MODULE.json`.

    Args:
        origin: as the function of this name gives it.
    """

    def __init__(self, task: Task, origin: Mapping[str, Any]) -> None:
        self.file = task.folder / f"{task.recording.stem}.{origin['module']}.json"
        self._task = task
        self._origin = origin

    def tells_of(self, files: Iterable[Path]) -> bool:
        """Whether files are all there, whole, and made by the same model, options and versions of the recording."""
        known = _read(self.file)
        made: Any = known.get("made")
        if not isinstance(made, dict) or known.get("from") != self._from():
            return False
        files = {*files, *(data for file in files if (data := _data_of(file)).name in made)}
        return all(made.get(file.name) == _size(file) is not None for file in files)

    @contextmanager
    def around(self, files: Sequence[Path], threshold: float | None = None) -> Iterator[None]:
        """Inside, files are saved. Until they are, there is no record: a kill must not leave it beside other files.

        Args:
            threshold: from which score on something was taken to be so.

        Raises:
            SavingError: it cannot be written.
        """
        before = self._still_made()
        self.file.unlink(missing_ok=True)
        yield
        found = [*files]
        found += [data for file in found if (data := _data_of(file)).exists()]
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        made = {**before, **{file.name: _size(file) for file in found}}
        place = str(self._task.recording.absolute())
        content = {"from": self._from(), "made": made, "at": now, "recording": place, "threshold": threshold}
        save_json(content, self.file)

    def _still_made(self) -> dict[str, int]:
        """Name → size of the files that were made in the same way, of other outputs and formats, too."""
        known = _read(self.file)
        same = known.get("from") == self._from()
        return dict(known["made"]) if same and isinstance(known.get("made"), dict) else {}

    def _from(self) -> dict[str, Any]:
        status = self._task.recording.stat()
        recording = {"name": self._task.recording.name, "bytes": status.st_size, "modified": int(status.st_mtime)}
        return {"recording": recording, **self._origin}


@dataclass(frozen=True)
class Remembered:
    """What records tell those who look at results.

    Attributes:
        recording: where it was, if it still is there.
        thresholds: id of an output of scores → from which score on something was taken to be so.
    """

    recording: Path | None
    thresholds: dict[str, float]

    @classmethod
    def of(cls, folder: Path, name: str) -> Remembered:
        """What the records of a recording tell; `name` is the recording's."""
        recording: Path | None = None
        thresholds: dict[str, float] = {}
        for module in module_names():
            known = _read(folder / f"{name}.{module}.json")
            place = Path(str(known.get("recording", "")))
            recording = place if place.is_absolute() and place.is_file() else recording
            threshold = known.get("threshold")
            if isinstance(threshold, (int, float)):
                outputs = processor_class(load_trainer(module)).outputs
                thresholds |= {one.id: float(threshold) for one in outputs if one.subtype == "continuous"}
        return cls(recording, thresholds)


def _read(file: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        content = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    return {}


def _data_of(file: Path) -> Path:
    return file.with_name(f"{file.name}{_DATA}")


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None


def _stamp(place: str) -> str:
    """What tells a file, a folder or a model of the Hub from what else may have its name; "" if it is none of these."""
    with suppress(OSError, RuntimeError):  # a text that is no path
        path = Path(place).expanduser()
        if path.is_file() or path.is_dir():
            files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
            stats = [(file.name, file.stat().st_size, int(file.stat().st_mtime)) for file in files]
            return hashlib.blake2b(json.dumps(stats).encode(), digest_size=8).hexdigest()
    return cached_revision(place)
