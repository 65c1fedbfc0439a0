"""One recording of a job: what is asked of it, and what a module needs to answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from novaspeech.arrays import FloatArray
from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.hooks import Log
from novaspeech.inference.encoder import Encoder
from novaspeech.inference.engine import Inference, Windows
from novaspeech.segments import Segment
from novaspeech.server.outputs import OutputRequest

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
        open_input: opens the further input of an id; raises RequestError or RecordingError.
        inference: runs the job's encoder, and takes log lines and progress.
        requests: what a server's request says of each output; none without a server.
        classes: id of each discrete output → names of its classes; see `name_classes`.
    """

    name: str
    recording: Recording
    grid: WindowGrid
    end_ms: int
    asked: frozenset[str]
    open_input: Callable[[str], Recording]
    inference: Inference
    requests: Sequence[OutputRequest] = ()
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def log(self) -> Log:
        """Takes a line about what was found."""
        return self.inference.log

    def encode(self, names: Collection[str], encoder: Encoder | None = None) -> dict[str, Windows]:
        """Each window of the grid encoded on its own.

        Args:
            names: outputs of the encoder.
            encoder: one in place of the job's.

        Raises:
            RequestError, RecordingError, ModelError: as `Inference.windows`.
        """
        inference = self.inference if encoder is None else replace(self.inference, encoder=encoder)
        return inference.windows(self.recording, self.grid, names)

    def name_classes(self, output_id: str, names: Sequence[str]) -> None:
        """Says which classes a discrete output has, before the work begins.

        Raises:
            RequestError: the scheme that the request names lacks one of them.
        """
        for request in self.requests:
            if request.output.id == output_id:
                request.with_classes(names)
        self.classes[output_id] = tuple(names)
