"""Speakers over time: x-vectors, and their similarity to a person's (SUPERB speaker verification)."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from novaspeech.arrays import FloatArray
from novaspeech.hooks import ignore
from novaspeech.inference.engine import Windows
from novaspeech.models import weights
from novaspeech.module.output import Output
from novaspeech.module.processor import SpeechProcessor
from novaspeech.module.session import Results, Session
from novaspeech.segments import Segment, find_segments
from wav2vec2_sv.encoder import SpeakerEncoder, speaker_of, weighted_mean
from wav2vec2_sv.options import Wav2Vec2SVOptions

SAME = "same_speaker"


class Wav2Vec2SV(SpeechProcessor):
    """The server's entry."""

    options_class = Wav2Vec2SVOptions
    options: Wav2Vec2SVOptions
    encoder: SpeakerEncoder
    outputs = (
        Output("embeddings", aliases=("embedding",)),
        Output("speaker", whole=True),
        Output("similarity", "annotation:Continuous", low=-1, high=1, inputs=("reference",)),
        Output(SAME, "annotation:Discrete", classes=(SAME,), inputs=("reference",)),
    )

    def load_encoder(self) -> SpeakerEncoder:
        self._known: tuple[Hashable, FloatArray] | None = None  # last reference and its vector
        options = self.options
        compute = options.compute
        folder = weights.model_folder(options.model, ["wav2vec2"], self.log, options.exported)
        return SpeakerEncoder(folder, compute)

    @property
    def threshold(self) -> float:
        """The option's cosine, else the model's own."""
        return self.encoder.threshold if self.options.threshold is None else self.options.threshold

    def process(self, session: Session) -> Results:
        encoder, asked = self.encoder, session.asked
        compared = bool({"similarity", SAME} & asked)
        if compared:
            encoder = encoder.with_reference(self._reference(session))
        names = {"embeddings"} & asked
        names |= {"similarity"} if compared else set()
        names |= {"embeddings", "energy"} if "speaker" in asked else set()
        windows = session.encode(names, encoder)
        results: Results = dict(windows)
        if "speaker" in asked:
            results["speaker"] = self._speaker(windows, session)
        if SAME in asked:
            results[SAME] = self._same_speaker(windows["similarity"], session)
        return results

    def _reference(self, session: Session) -> FloatArray:
        """The vector (D,) of the person sought. A reference that sessions share is encoded once."""
        excerpt = session.inputs.excerpt("reference", self.options.reference, "reference")
        key = excerpt.key and (excerpt.key, session.grid.length_ms)
        if self._known and key and key == self._known[0]:
            return self._known[1]
        reference = excerpt.joined()
        quiet = replace(session.inference, progress=ignore)
        vector = speaker_of(reference, quiet, session.grid.length_ms)
        self._known = (key, vector)
        session.log(f"the reference is {reference.duration_ms / 1000:.3f} s of {reference.name}")
        if reference.duration_ms > session.recording.duration_ms:
            session.log("the reference is longer than the recording: are they exchanged?")
        return vector

    def _speaker(self, windows: dict[str, Windows], session: Session) -> FloatArray:
        """The vector (D,) of the recording as a whole."""
        vector = weighted_mean(windows["embeddings"].values, windows["energy"].values)
        if vector is None:
            session.log("nothing but silence, or no usable audio: zeros in speaker")
            return np.zeros(self.encoder.dimensions["embeddings"], np.float32)
        return vector

    def _same_speaker(self, similarity: Windows, session: Session) -> list[Segment]:
        usable, step_ms, options = similarity.usable, session.grid.stride_ms, self.options
        sounding = session.grid.wanted()
        # A pause is no reason to leave a short gap open.
        scores = np.where(sounding, similarity.values[:, 0], np.float32(-np.inf))
        limits = {"min_gap_ms": options.min_gap, "min_duration_ms": options.min_duration}
        stretches = find_segments(scores, usable | ~sounding, step_ms, threshold=self.threshold, **limits)
        segments = [
            Segment(begin * step_ms, end * step_ms, SAME, float(np.clip((mean + 1) / 2, 0, 1)))
            for begin, end in stretches
            for mean in [scores[begin:end].mean(where=sounding[begin:end])]
        ]
        session.log(f"{len(segments)} segments of the same speaker, from a similarity of {self.threshold:g} on")
        return segments
