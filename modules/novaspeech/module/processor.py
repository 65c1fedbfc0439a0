"""A module: what the server calls for one job, the same for each."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from novaspeech.audio.grid import WindowGrid
from novaspeech.errors import NovaspeechError
from novaspeech.hooks import Log, Progress, ignore_progress
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.engine import Inference, Windows
from novaspeech.models import hub
from novaspeech.module.catalogue import standin_of
from novaspeech.module.checks import refuse_too_many_scores, requested_outputs
from novaspeech.module.options import Options
from novaspeech.module.output import Output
from novaspeech.module.results import build_outputs
from novaspeech.module.session import Results, Session
from novaspeech.server import host, progress
from novaspeech.server.inputs import open_excerpt, open_labels, open_recording


@dataclass(frozen=True)
class SessionResult:
    """One session's results, on their way from `process_data` to `to_output`."""

    manager: Any
    session: Session
    results: Results


OWN_MODEL = "small"  # the option `model` for the module's own trained checkpoint, if there is one


class SpeechProcessor(host.Processor):  # type: ignore[misc]
    """A module: subclass it, say which options and outputs there are, and load the encoder.

    Attributes:
        options_class: the module's options.
        outputs: what it can give.
        options: the job's options.
        encoder: the model, loaded once for all sessions of the job.
        log: takes a line about what the user should know.
    """

    options_class: ClassVar[type[Options]] = Options
    outputs: tuple[Output, ...]

    def __init__(self, model_io: Any, opts: object, trainer: Any = None, *, log: Log | None = None) -> None:
        """Called by the server, once per job.

        Args:
            log: None on a server, which takes what is printed.

        Raises:
            OptionError: wrong options.
            WeightsError: the model cannot be had.
        """
        if log is None:
            host.defer_loading(self)
        self.log = log or progress.log
        self.options: Options = self.options_class.parse(opts)
        if self.options.model == OWN_MODEL:
            standin = standin_of(Path(inspect.getfile(type(self))).parent.name)
            if standin and standin.small:
                self.options = replace(self.options, model=str(standin.small))
        super().__init__(model_io=model_io, opts=self.options, trainer=trainer)
        self._written: dict[str, Any] = {}
        with hub.publishing(str(self.options_class.fields()["model"].default)):
            self.encoder = self.load_encoder()
        self.log(f"{self.options.model or 'published model'} on {self.encoder}")

    @property
    def threshold(self) -> float | None:
        """From which score on something is taken to be so; None if nothing is decided."""
        return getattr(self.options, "threshold", None)

    @abstractmethod
    def load_encoder(self) -> Encoder:
        """The model of this job, on its device."""

    def process(self, session: Session) -> Results:
        """The results of a session, by output: here each window encoded on its own.

        A module that does more does it here, in the order in which it happens. It may give more than is asked for.

        Raises:
            RequestError, RecordingError, ModelError: it cannot be had.
        """
        return dict(session.encode(session.asked))

    def run(self, session: Session) -> Results:
        """`process`, with lines about the windows: which they are, and how many have no value."""
        session.log(str(session.grid))
        if session.grid.drift_ms > 1:
            session.log(session.grid.drift_remark)
        results = self.process(session)
        usable = next((value.usable for value in results.values() if isinstance(value, Windows)), None)
        if usable is not None and not usable.all():
            session.log(
                f"{(~usable).sum()} of {len(usable)} windows have no usable audio (NaN or infinite samples, or past "
                f"the end of {session.recording.name}): zeros in streams, gaps in annotations"
            )
        return results

    def inference(self, log: Log | None = None, report: Progress = ignore_progress) -> Inference:
        """The job's encoder at work."""
        return self.options.applied(Inference(self.encoder, log=log or self.log, progress=report))

    def process_data(self, ds_manager: Any) -> SessionResult:
        """Runs one session.

        Args:
            ds_manager: the host's `DatasetIterator` for that session.

        Raises:
            RequestError, RecordingError, ModelError: with the name of the session.
        """
        name = ds_manager.session_names[0]
        # du-process keeps all sessions of a job, with what was written for each, until the job ends.
        self._written.clear()
        manager = ds_manager.sessions[name]["manager"]
        self._written = manager.output_data_templates
        with naming(name):
            session = self._open(name, ds_manager)
            return SessionResult(manager, session, self.run(session))

    def to_output(self, data: SessionResult) -> dict[str, Any]:
        """The host's objects of one session, under the ids that the request used."""
        return build_outputs(data.session, data.results, data.manager.session, data.manager.dataset)

    def _open(self, name: str, request: Any) -> Session:
        manager, info = (request.sessions[name][key] for key in ("manager", "info"))

        def log(line: str) -> None:
            self.log(f"{name}: {line}")

        frame, stride, left, right = request.frame_size, request.stride, request.left_context, request.right_context
        if not frame:  # the request names no windows: those of the trainer
            frame = self.trainer.meta_frame_step
            stride, left, right = (
                stride or frame,
                left or self.trainer.meta_left_ctx,
                right or self.trainer.meta_right_ctx,
            )
        recording = open_recording(
            manager, "audio", self.encoder.sampling_rate
        )  # first: where it is missing, the outputs' folder often is, too
        requests = requested_outputs(manager, self.outputs, 1000 / max(1, stride))
        end_ms = min(request.end, int(info.duration if info and info.duration else recording.duration_ms))
        refuse_too_many_scores(requests, end_ms)
        for item in requests:
            if item.rescaled:
                log(item.rescaled)
        if request.start:
            log(f"start={request.start} ms is not used: output 0 is always the window at 0 ms")
        return Session(
            name,
            recording,
            WindowGrid.fit(frame, stride, left, right, end_ms, recording.name),
            end_ms,
            frozenset(item.output.id for item in requests),
            partial(open_excerpt, manager, self.encoder.sampling_rate),
            partial(open_labels, manager),
            self.inference(log, progress.LogProgress(name)),
            requests,
        )


@contextmanager
def naming(session: str) -> Iterator[None]:
    """Puts the session's name before what our errors say."""
    try:
        yield
    except NovaspeechError as error:
        error.args = (f"{session}: {error}",)
        raise
