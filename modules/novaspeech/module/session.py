"""One recording of a job: what is asked of it, and what a module needs to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np

from novaspeech.arrays import BoolArray, FloatArray
from novaspeech.audio.excerpt import Audio, Excerpt, Opener
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.levels import SILENCE_DB
from novaspeech.audio.recording import Recording
from novaspeech.errors import OptionError, RequestError
from novaspeech.hooks import Log
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.engine import Inference, Windows
from novaspeech.inference.shared import Shared
from novaspeech.module.output import OutputRequest
from novaspeech.segments import Segment
from novaspeech.server.inputs import is_file
from novaspeech.wording import Wording

# Values of an output over windows, of a recording as a whole (D,), of a discrete or free annotation.
Value: TypeAlias = "Windows | FloatArray | list[Segment]"
Results: TypeAlias = "dict[str, Value]"

SILENT_SHARE = 0.01  # minimum share of silent windows that is said: encoders put some milliseconds before a recording


class Inputs(Protocol):
    """What may be heard and read besides a session's recording, whoever asks for it.

    The methods take the name of an option that may say where it is, the option's value (empty means the
    input), and the id of the input that holds it otherwise. They raise OptionError, RequestError or RecordingError.

    Attributes:
        wording: of messages to who asks.
    """

    @property
    def wording(self) -> Wording: ...

    def excerpt(self, option: str, place: str, input_id: str) -> Excerpt:
        """Sound besides the recording."""

    def labels(self, option: str, place: str, input_id: str) -> Path | list[Segment]:
        """Labels that somebody wrote about the recording: a file, or segments."""


@dataclass(frozen=True)
class Session:
    """One recording of a job, as `SpeechProcessor.session` makes it.

    Attributes:
        name: how messages call it.
        inputs: what else may be heard and read.
        end_ms: where the request or the session ends.
        requests: the outputs wanted, and what is said of each.
        inference: runs the job's encoder, and takes log lines and progress.
        silent: (count,) bool, windows below the level of any microphone; see `silent_windows`.
        classes: id of each discrete output → names of its classes; see `name_classes`.
        shared: recordings that share passes with this one; None if it has its own.
    """

    name: str
    recording: Recording
    inputs: Inputs
    grid: WindowGrid
    end_ms: int
    requests: Sequence[OutputRequest]
    inference: Inference
    silent: BoolArray
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    shared: Shared | None = None

    @property
    def asked(self) -> frozenset[str]:
        """Ids of the outputs wanted."""
        return frozenset(request.output.id for request in self.requests)

    @property
    def log(self) -> Log:
        """Takes a line about what was found."""
        return self.inference.log

    @property
    def silence_remark(self) -> str:
        """Log line about silent windows that are many, or gaps; "" without."""
        count, total, gaps = int(self.silent.sum()), len(self.silent), self.grid.gaps is not None
        if not count or (not gaps and count < SILENT_SHARE * total):
            return ""
        share = f"{count} of {total} windows ({100 * count / total:.0f} %)"
        what = f"{share} are digital silence or below {SILENCE_DB} dBFS"
        if gaps:
            return f"{what}: zeros in streams, gaps in annotations (where=sound)"
        return f"{what}, which no microphone reaches: their values mean nothing; where=sound makes gaps of them"

    def without_gaps(self) -> Recording | None:
        """The recording without the frames of the grid's gaps, for what is of the whole; None if no frame is left."""
        grid = self.grid
        if grid.gaps is None:
            return self.recording
        gaps = (np.flatnonzero(grid.gaps) * grid.stride_ms).tolist()
        starts, ends = [0, *(gap + grid.frame_ms for gap in gaps)], [*gaps, self.recording.duration_ms]
        spans = [(start, end) for start, end in zip(starts, ends, strict=True) if start < end]
        left_ms = sum(end - start for start, end in spans)
        return self.recording.excerpt(spans) if left_ms >= min(grid.frame_ms, grid.stride_ms) else None

    def encode(self, names: Set[str], encoder: Encoder | None = None) -> dict[str, Windows]:
        """The windows of the grid, each encoded on its own, or of the recording encoded once, as the job wants it.

        Args:
            names: outputs of the encoder.
            encoder: one in place of the job's.
        """
        inference = self.inference if encoder is None else replace(self.inference, encoder=encoder)
        if self.shared is not None:
            return self.shared.encode(inference, self.recording, self.grid, names)
        return inference.encode(self.recording, self.grid, names)

    def scheme_classes(self, output_id: str) -> tuple[str, ...]:
        """Names of the classes of the scheme that the request chose for a discrete output; none if it chose none."""
        schemes = [request.scheme_classes or {} for request in self.requests if request.output.id == output_id]
        return tuple(str(attributes["name"]) for scheme in schemes for attributes in scheme.values())

    def name_classes(self, output_id: str, names: Sequence[str]) -> None:
        """Says which classes a discrete output has, before the work begins; RequestError if its scheme lacks one."""
        for request in self.requests:
            if request.output.id == output_id:
                request.with_classes(names)
        self.classes[output_id] = tuple(names)


@dataclass(frozen=True)
class GivenInputs:
    """Inputs of a call from Python, which the command makes, too: by id, as files or samples."""

    further: Mapping[str, Audio]
    open_audio: Opener
    wording: Wording

    def excerpt(self, option: str, place: str, input_id: str) -> Excerpt:
        if not is_file(place):
            raise OptionError(f"option {option!r} is {place!r}; sessions and labels are a server's; name a file here")
        if not place and input_id not in self.further:
            raise RequestError(f"the input {input_id!r} is needed: {self.wording.input(input_id, 'FILE')}")
        return Excerpt(self.open_audio(place or self.further[input_id], f"input {input_id!r}"))

    def labels(self, option: str, place: str, input_id: str) -> Path:
        file = place or self.further.get(input_id)
        if not isinstance(file, (str, Path)):
            raise RequestError(f"the input {input_id!r} must be a file: {self.wording.input(input_id, 'FILE')}")
        return Path(file).expanduser()
