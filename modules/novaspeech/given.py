"""What a call from Python gives: recordings and further inputs, as files or samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from novaspeech.audio.excerpt import Excerpt
from novaspeech.audio.recording import Recording
from novaspeech.errors import OptionError, RecordingError, RequestError
from novaspeech.server.inputs import missing_input, parse_place

# A file, or samples (n,) or (n, channels) and their rate in Hz.
Audio: TypeAlias = "str | Path | tuple[np.ndarray, int]"


@dataclass(frozen=True)
class FurtherInputs:
    """What a call from Python gives besides the recording, as a `Session` asks for it."""

    module: str
    given: Mapping[str, Audio]
    rate: int

    def excerpt(self, option: str, place: str, input_id: str) -> Excerpt:
        if place:
            return Excerpt(open_place(option, place, self.rate))
        if input_id not in self.given:
            raise missing_input(input_id, ["audio", *self.given])
        return Excerpt(open_audio(self.given[input_id], f"input {input_id!r}", self.rate))

    def labels(self, option: str, place: str, input_id: str) -> Path:
        file = place or self.given.get(input_id)
        if not isinstance(file, (str, Path)):
            raise RequestError(f"{self.module} needs the input {input_id!r}, a file; or its option {option!r}")
        return Path(file).expanduser()


def open_audio(audio: Audio, name: str, to: int) -> Recording:
    """A recording from a file or from samples, at `to` Hz.

    Raises:
        RecordingError: it cannot be read, or the samples are none.
    """
    if not isinstance(audio, tuple):
        return Recording.open(Path(audio).expanduser(), to)
    samples, rate = np.asarray(audio[0]), int(audio[1])
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] > samples.shape[0]) or rate <= 0:
        raise RecordingError(
            f"{name} has samples of shape {samples.shape} at {rate} Hz; (n,) or (n, channels) is needed, a row a sample"
        )
    return Recording.of_samples(samples, rate, name, to)


def open_place(option: str, place: str, rate: int) -> Recording:
    """The file that an option names, at `rate` Hz.

    Raises:
        OptionError: it names sessions and labels, which only a server has.
        RecordingError: it cannot be read.
    """
    if parse_place(option, place) is not None:
        raise OptionError(f"option {option!r} is {place!r}; sessions and labels are a server's; name a file here")
    return Recording.open(Path(place).expanduser(), rate)
