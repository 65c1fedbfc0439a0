"""Options of the speaker model."""

from __future__ import annotations

from dataclasses import dataclass

from novaspeech.module.backend_options import BackendOptions
from novaspeech.module.options import Need, option

_SAME = ("same_speaker",)


@dataclass(frozen=True)
class Wav2Vec2SVOptions(BackendOptions):
    """The options of the module."""

    reference: str = option(
        "",
        text="where to hear the person sought, in place of the input `reference`",
        file=True,
        outputs=("similarity", "same_speaker"),
    )
    threshold: float | None = option(
        None,
        kind=float,
        text="similarity from which on it is the same speaker; empty: the model's",
        minimum=-1,
        maximum=1,
        outputs=_SAME,
    )
    min_gap: int = option(
        1000,
        text="shorter gaps between segments of the same speaker are closed, in ms",
        minimum=0,
        unit="ms",
        outputs=_SAME,
    )
    min_duration: int = option(1000, text="shorter segments are left out, in ms", minimum=0, unit="ms", outputs=_SAME)
    model: str = option(
        "anton-l/wav2vec2-base-superb-sv", text="Hub id or folder of a wav2vec 2.0 with an x-vector head", file=True
    )

    def needs(self, output: str) -> Need | None:
        return Need("reference", "teacher.wav", "reference") if output in ("similarity", "same_speaker") else None


OPTIONS = Wav2Vec2SVOptions
