"""Who is speaking: x-vectors over time, and their similarity to a person's (SUPERB speaker verification)."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from novaspeech import progress, weights
from novaspeech.encoder import Encoder, choose_device, choose_dtype
from novaspeech.inference import Encoded
from novaspeech.options import Options, option
from novaspeech.outputs import Output
from novaspeech.processor import Log, SpeechProcessor, open_recording
from novaspeech.recording import Recording
from novaspeech.stretches import Stretch, find_stretches, mean_confidence
from novaspeech.windows import WindowGrid
from wav2vec2_sv.network import PUBLISHED, THRESHOLD
from wav2vec2_sv.speaker import SpeakerEncoder, speaker_of, weighted_mean

SAME = "same_speaker"


@dataclass(frozen=True)
class Wav2Vec2SVOptions(Options):
    """The options of the module."""

    model: str = option(PUBLISHED, text="Hub id or folder of a wav2vec 2.0 with an x-vector head")
    threshold: float = option(THRESHOLD, text="similarity from which on it is the same speaker", minimum=-1, maximum=1)
    min_gap: int = option(1000, text="shorter gaps between stretches of the same speaker are closed, in ms", minimum=0)
    min_duration: int = option(1000, text="shorter stretches are left out, in ms", minimum=0)


class Wav2Vec2SV(SpeechProcessor):
    """The server's entry."""

    options_class = Wav2Vec2SVOptions
    options: Wav2Vec2SVOptions
    encoder: SpeakerEncoder
    outputs = (
        Output("embeddings", aliases=("embedding",)),
        Output("speaker", whole=True, needs=("embeddings", "energy")),
        Output("similarity", "annotation:Continuous", low=-1, high=1),
        Output(SAME, "annotation:Discrete", needs=("similarity",), classes=(SAME,)),
    )

    def load_encoder(self) -> SpeakerEncoder:
        device = choose_device(self.options.device)
        folder = weights.model_folder(self.options.model, "wav2vec2", progress.log)
        return SpeakerEncoder(folder, device, choose_dtype(self.options.precision))

    def encoder_for(
        self, manager: Any, recording: Recording, asked: Collection[str], grid: WindowGrid, log: Log
    ) -> Encoder:
        if not {"similarity", SAME} & set(asked):
            return self.encoder
        reference = open_recording(manager, "reference")
        vector = speaker_of(
            reference,
            self.encoder,
            grid.length_ms,
            batch_size=self.options.batch_size,
            precision=self.options.precision,
            log=log,
        )
        log(f"the reference is {reference.duration_ms / 1000:.3f} s of {reference.name}")
        if reference.duration_ms > recording.duration_ms:
            log("the reference is longer than the recording: are they exchanged?")
        return self.encoder.with_reference(vector)

    def derive(self, encoded: Encoded, asked: Collection[str], grid: WindowGrid, log: Log) -> None:
        if "speaker" in asked:
            vector = weighted_mean(encoded.values["embeddings"], encoded.values["energy"])
            if vector is None:
                log("nothing but silence, or no usable audio: zeros in speaker")
                vector = np.zeros(self.encoder.dimensions["embeddings"], np.float32)
            encoded.values["speaker"] = vector[None]
        if SAME in asked:
            scores = encoded.values["similarity"][:, 0]
            places = find_stretches(
                scores,
                encoded.usable,
                grid.stride_ms,
                threshold=self.options.threshold,
                min_gap_ms=self.options.min_gap,
                min_duration_ms=self.options.min_duration,
            )
            encoded.stretches[SAME] = [
                Stretch(begin * grid.stride_ms, end * grid.stride_ms, SAME, mean_confidence(scores[begin:end], -1, 1))
                for begin, end in places
            ]
            log(f"{len(encoded.stretches[SAME])} stretches of the same speaker")
