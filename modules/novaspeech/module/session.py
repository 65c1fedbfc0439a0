"""One recording of a job: what is asked of it, and what a module needs to answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from novaspeech.arrays import FloatArray
from novaspeech.audio.excerpt import Excerpt
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.hooks import Log
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.engine import Inference, Windows
from novaspeech.inference.shared import Shared
from novaspeech.module.output import OutputRequest
from novaspeech.segments import Segment

# Of an output over windows, of a recording as a whole (D,), of a discrete or free annotation.
Value: TypeAlias = "Windows | FloatArray | list[Segment]"
Results: TypeAlias = "dict[str, Value]"


@dataclass(frozen=True)
class Session:
    """One recording of a job.

    Attributes:
        name: how messages call it.
        recording: the input `audio`.
        grid: the windows.
        end_ms: where the request or the session ends.
        asked: ids of the outputs wanted.
        excerpt: opens sound that the module needs besides the recording, when it needs it: given the name of an option
            that may say where it is, the option's value (empty means the input), and the id of the input that holds it
            otherwise. Raises OptionError, RequestError or RecordingError.
        labels: finds what somebody wrote about the recording, a file or segments, given the same.
        inference: runs the job's encoder, and takes log lines and progress.
        requests: what a server's request says of each output; none without a server.
        classes: id of each discrete output → names of its classes; see `name_classes`.
        shared: recordings that share passes with this one; None if it has its own.
    """

    name: str
    recording: Recording
    grid: WindowGrid
    end_ms: int
    asked: frozenset[str]
    excerpt: Callable[[str, str, str], Excerpt]
    labels: Callable[[str, str, str], Path | list[Segment]]
    inference: Inference
    requests: Sequence[OutputRequest] = ()
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    shared: Shared | None = None

    @property
    def log(self) -> Log:
        """Takes a line about what was found."""
        return self.inference.log

    def encode(self, names: Set[str], encoder: Encoder | None = None) -> dict[str, Windows]:
        """The windows of the grid, each encoded on its own, or of the recording encoded once, as the job wants it.

        Args:
            names: outputs of the encoder.
            encoder: one in place of the job's.

        Raises:
            RequestError, RecordingError, ModelError: as `Inference.encode`.
        """
        inference = self.inference if encoder is None else replace(self.inference, encoder=encoder)
        encode = inference.encode if self.shared is None else partial(self.shared.encode, inference)
        return encode(self.recording, self.grid, names)

    def scheme_classes(self, output_id: str) -> tuple[str, ...]:
        """Names of the classes of the scheme that the request chose for a discrete output; none if it chose none."""
        schemes = [request.scheme_classes or {} for request in self.requests if request.output.id == output_id]
        return tuple(str(attributes["name"]) for scheme in schemes for attributes in scheme.values())

    def name_classes(self, output_id: str, names: Sequence[str]) -> None:
        """Says which classes a discrete output has, before the work begins.

        Raises:
            RequestError: the scheme that the request names lacks one of them.
        """
        for request in self.requests:
            if request.output.id == output_id:
                request.with_classes(names)
        self.classes[output_id] = tuple(names)
