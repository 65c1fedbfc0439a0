"""A module: what the server calls for one job, the same for each."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from novaspeech.audio.excerpt import Audio, Part
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.levels import silent_windows
from novaspeech.audio.mono import MIX, Channel
from novaspeech.audio.recording import Recording
from novaspeech.errors import naming
from novaspeech.hooks import Log, Progress, ignore
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.engine import Inference, Windows
from novaspeech.models import hub
from novaspeech.module.catalogue import OWN_MODEL, advising, has_weights, weights_of
from novaspeech.module.checks import requested_outputs
from novaspeech.module.options import Options
from novaspeech.module.output import Output, OutputRequest
from novaspeech.module.results import build_outputs
from novaspeech.module.session import Inputs, Results, Session
from novaspeech.server import host
from novaspeech.server.inputs import RequestInputs
from novaspeech.server.progress import LogProgress, print_line
from novaspeech.server.request import Request, Times
from novaspeech.wording import NOVA, Wording, speaking


class SpeechProcessor(host.Processor):  # type: ignore[misc]
    """A module: subclass it, say which options and outputs there are, and load the encoder.

    Attributes:
        options: the job's options.
        encoder: the model, loaded once for all sessions of the job.
        log: takes a line about what the user should know.
    """

    options_class: ClassVar[type[Options]] = Options
    outputs: tuple[Output, ...]

    def __init__(
        self, model_io: Any, opts: object, trainer: Any = None, *, log: Log | None = None, wording: Wording = NOVA
    ) -> None:
        """Called by the server, once per job. Raises OptionError, and WeightsError if the model cannot be had."""
        if log is None:  # a server, which takes what is printed
            host.defer_loading(self)
        self.log = log or print_line
        with speaking(wording):
            self.options: Options = self.options_class.parse(opts)
        module = Path(inspect.getfile(type(self))).parent.name
        if self.options.model == OWN_MODEL:
            stand_in = weights_of(module).stand_in
            if stand_in and stand_in.small:
                self.options = replace(self.options, model=str(stand_in.small))
        super().__init__(model_io=model_io, opts=self.options, trainer=trainer)
        self._last: Request | None = None
        self._whole: tuple[tuple[Path, Channel, int], Recording] | None = None
        fields = self.options_class.fields()
        published = str(fields["model"].default) if "model" in fields else ""
        with hub.publishing(published), speaking(wording), advising(module, self.options.model, wording):
            self.encoder = self.load_encoder()
        self.log(
            f"{self.options.model or ('published model' if has_weights(module) else 'no weights')} on {self.encoder}"
        )

    @property
    def threshold(self) -> float | None:
        """Least score at which something is taken to be so; None if nothing is decided."""
        return getattr(self.options, "threshold", None)

    @abstractmethod
    def load_encoder(self) -> Encoder:
        """The model of this job, on its device."""

    def process(self, session: Session) -> Results:
        """The results of a session, by output, and more if need be: here each window encoded alone."""
        return dict(session.encode(session.asked))

    def run(self, session: Session) -> Results:
        """`process`, with a line about how many windows have no value."""
        with speaking(session.inputs.wording):
            results = self.process(session)
        usable = next((value.usable for value in results.values() if isinstance(value, Windows)), None)
        if usable is not None and (lost := session.grid.wanted() & ~usable).any():
            session.log(
                f"{lost.sum()} of {len(usable)} windows have no usable audio (NaN or infinite samples, or past "
                f"the end of {session.recording.name}): zeros in streams, gaps in annotations"
            )
        return results

    def inference(self, log: Log | None = None, report: Progress = ignore) -> Inference:
        """The job's encoder at work."""
        return self.options.applied(Inference(self.encoder, log=log or self.log, progress=report))

    def open_audio(
        self, audio: Audio, name: str, channel: Channel = MIX, log: Log = ignore, reading: Progress = ignore
    ) -> Recording:
        """A recording from a file or from samples, at the model's rate; whatever a session hears is opened here.

        Args:
            name: how messages call samples.
            channel: the one heard; the option is for a session's recording, further inputs are mixed.

        Raises:
            RecordingError: it cannot be read, or the samples are none.
        """
        if isinstance(audio, Part):
            whole = self._opened(Path(audio.file), audio.channel or channel, log, reading)
            part = whole.excerpt([audio.span])
            return replace(part, path=whole.path, start_ms=audio.span[0])
        if isinstance(audio, tuple):
            return Recording.of_samples(*audio, name, self.encoder.sampling_rate, channel, log)
        return Recording.open(Path(audio).expanduser(), self.encoder.sampling_rate, channel, log, reading)

    def _opened(self, file: Path, channel: Channel, log: Log, reading: Progress) -> Recording:
        """A whole file, of which parts are wanted one after the other: the last one stays decoded."""
        known, last = (file, channel, file.stat().st_mtime_ns if file.exists() else 0), self._whole
        if last is None or last[0] != known:
            self._whole = None  # before another one takes its room
            self._whole = last = known, self.open_audio(file, str(file), channel, log, reading)
        return last[1]

    def session(
        self,
        name: str,
        recording: Recording,
        inputs: Inputs,
        requests: Sequence[OutputRequest],
        times: Times,
        end_ms: int = 0,
        duration_ms: int = 0,
        report: Progress = ignore,
    ) -> Session:
        """A session, whoever asks for it: a server, Python, the command line.

        Args:
            name: how messages call it.
            recording: as `open_audio` gives it.
            requests: the outputs wanted.
            end_ms: where the windows end; 0 at the end of the session.
            duration_ms: of the session; 0 takes that of the recording.
            report: called with the windows done and their total.

        Raises:
            RequestError: there are no such windows, or too many for an output.
        """
        log = self.log_of(name)
        duration_ms = duration_ms or recording.duration_ms
        end_ms = min(end_ms or duration_ms, duration_ms)
        for item in requests:
            item.check_count(end_ms)
        grid = WindowGrid.fit(*times, end_ms, recording.name)
        silent = silent_windows(recording.signal, grid)
        if self.options.where == "sound" and silent.any():
            grid = replace(grid, gaps=silent)
        session = Session(name, recording, inputs, grid, end_ms, requests, self.inference(log, report), silent)
        remarks = [*(item.remark for item in requests), str(grid)]
        remarks += [grid.drift_remark] * (grid.drift_ms > 1) + [grid.gap_remark] * (grid.stride_ms > grid.frame_ms)
        for remark in filter(None, [*remarks, session.silence_remark]):
            log(remark)
        return session

    def log_of(self, session: str) -> Log:
        """Takes a line about a session."""
        return lambda line: self.log(f"{session}: {line}")

    def process_data(self, ds_manager: Any) -> tuple[Session, Results]:
        """Runs one session, that of the host's `DatasetIterator`; errors name the session."""
        name = ds_manager.session_names[0]
        if self._last:
            self._last.forget()
        with naming(name):
            request = self._last = Request.of(ds_manager)
            times, meta = request.times, self.trainer
            if not times.frame:  # the request names no windows: those of the trainer
                frame = meta.meta_frame_step
                left, right = times.left or meta.meta_left_ctx, times.right or meta.meta_right_ctx
                times = Times(frame, times.stride or frame, left, right)
            report, channel = LogProgress(name), self.options.channel
            # First: where it is missing, the outputs' folder often is, too.
            recording = self.open_audio(request.audio, "audio", channel, self.log_of(name), report.reading)
            requests = requested_outputs(request, self.outputs, times.rate)
            inputs = RequestInputs(request, self.open_audio, recording if channel == MIX else None)
            session = self.session(
                name, recording, inputs, requests, times, request.end_ms, request.duration_ms, report
            )
            if request.start_ms:
                session.log(f"start={request.start_ms} ms is not used: output 0 is always the window at 0 ms")
            return session, self.run(session)

    def to_output(self, data: tuple[Session, Results]) -> dict[str, Any]:
        """The host's objects of one session, under the ids that the request used."""
        return build_outputs(*data)
