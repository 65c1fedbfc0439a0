"""One job: what the server calls, the same for every module."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from novaspeech.audio.buffer import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.audio.sources import ArraySource
from novaspeech.errors import NovaspeechError, RequestError
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.engine import Encoded, Progress, encode_recording
from novaspeech.server import host, progress
from novaspeech.server.options import Options
from novaspeech.server.outputs import Output, Wanted, wanted_outputs
from novaspeech.server.results import build_outputs


@dataclass(frozen=True)
class SessionResult:
    """What `process_data` found in one session, for `to_output`."""

    manager: Any
    wanted: list[Wanted]
    grid: WindowGrid
    encoded: Encoded
    recording_ms: int


@dataclass(frozen=True)
class Session:
    """One session of a job.

    Attributes:
        manager: the host's `SessionManager`.
        recording: its `audio`.
        grid: its windows.
        end_ms: where the request or the session ends.
        outputs: those that the request wants.
        log: takes a line about what was found.
        progress: takes the windows done and their total.
    """

    manager: Any
    recording: Recording
    grid: WindowGrid
    end_ms: int
    outputs: frozenset[Output]
    log: Callable[[str], None]
    progress: Progress

    @property
    def asked(self) -> set[str]:
        """Ids of the outputs."""
        return {output.id for output in self.outputs}

    @property
    def names(self) -> list[str]:
        """What the encoder has to give for each window, for outputs themselves or to derive them from."""
        needs = (output.needs or (output.id,) for output in self.outputs if not output.whole_id)
        return sorted({name for names in needs for name in names})


class SpeechProcessor(host.Processor):  # type: ignore[misc]
    """A module: subclass it, say which options and outputs there are, and load the encoder.

    Attributes:
        options_class: the module's options.
        outputs: what it can give.
        options: of this job.
        encoder: loaded once for all sessions of the job.
    """

    options_class: ClassVar[type[Options]] = Options
    outputs: tuple[Output, ...]

    def __init__(self, model_io: Any, opts: Mapping[str, object] | None, trainer: Any = None) -> None:
        """Called by the server, once per job.

        Raises:
            OptionError: wrong options.
            WeightsError: the model cannot be had.
        """
        host.defer_loading()
        self.options: Options = self.options_class.parse(opts)
        super().__init__(model_io=model_io, opts=self.options, trainer=trainer)
        self._written: dict[str, Any] = {}
        self.encoder = self.load_encoder()
        progress.log(f"{self.options.model or 'published model'} on {self.encoder}, precision {self.options.precision}")

    @abstractmethod
    def load_encoder(self) -> Encoder:
        """The model of this job, on its device."""

    def outputs_for(self, manager: Any) -> tuple[Output, ...]:
        """What it can give for a session, if that depends on the session's other inputs.

        Raises:
            RequestError, RecordingError: such an input is missing or cannot be used.
        """
        return self.outputs

    def encoder_for(self, session: Session) -> Encoder:
        """The encoder for a session, if that depends on the session's other inputs: a copy then.

        Raises:
            RequestError, RecordingError: such an input is missing or cannot be used.
        """
        return self.encoder

    def derive(self, encoded: Encoded, session: Session) -> None:
        """Adds to `encoded` the outputs with `needs` that the session asks for."""

    def encode_session(self, session: Session) -> Encoded:
        """What the session asks for, from windows that are each encoded on their own.

        Raises:
            RequestError, RecordingError, ModelError: it cannot be had.
        """
        encoded = encode_recording(
            session.recording,
            session.grid,
            self.encoder_for(session),
            session.names,
            batch_size=self.options.batch_size,
            precision=self.options.precision,
            whole=sorted(output.whole_id for output in session.outputs if output.whole_id),
            progress=session.progress,
            log=session.log,
        )
        self.derive(encoded, session)
        return encoded

    def process_data(self, ds_manager: Any) -> SessionResult:
        """Encodes one session.

        Args:
            ds_manager: the host's `DatasetIterator` for that session.

        Raises:
            RequestError, RecordingError, ModelError: with the name of the session.
        """
        session = ds_manager.session_names[0]
        # du-process keeps all sessions of a job, with what was written for each, until the job ends.
        self._written.clear()
        try:
            return self._process_session(session, ds_manager)
        except NovaspeechError as error:
            error.args = (f"{session}: {error}",)
            raise

    def to_output(self, data: SessionResult) -> dict[str, Any]:
        """The host's objects of one session, under the ids that the request used."""
        return build_outputs(data.manager, data.wanted, data.encoded, data.grid, data.recording_ms)

    def _process_session(self, name: str, ds_manager: Any) -> SessionResult:
        manager, info = (ds_manager.sessions[name][key] for key in ("manager", "info"))
        self._written = manager.output_data_templates
        wanted = wanted_outputs(manager, self.outputs_for(manager))
        recording = open_recording(manager, "audio")
        duration_ms = int(info.duration if info and info.duration else recording.duration_ms)
        outputs = frozenset(item.output for item in wanted)
        of_windows = any(not output.whole_id for output in outputs)
        end_ms = min(ds_manager.end, duration_ms)
        grid = self._grid(ds_manager, end_ms, self.encoder.min_length_ms if of_windows else 0)
        progress.log(f"{name}: {grid}")

        def log(line: str) -> None:
            progress.log(f"{name}: {line}")

        encoded = self.encode_session(Session(manager, recording, grid, end_ms, outputs, log, progress.reporter(name)))
        empty = grid.count - int(encoded.usable.sum())
        if empty:
            log(
                f"{empty} of {grid.count} windows have no usable audio (NaN or infinite samples, or past the end of "
                f"{recording.name}): zeros in streams, gaps in annotations"
            )
        return SessionResult(manager, wanted, grid, encoded, recording.duration_ms)

    def _grid(self, request: Any, end_ms: int, shortest_ms: int) -> WindowGrid:
        """The windows that a request means, of `shortest_ms` at least; the trainer's if it names none."""
        if request.start:
            progress.log(f"start={request.start} ms is not used: output 0 is always the window at 0 ms")
        frame, stride, left, right = request.frame_size, request.stride, request.left_context, request.right_context
        if not frame:
            frame = self.trainer.meta_frame_step
            stride, left, right = (
                stride or frame,
                left or self.trainer.meta_left_ctx,
                right or self.trainer.meta_right_ctx,
            )
        grid = WindowGrid.fit(frame, stride, left, right, end_ms)
        if grid.length_ms < shortest_ms:
            raise RequestError(
                f"windows of {grid.length_ms} ms (frame {frame}, left {left}, right {right}) are too short for this "
                f"model, which needs {shortest_ms} ms; make the frame or a context longer"
            )
        if grid.drift_ms > 1:
            progress.log(
                f"the server writes {grid.rate:.6f} Hz (a stride of {grid.stride_ms} ms) as {grid.rate:.3f}: readers "
                f"of the file drift by {grid.drift_ms:.0f} ms over this session; strides of 20, 40, 50 or 100 ms do not"
            )
        return grid


def open_recording(manager: Any, input_id: str) -> Recording:
    """The audio input `input_id` of a session.

    Raises:
        RequestError: the request has no such input.
        RecordingError: it cannot be read.
    """
    inputs = [entry for entry in manager.data_description if entry.get("type") == "input"]
    entry = next((entry for entry in inputs if entry.get("id") == input_id), None)
    if entry is None or host.describe(entry)[1] != "stream":
        named = ", ".join(repr(entry.get("id")) for entry in inputs) or "none"
        raise RequestError(f"the request needs an audio input with the id {input_id!r}; its inputs are: {named}")
    path = host.input_path(manager, entry)
    if path is not None:
        return Recording.open(path)
    samples, rate = host.input_array(manager, entry)
    return Recording(f"input {input_id!r}", ArraySource(samples, rate))
