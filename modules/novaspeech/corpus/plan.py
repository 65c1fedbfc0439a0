"""The plan of a run, which is the same for each process that works on it."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import novaspeech
from novaspeech.api import Model, window_times
from novaspeech.audio.recording import Recording
from novaspeech.corpus.fetched import at_hand, settled, stamp
from novaspeech.corpus.own_inputs import with_own
from novaspeech.corpus.rows import Row
from novaspeech.corpus.store import BOOKS, Store, is_url
from novaspeech.corpus.table import part_name, write_part
from novaspeech.errors import RecordingError, RequestError, quoted
from novaspeech.formats.files import NPY, SSI, check_formats, left_out
from novaspeech.formats.one_table import Table
from novaspeech.formats.places import NO_PLACE, files_for, kept_of
from novaspeech.formats.track import Kept
from novaspeech.hooks import Log
from novaspeech.module.catalogue import Trainer, advising, load_trainer, processor_class
from novaspeech.module.options import Options
from novaspeech.module.output import Output, chosen_outputs
from novaspeech.result import Result
from novaspeech.times import milliseconds
from novaspeech.wording import COMMAND

_AUDIO = "stream:Audio"  # what a trainer says of an input that is a recording
_OF_OUTPUTS = ("options", "inputs", "files")  # of an origin: what may concern some outputs only
_SHORT_S = 15.0  # recordings up to here may share passes; longer ones fill them


@dataclass(frozen=True)
class Plan:
    """Module, options and outputs of a run, and where its results go.

    Attributes:
        module: its name.
        options: its options.
        windows: any of frame, stride, left, right, as text.
        outputs: ids or aliases; None takes those that the trainer ticks.
        inputs: further inputs by id.
        own: ids of the further inputs that each recording has of its own.
        end: time at which to stop; None is the recording's end.
        formats: of the files, as `Result.save` takes them.
        dtype: of the numbers in npy.
        table: what goes into one table of all recordings.
        out: folder or URL of the results; "" is beside each recording.
        together: the most short recordings that share passes.
        many: whether a corpus is worked on below `out`, that is gone on with whoever dies.
        origin: what decides the numbers, but for the recording: versions, options, windows, the files that they name.
        run: tells the attempts of this run from those of others.
    """

    module: str
    options: Mapping[str, str] = field(default_factory=dict)
    windows: Mapping[str, str] = field(default_factory=dict)
    outputs: Sequence[str] | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    own: Sequence[str] = ()
    end: str | None = None
    formats: Sequence[str] = (SSI,)
    dtype: str = "float32"
    table: Table | None = None
    out: str = ""
    together: int = 1
    many: bool = False
    origin: dict[str, Any] = field(default_factory=dict)
    run: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def trainer(self) -> Trainer:
        """The module's. Raises RequestError if there is no such module."""
        return load_trainer(self.module)

    @property
    def parsed_options(self) -> Options:
        """Options with the defaults of what is not given. Raises OptionError for an unknown or a wrong one."""
        return processor_class(self.trainer).options_class.parse(self.options)

    @cached_property  # of each recording it is asked
    def chosen(self) -> list[Output]:
        """Outputs that are meant. Raises RequestError as `chosen_outputs` does."""
        known = processor_class(self.trainer).outputs
        inputs = [*self.inputs, *self.own]
        return chosen_outputs(self.trainer, known, self.outputs, inputs, self.parsed_options, COMMAND)

    @cached_property
    def kept(self) -> list[Kept]:
        """What the names of their files tell of the outputs."""
        return kept_of(self.module, self.chosen, named=self.outputs is not None)

    def checked(self, log: Log, rows: Sequence[Row] = ()) -> Plan:
        """The same plan with its model settled and its origin; all that can be wrong is found here, without the model.

        Args:
            log: takes a line for each format that leaves something out.
            rows: what it is for; if nothing of it is there, no model is asked for.

        Raises:
            RequestError: no such module, output or input, an input that no output uses or cannot be read, a time that
                is none.
            OptionError: an unknown option or format, or a wrong value.
            RecordingError: none of the recordings is there.
            WeightsError: there is no such model.
        """
        if self.formats or not self.table:
            check_formats(self.formats, self.kept)
        if self.dtype != "float32" and set(self.formats) != {NPY}:
            raise RequestError(f"--dtype {self.dtype} is for --format npy; NOVA's streams hold float32")
        self._check_inputs()
        for form in self.formats:
            if lost := left_out(self.kept, form):
                log(f"the format {form} leaves out {', '.join(lost)}; parquet, npz and ssi hold all")
        parsed, windows = self.parsed_options, window_times(self.trainer, self.windows)
        times = {**windows, "end": milliseconds(self.end or 0, "end")}
        if rows and not any(row.is_there for row in rows):
            Recording.open(Path(rows[0].place))
        with advising(self.module, parsed.model, COMMAND):
            pinned = replace(self, options=settled(parsed, self.options))
        return replace(pinned, origin=pinned._origin(times))

    def _origin(self, times: Mapping[str, int]) -> dict[str, Any]:
        parsed = self.parsed_options
        named = [str(getattr(parsed, name)) for name, entry in parsed.fields().items() if entry.metadata["file"]]
        places = [place for place in (*named, *self.inputs.values()) if place]
        origin = {
            "novaspeech": novaspeech.__version__,
            "module": self.module,
            "version": self.trainer.version,
            "options": parsed.concerning({output.id for output in self.chosen}),
            "milliseconds": dict(times),
            "inputs": dict(self.inputs),
            "files": {place: found for place in places if (found := stamp(place))},
            "dtype": self.dtype,
        }
        as_read: dict[str, Any] = json.loads(json.dumps(origin))
        return as_read

    def load(self, log: Log) -> Model:
        """The module with its model. Raises OptionError or WeightsError if it cannot be had."""
        return Model(self.module, at_hand(self.parsed_options, self.options), self.windows, log, COMMAND)

    def file_names(self, row: Row) -> list[str]:
        """Names of the files that a recording gives, without those of data. Raises RequestError for a too long one."""
        if row.span and row.span[0] and SSI in self.formats and any(one.kind != "segments" for one in self.kept):
            raise RequestError(f"{row.name}: {NO_PLACE}")
        folder = Path(self.out if not is_url(self.out) else "", row.folder).expanduser()
        names = [file.name for file in files_for(row.name, self.kept, folder, self.formats)] if self.formats else []
        return list(dict.fromkeys([*names, *([part_name(self.table, row.name)] if self.table else [])]))

    def written(self, result: Result, row: Row, folder: Path) -> list[Path]:
        """Writes the files of a recording's result; gives their paths, without those of data."""
        files = result.save(folder, self.formats, self.dtype, overwrite=True) if self.formats else []
        return [*files, *(write_part(self.table, result, row, folder) if self.table else [])]

    def claim(self, store: Store, *, overwrite: bool = False) -> None:
        """From now on only results that are made in this way are to be below `out`; raises as `check`.

        Args:
            overwrite: whether it does not matter what is there.
        """
        there = {} if overwrite else self.check(store)
        if (origin := united(there, self.origin)) != there:
            store.write(self._book, json.dumps(origin, indent=1).encode())
        self.check(store)  # of two that come at once, the later one's is there

    @property
    def _book(self) -> str:
        return f"{BOOKS}/{self.module}.json"

    def check(self, store: Store) -> dict[str, Any]:
        """The way in which results of the module below `out` are made; RequestError if it is another one."""
        content = store.read(self._book)
        try:
            there: dict[str, Any] = {} if content is None else json.loads(content)
        except ValueError as error:
            raise RequestError(f"{self.out}/{self._book} is no JSON; take another place, or --overwrite") from error
        if differing := list(differences(there, self.origin)) if there else []:
            raise RequestError(
                f"{self.out} holds results of {self.module} that were made in another way, which differs in "
                f"{'; '.join(differing)}; take another place, the same options, or --overwrite to make all of them anew"
            )
        return there

    def groups(self, rows: Iterable[Row]) -> Iterator[list[Row]]:
        """Rows as they are worked on: each alone, of short neighbours `together`."""
        for is_short, found in itertools.groupby(rows, lambda row: 0 < row.size <= _SHORT_S):
            alike, count = list(found), self.together if is_short and not self.own else 1
            yield from (alike[start : start + count] for start in range(0, len(alike), count))

    def with_own(self, rows: Sequence[Row]) -> tuple[Plan, list[Row]]:
        """The plan and its rows, where inputs are folders: of each recording its own file there."""
        own = {name: place for name, place in self.inputs.items() if Path(place).expanduser().is_dir()}
        for name, place in own.items():
            rows = with_own(rows, name, str(Path(place).expanduser()), sound=name in self._sounds)
        shared = {name: place for name, place in self.inputs.items() if name not in own}
        return replace(self, inputs=shared, own=(*self.own, *own)), list(rows)

    @property
    def _sounds(self) -> set[str]:
        """Ids of the inputs that are recordings."""
        return {entry.io_id for entry in self.trainer.inputs if entry.io_data == _AUDIO}

    def _check_inputs(self) -> None:
        recordings = self._sounds
        for name, place in self.inputs.items():
            file = Path(place).expanduser()
            if not file.is_file():
                raise RequestError(f"--input {name}={place}: there is no such file")
            if name in recordings:  # one that cannot be read would fail each recording
                try:
                    Recording.open(file)
                except RecordingError as error:
                    raise RequestError(f"--input {name}={place}: {error}") from error


def differences(there: Any, mine: Any, name: str = "") -> Iterator[str]:
    """What differs between two origins, in words; options and files that concern outputs of one only do not."""
    if isinstance(there, dict) and isinstance(mine, dict):
        for key in [*there, *(key for key in mine if key not in there)]:
            if name not in _OF_OUTPUTS or (key in there and key in mine):
                yield from differences(there.get(key), mine.get(key), f"{name}.{key}" if name else key)
    elif there != mine:
        yield f"{name} ({quoted(str(there))} there, {quoted(str(mine))} here)"


def united(there: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, Any]:
    """An origin of the outputs of two, which do not differ."""
    return {**mine, **{name: {**there.get(name, {}), **mine[name]} for name in _OF_OUTPUTS}}
