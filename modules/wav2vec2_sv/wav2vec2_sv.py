"""Who is speaking: x-vectors over time, and their similarity to a person's (SUPERB speaker verification)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from novaspeech.inference.encoder import Encoder, choose_device, choose_dtype
from novaspeech.inference.engine import Encoded
from novaspeech.models import weights
from novaspeech.segments import Stretch, find_stretches, mean_confidence
from novaspeech.server import progress
from novaspeech.server.options import Options, option
from novaspeech.server.outputs import Output
from novaspeech.server.processor import Session, SpeechProcessor, open_recording
from wav2vec2_sv.encoder import SpeakerEncoder, speaker_of, weighted_mean
from wav2vec2_sv.network import PUBLISHED, THRESHOLD

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

    def encoder_for(self, session: Session) -> Encoder:
        if not {"similarity", SAME} & session.asked:
            return self.encoder
        reference = open_recording(session.manager, "reference")
        vector = speaker_of(
            reference,
            self.encoder,
            session.grid.length_ms,
            batch_size=self.options.batch_size,
            precision=self.options.precision,
            log=session.log,
        )
        session.log(f"the reference is {reference.duration_ms / 1000:.3f} s of {reference.name}")
        if reference.duration_ms > session.recording.duration_ms:
            session.log("the reference is longer than the recording: are they exchanged?")
        return self.encoder.with_reference(vector)

    def derive(self, encoded: Encoded, session: Session) -> None:
        if "speaker" in session.asked:
            vector = weighted_mean(encoded.values["embeddings"], encoded.values["energy"])
            if vector is None:
                session.log("nothing but silence, or no usable audio: zeros in speaker")
                vector = np.zeros(self.encoder.dimensions["embeddings"], np.float32)
            encoded.values["speaker"] = vector[None]
        if SAME in session.asked:
            step_ms = session.grid.stride_ms
            scores = encoded.values["similarity"][:, 0]
            places = find_stretches(
                scores,
                encoded.usable,
                step_ms,
                threshold=self.options.threshold,
                min_gap_ms=self.options.min_gap,
                min_duration_ms=self.options.min_duration,
            )
            encoded.stretches[SAME] = [
                Stretch(begin * step_ms, end * step_ms, SAME, mean_confidence(scores[begin:end], -1, 1))
                for begin, end in places
            ]
            session.log(f"{len(encoded.stretches[SAME])} stretches of the same speaker")
