"""novaspeech from Python: load a module once, call it with recordings."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from novaspeech.audio.excerpt import Excerpt
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.sources import ArraySource
from novaspeech.errors import OptionError, RecordingError, RequestError
from novaspeech.hooks import Log, Progress, ignore_progress
from novaspeech.inference.encoder import Encoder
from novaspeech.result import Result
from novaspeech.server import host
from novaspeech.server.catalogue import Trainer, load_processor, load_trainer
from novaspeech.server.inputs import missing_input, parse_place
from novaspeech.server.outputs import Output
from novaspeech.server.processor import naming
from novaspeech.server.session import Session

# A file, or samples (n,) or (n, channels) and their rate in Hz.
Audio: TypeAlias = "str | Path | tuple[np.ndarray, int]"
# "40ms", "1.5s", a whole number of milliseconds, or a fraction of seconds.
Time: TypeAlias = "str | int | float"


def load(
    module: str,
    /,
    *,
    frame: Time | None = None,
    stride: Time | None = None,
    left: Time | None = None,
    right: Time | None = None,
    log: Log = lambda line: None,
    **options: object,
) -> Model:
    """A module with its model in memory.

    >>> model = novaspeech.load("w2v_bert_2", model="models/w2v-bert-2.0", device="cpu", stride="100ms")

    Args:
        module: its name, as `novaspeech modules` lists it.
        frame: time that one output stands for; left out, the module's own.
        stride: time from one output to the next; left out, the frame.
        left, right: audio before and after the frame that the model also hears; left out, the module's own.
        log: takes a line about what happens: where the model computes, what is fetched, what cannot be used.
        options: the module's options, as `model`, `device`, `precision`, `batch_size`.

    Raises:
        RequestError: no such module, or a time that is none.
        OptionError: an unknown option or a wrong value; no such device.
        WeightsError: the model cannot be had.
    """
    given = {"frame": frame, "stride": stride, "left": left, "right": right}
    return Model(module, options, {name: time for name, time in given.items() if time is not None}, log)


class Model:
    """A module with its model in memory; call it with recordings, from one thread or several, one after the other.

    Args:
        module, log: see `load`.
        options: the module's.
        times: any of frame, stride, left, right.

    Attributes:
        module: the module's name.
        outputs: id of each output → what it is.
        processor: what a server would call.
    """

    def __init__(self, module: str, options: Mapping[str, object], times: Mapping[str, Time], log: Log) -> None:
        self._trainer = load_trainer(module)
        self._times = window_times(self._trainer, times)
        self._lock = threading.Lock()
        self.module = module
        self.processor = load_processor(self._trainer, options, log)
        self.outputs = {output.id: output for output in self.processor.outputs}

    @property
    def encoder(self) -> Encoder:
        """The model as `Inference` runs it."""
        return self.processor.encoder

    def __repr__(self) -> str:
        return f"<novaspeech {self.module}: {', '.join(self.outputs)}; {self.encoder}>"

    def __call__(
        self,
        recording: Audio,
        outputs: Collection[str] | None = None,
        *,
        inputs: Mapping[str, Audio] | None = None,
        end: Time | None = None,
        name: str | None = None,
        progress: Progress = ignore_progress,
    ) -> Result:
        """Runs the model over a recording.

        >>> result = model("lesson.mp4", outputs=["similarity"], inputs={"reference": "teacher.wav"})

        Args:
            recording: a file that libsndfile or ffmpeg reads, or samples (n,) or (n, channels) and their rate in Hz.
            outputs: ids of those wanted; None takes those that the module's trainer ticks.
            inputs: further inputs by id.
            end: time at which to stop; None or 0 is the recording's end, as for the servers.
            name: what files are called after; None takes the recording's own, without its ending.
            progress: called with the windows done and their total.

        Raises:
            RequestError: no such output or input, or windows that cannot be.
            RecordingError, ModelError: a recording cannot be read, or intact audio gave NaN or infinite values.
        """
        further = _FurtherInputs(self.module, inputs or {})
        chosen = chosen_outputs(self._trainer, self.outputs.values(), outputs, further.given)
        if name is None:
            name = "recording" if isinstance(recording, tuple) else Path(recording).stem

        with self._lock, naming(name):
            opened = open_audio(recording, name)
            end_ms = min(host.parse_time(end, "end") or opened.duration_ms, opened.duration_ms)
            frame, stride, left, right = (self._times[name] for name in ("frame", "stride", "left", "right"))
            grid = WindowGrid.fit(frame, stride, left, right, end_ms, opened.name)
            inference = self.processor.inference(lambda line: self.processor.log(f"{name}: {line}"), progress)
            asked = frozenset(output.id for output in chosen)
            session = Session(name, opened, grid, end_ms, asked, further.excerpt, further.labels, inference)
            return Result(session, self.processor.run(session), chosen)


def window_times(trainer: Trainer, given: Mapping[str, Time]) -> dict[str, int]:
    """Milliseconds of "frame", "stride", "left" and "right"; what is not given is the trainer's.

    Raises:
        RequestError: a time that is none.
    """
    meta = trainer.content
    parsed = {name: host.parse_time(time, name) for name, time in given.items()}
    frame = parsed.get("frame", meta.meta_frame_step)
    return {"frame": frame, "stride": frame, "left": meta.meta_left_ctx, "right": meta.meta_right_ctx} | parsed


def chosen_outputs(
    trainer: Trainer, known: Iterable[Output], outputs: Collection[str] | None, inputs: Collection[str]
) -> list[Output]:
    """The outputs of these ids or aliases; None means those that the trainer ticks.

    Args:
        known: what the module can give.
        inputs: ids of the further inputs that are given.

    Raises:
        RequestError: there is no such output or further input, or none of the outputs uses an input.
    """
    known = list(known)
    by_name = {name: output for output in known for name in (output.id, *output.aliases)}
    ticked = [entry.io_id for entry in trainer.outputs if entry.io_default_active]
    further = [entry.io_id for entry in trainer.inputs[1:]]
    names = ticked if outputs is None else list(outputs)
    for kind, wanted, there in (("output", names, by_name), ("further input", inputs, further)):
        for name in wanted:
            if name not in there:
                listed = ", ".join([output.id for output in known] if kind == "output" else further) or "none"
                raise RequestError(f"{trainer.name} has no {kind} {name!r}; it has {listed}")
    if not names:
        raise RequestError(f"no output is asked for; {trainer.name} has {', '.join(output.id for output in known)}")
    chosen = list({by_name[name].id: by_name[name] for name in names}.values())
    for name in inputs:
        if not any(name in output.inputs for output in chosen):
            users = ", ".join(output.id for output in known if name in output.inputs)
            asked = ", ".join(output.id for output in chosen)
            raise RequestError(f"the input {name!r} is for the outputs {users}, and only {asked} is asked for")
    return chosen


@dataclass(frozen=True)
class _FurtherInputs:
    """What a call from Python gives besides the recording, as a `Session` asks for it."""

    module: str
    given: Mapping[str, Audio]

    def excerpt(self, option: str, place: str, input_id: str) -> Excerpt:
        if place:
            return Excerpt(open_place(option, place))
        if input_id not in self.given:
            raise missing_input(input_id, ["audio", *self.given])
        return Excerpt(open_audio(self.given[input_id], f"input {input_id!r}"))

    def labels(self, option: str, place: str, input_id: str) -> Path:
        file = place or self.given.get(input_id)
        if not isinstance(file, (str, Path)):
            raise RequestError(f"{self.module} needs the input {input_id!r}, a file; or its option {option!r}")
        return Path(file).expanduser()


def open_audio(audio: Audio, name: str) -> Recording:
    """A recording from a file or from samples.

    Raises:
        RecordingError: it cannot be read, or the samples are none.
    """
    if not isinstance(audio, tuple):
        return Recording.open(Path(audio).expanduser())
    samples, rate = np.asarray(audio[0]), int(audio[1])
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] > samples.shape[0]) or rate <= 0:
        raise RecordingError(
            f"{name} has samples of shape {samples.shape} at {rate} Hz; (n,) or (n, channels) is needed, a row a sample"
        )
    return Recording(name, ArraySource(samples, rate))


def open_place(option: str, place: str) -> Recording:
    """The file that an option names.

    Raises:
        OptionError: it names sessions and labels, which only a server has.
        RecordingError: it cannot be read.
    """
    if parse_place(option, place) is not None:
        raise OptionError(f"option {option!r} is {place!r}; sessions and labels are a server's; name a file here")
    return Recording.open(Path(place).expanduser())
