"""novaspeech from Python: load a module once, call it with recordings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

from novaspeech.audio.excerpt import Audio, Part
from novaspeech.errors import NovaspeechError, RequestError, naming
from novaspeech.hooks import Log, Progress, ignore
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.shared import Shared
from novaspeech.module.catalogue import Trainer, load_processor, load_trainer
from novaspeech.module.output import OutputRequest, chosen_outputs
from novaspeech.module.session import GivenInputs, Session
from novaspeech.result import Result
from novaspeech.server.request import Times
from novaspeech.times import Time, milliseconds
from novaspeech.wording import PYTHON, Wording

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
        frame: time that one output stands for, in seconds or as text ("40ms", "1:05"); left out, the module's own.
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


class _Asked(NamedTuple):
    requests: list[OutputRequest]
    named: bool
    inputs: Mapping[str, Audio]
    end_ms: int


class Model:
    """A module with its model in memory; call it with recordings, from one thread or several, one after the other.

    Args:
        module, log: see `load`.
        wording: of messages.

    Attributes:
        outputs: id of each output → what it is.
        processor: what a server would call.
    """

    def __init__(
        self,
        module: str,
        options: Mapping[str, object],
        times: Mapping[str, Time],
        log: Log,
        wording: Wording = PYTHON,
    ) -> None:
        self._trainer, self._wording = load_trainer(module), wording
        self._times = Times(**window_times(self._trainer, times))
        self._lock = threading.Lock()
        self.module = module
        self.processor = load_processor(self._trainer, options, log, wording)
        self.outputs = {output.id: output for output in self.processor.outputs}
        self._requests = {name: OutputRequest.of_file(output) for name, output in self.outputs.items()}

    @property
    def encoder(self) -> Encoder:
        """The model as `Inference` runs it."""
        return self.processor.encoder

    def __repr__(self) -> str:
        return f"<novaspeech {self.module}: {', '.join(self.outputs)}; {self.encoder}>"

    @overload
    def __call__(
        self,
        recording: Audio,
        outputs: Collection[str] | None = None,
        *,
        inputs: Mapping[str, Audio] | None = None,
        end: Time | None = None,
        name: str | None = None,
        progress: Progress = ignore,
        reading: Progress = ignore,
    ) -> Result: ...

    @overload
    def __call__(
        self,
        recording: list[Any],
        outputs: Collection[str] | None = None,
        *,
        inputs: Mapping[str, Audio] | None = None,
        end: Time | None = None,
    ) -> list[Result | NovaspeechError]: ...

    def __call__(
        self,
        recording: Audio | list[Any],
        outputs: Collection[str] | None = None,
        *,
        inputs: Mapping[str, Audio] | None = None,
        end: Time | None = None,
        name: str | None = None,
        progress: Progress = ignore,
        reading: Progress = ignore,
    ) -> Result | list[Result | NovaspeechError]:
        """Runs the model over a recording, or over those of a list as `many` does.

        >>> result = model("lesson.mp4", outputs=["similarity"], inputs={"reference": "teacher.wav"})

        Args:
            recording: a file that libsndfile or ffmpeg reads, a `Part` of one, or samples (n,) or (n, channels) and
                their rate in Hz.
            outputs: ids of those wanted, or one; None takes those that are on by default.
            inputs: further inputs by id.
            end: time at which to stop, in seconds or as text; None or 0 is the recording's end, as for the servers.
            name: what files are called after; None takes the recording's own, without its ending.
            progress: called with the windows done and their total.
            reading: called before with the milliseconds of a file read so far, and the stated total (0 if none is).

        Raises:
            RequestError: no such output or input, or windows that cannot be.
            RecordingError, ModelError: a recording cannot be read, or intact audio gave NaN or infinite values.
        """
        if isinstance(recording, list):
            if (name, progress, reading) != (None, ignore, ignore):
                raise RequestError("name, progress and reading are for one recording; many(…, names=…) names several")
            return self.many(recording, outputs, inputs=inputs, end=end)
        name = _name_of(recording) if name is None else name
        asked = self._asked(outputs, inputs, end)
        with self._lock, naming(name):
            return self._result(asked, self._session(recording, name, asked, progress, reading))

    def many(
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

        >>> results = model.many(["a.wav", "b.wav"], outputs=["embedding"])

        Args:
            recordings, outputs, inputs, end: as of a call, for all of them.
            names: what each one's files are called after; None takes the recordings' own.

        Returns:
            a result for each, or what is wrong with it.

        Raises:
            RequestError: no such output or input.
        """
        asked = self._asked(outputs, inputs, end)
        with self._lock:
            sessions = [
                _or_error(name, partial(self._session, audio, name, asked))
                for audio, name in zip(recordings, names or map(_name_of, recordings), strict=True)
            ]
            jobs = [(one.recording, one.grid) for one in sessions if isinstance(one, Session)]
            shared = Shared(self.encoder, jobs) if len(jobs) > 1 else None
            return [
                _or_error(one.name, partial(self._result, asked, replace(one, shared=shared)))
                if isinstance(one, Session)
                else one
                for one in sessions
            ]

    def _asked(self, outputs: Collection[str] | None, inputs: Mapping[str, Audio] | None, end: Time | None) -> _Asked:
        known, options = self.outputs.values(), self.processor.options
        chosen = chosen_outputs(self._trainer, known, outputs, inputs or {}, options, self._wording)
        end_ms = milliseconds(end or 0, "end")
        return _Asked([self._requests[output.id] for output in chosen], outputs is not None, inputs or {}, end_ms)

    def _session(
        self,
        audio: Audio,
        name: str,
        asked: _Asked,
        progress: Progress = ignore,
        reading: Progress = ignore,
    ) -> Session:
        processor = self.processor
        recording = processor.open_audio(
            audio, "the recording", processor.options.channel, processor.log_of(name), reading
        )
        inputs = GivenInputs(asked.inputs, processor.open_audio, self._wording)
        return processor.session(name, recording, inputs, asked.requests, self._times, asked.end_ms, report=progress)

    def _result(self, asked: _Asked, session: Session) -> Result:
        return Result(self.module, session, self.processor.run(session), named=asked.named)


def _name_of(recording: Audio) -> str:
    if isinstance(recording, Part):
        return Path(recording.file).stem
    return "recording" if isinstance(recording, tuple) else Path(recording).stem


def _or_error(name: str, make: Callable[[], T]) -> T | NovaspeechError:
    """The value that `make` gives for a name, or its error."""
    try:
        with naming(name):
            return make()
    except NovaspeechError as error:
        return error


def window_times(trainer: Trainer, given: Mapping[str, Time]) -> dict[str, int]:
    """Milliseconds of "frame", "stride", "left" and "right"; what is not given is the trainer's."""
    meta = trainer.content
    parsed = {name: milliseconds(time, name) for name, time in given.items()}
    frame = parsed.get("frame", meta.meta_frame_step)
    return {"frame": frame, "stride": frame, "left": meta.meta_left_ctx, "right": meta.meta_right_ctx} | parsed
