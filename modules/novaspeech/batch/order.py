"""What a batch is to do with each recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from novaspeech.api import Model, window_times
from novaspeech.audio.recording import Recording
from novaspeech.batch.inputs import Found
from novaspeech.errors import RecordingError, RequestError
from novaspeech.formats.files import SSI, check_formats, left_out
from novaspeech.hooks import Log
from novaspeech.module.catalogue import Trainer, load_trainer, processor_class
from novaspeech.module.options import Options
from novaspeech.module.output import Output, chosen_outputs
from novaspeech.result import files_for, kind_of
from novaspeech.server import host

_AUDIO = "stream:Audio"  # what a trainer says of an input that is a recording


@dataclass(frozen=True)
class Order:
    """What to compute of recordings, the same for each.

    Attributes:
        module: its name.
        options: its options.
        windows: any of frame, stride, left, right, as text.
        outputs: ids or aliases; None takes those that the trainer ticks.
        inputs: further inputs by id.
        end: time at which to stop; None is the recording's end.
        formats: of the files, as `Result.save` takes them.
        dtype: of the numbers in npy.
    """

    module: str
    options: Mapping[str, str] = field(default_factory=dict)
    windows: Mapping[str, str] = field(default_factory=dict)
    outputs: Sequence[str] | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    end: str | None = None
    formats: Sequence[str] = (SSI,)
    dtype: str = "float32"

    def check(self, log: Log) -> list[Output]:
        """The outputs that are meant; all that can be wrong with an order is found here, without the model.

        Args:
            log: takes a line for each format that leaves something out.

        Raises:
            RequestError: no such module, output or input, an input that no output uses or cannot be read, a time that
                is none.
            OptionError: an unknown option or format, or a wrong value.
        """
        trainer = self.trainer
        self.parsed_options(trainer)
        self.milliseconds(trainer)
        outputs = chosen_outputs(trainer, processor_class(trainer).outputs, self.outputs, self.inputs)
        recordings = {entry.io_id for entry in trainer.inputs if entry.io_data == _AUDIO}
        for name, file in self.inputs.items():
            if not Path(file).expanduser().is_file():
                raise RequestError(f"--input {name}={file}: there is no such file")
            if name in recordings:  # one that cannot be read would fail each recording of the batch
                try:
                    Recording.open(Path(file).expanduser())
                except RecordingError as error:
                    raise RequestError(f"--input {name}={file}: {error}") from error
        kinds = {output.id: kind_of(output) for output in outputs}
        check_formats(self.formats, kinds)
        for form in self.formats:
            if lost := left_out(kinds, form):
                log(f"the format {form} leaves out {', '.join(lost)}; csv, parquet, npz and ssi hold all")
        return outputs

    @property
    def trainer(self) -> Trainer:
        """The module's.

        Raises:
            RequestError: there is no such module.
        """
        return load_trainer(self.module)

    def parsed_options(self, trainer: Trainer) -> Options:
        """The options with the defaults of what is not given.

        Raises:
            OptionError: an unknown one, or a wrong value.
        """
        return processor_class(trainer).options_class.parse(self.options)

    def milliseconds(self, trainer: Trainer) -> dict[str, int]:
        """Name → ms of the windows and of the end.

        Raises:
            RequestError: a time that is none.
        """
        return {**window_times(trainer, self.windows), "end": host.parse_time(self.end, "end")}

    def load(self, log: Log) -> Model:
        """The module with its model.

        Raises:
            OptionError, WeightsError: it cannot be had.
        """
        return Model(self.module, self.options, self.windows, log)


@dataclass(frozen=True)
class Task:
    """One recording of a batch.

    Attributes:
        recording: its file.
        folder: where its files go.
        seconds: how long it is, or as much of it as is wanted; 0 if nobody has looked.
    """

    recording: Path
    folder: Path
    seconds: float = 0.0

    def files(self, order: Order, outputs: Sequence[Output]) -> list[Path]:
        """The files that it is to give.

        Raises:
            RequestError: the name of one would be too long.
        """
        return files_for(self.recording.stem, outputs, self.folder, order.formats)

    def measure(self, end_ms: int) -> float:
        """Seconds of it that are wanted.

        Args:
            end_ms: where to stop; 0 is its end.

        Raises:
            RecordingError: it cannot be read.
        """
        duration_ms = Recording.open(self.recording).duration_ms
        return min(end_ms or duration_ms, duration_ms) / 1000


def tasks_of(found: Sequence[Found], out: Path | None) -> list[Task]:
    """A task for each recording, its files beside it or in a tree below `out` like the one that it was found in.

    Raises:
        RequestError: two would write the same files.
    """
    taken: dict[Path, Path] = {}
    tasks = []
    for one in found:
        folder = one.file.parent if out is None else out / one.below
        target = folder.resolve() / one.file.stem
        if target in taken:
            raise RequestError(
                f"{taken[target]} and {one.file} would both write {target}.*; rename one, or run them apart"
            )
        taken[target] = one.file
        tasks.append(Task(one.file, folder))
    return tasks
