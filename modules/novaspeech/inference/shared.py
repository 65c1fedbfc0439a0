"""Short recordings that share passes: alone, each would hardly fill a pass."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.errors import NovaspeechError
from novaspeech.hooks import ignore
from novaspeech.inference.encoder import SpeechModel
from novaspeech.inference.engine import Encoded, Inference, Job


class Shared:
    """Recordings of sessions that follow one another: the first request for an output encodes all of them together.

    Args:
        encoder: the model; a request for another one is encoded alone.
        jobs: recordings and their windows, of one length.
    """

    def __init__(self, encoder: SpeechModel, jobs: Sequence[Job]) -> None:
        self._encoder, self._jobs = encoder, jobs
        self._known: dict[frozenset[str], dict[Recording, Encoded | NovaspeechError]] = {}

    def encode(self, inference: Inference, recording: Recording, grid: WindowGrid, names: Collection[str]) -> Encoded:
        """`Inference.encode` of one of the recordings; it raises the same errors."""
        if inference.encoder is not self._encoder or not names:
            return inference.encode(recording, grid, names)
        key = frozenset(names)
        if key not in self._known:
            together = replace(inference, progress=ignore).encode_all(self._jobs, names)
            self._known[key] = {job[0]: one for job, one in zip(self._jobs, together, strict=True)}
        found = self._known[key].pop(recording)
        if isinstance(found, NovaspeechError):
            raise found
        return found
