"""novaspeech from Python: load a module once, call it with recordings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeAlias, TypeVar

from novaspeech.audio.grid import WindowGrid
from novaspeech.errors import NovaspeechError, RequestError
from novaspeech.given import Audio, FurtherInputs, open_audio
from novaspeech.hooks import Log, Progress, ignore_progress
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.shared import Shared
from novaspeech.module.catalogue import Trainer, load_processor, load_trainer
from novaspeech.module.output import Output
from novaspeech.module.processor import naming
from novaspeech.module.session import Session
from novaspeech.result import Result
from novaspeech.server import host

# "40ms", "1.5s", a whole number of milliseconds, or a fraction of seconds.
Time: TypeAlias = "str | int | float"

P = ParamSpec("P")
T = TypeVar("T")


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
        further = FurtherInputs(self.module, inputs or {}, self.encoder.sampling_rate)
        chosen = chosen_outputs(self._trainer, self.outputs.values(), outputs, further.given)
        name = _name_of(recording) if name is None else name
        with self._lock:
            return self._result(self._session(recording, name, chosen, further, end, progress), chosen)

    def together(
        self,
        recordings: Sequence[Audio],
        outputs: Collection[str] | None = None,
        *,
        inputs: Mapping[str, Audio] | None = None,
        end: Time | None = None,
        names: Sequence[str] | None = None,
    ) -> list[Result | NovaspeechError]:
        """Runs the model over short recordings, of which many share a pass; else each would hardly fill one.

        The numbers differ from those of a call for each by rounding. Long or damaged recordings and those with NaN are
        run alone, and so is all by modules that take something from the whole of a recording.

        >>> results = model.together(clips, outputs=["embedding"])

        Args:
            recordings, outputs, inputs, end: as of a call, for all of them.
            names: what each one's files are called after; None takes the recordings' own.

        Returns:
            a result for each, or what is wrong with it.

        Raises:
            RequestError: no such output or input.
        """
        further = FurtherInputs(self.module, inputs or {}, self.encoder.sampling_rate)
        chosen = chosen_outputs(self._trainer, self.outputs.values(), outputs, further.given)
        with self._lock:
            sessions = [
                _or_error(self._session, recording, name, chosen, further, end, ignore_progress)
                for recording, name in zip(recordings, names or map(_name_of, recordings), strict=True)
            ]
            opened = [(one.recording, one.grid) for one in sessions if isinstance(one, Session)]
            shared = Shared(self.encoder, opened) if len(opened) > 1 else None
            return [
                _or_error(self._result, replace(one, shared=shared), chosen) if isinstance(one, Session) else one
                for one in sessions
            ]

    def _session(
        self,
        recording: Audio,
        name: str,
        chosen: Sequence[Output],
        further: FurtherInputs,
        end: Time | None,
        progress: Progress,
    ) -> Session:
        with naming(name):
            opened = open_audio(recording, name, self.encoder.sampling_rate)
            end_ms = min(host.parse_time(end, "end") or opened.duration_ms, opened.duration_ms)
            frame, stride, left, right = (self._times[name] for name in ("frame", "stride", "left", "right"))
            grid = WindowGrid.fit(frame, stride, left, right, end_ms, opened.name)
            inference = self.processor.inference(lambda line: self.processor.log(f"{name}: {line}"), progress)
            asked = frozenset(output.id for output in chosen)
            return Session(name, opened, grid, end_ms, asked, further.excerpt, further.labels, inference)

    def _result(self, session: Session, chosen: Sequence[Output]) -> Result:
        with naming(session.name):
            return Result(session, self.processor.run(session), chosen)


def _name_of(recording: Audio) -> str:
    return "recording" if isinstance(recording, tuple) else Path(recording).stem


def _or_error(make: Callable[P, T], *given: P.args, **more: P.kwargs) -> T | NovaspeechError:
    """What is made, or what is wrong with it."""
    try:
        return make(*given, **more)
    except NovaspeechError as error:
        return error


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
