"""How well wav2vec2_kws aligns a transcript of fluent speech, where words run into one another.

espeak-ng says whole sentences of the words that the small checkpoint learnt one by one, and its library tells at which
sample each word begins (not where it ends). Two voices that the checkpoint never heard; in the second row a fifth of
the words is unknown to it, too. Transcripts have errors as in benchmarks/alignment.py.

    python benchmarks/fluent_speech.py [--minutes 6] [--model DIR]

Prints how many words the model recognises wrongly, and the errors of starts for each share of wrong words.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from rapidfuzz.distance import Levenshtein

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

import novaspeech
from benchmarks.alignment import SHARES, SURE, frames_of, with_errors
from benchmarks.machine import describe_machine
from novaspeech.arrays import FloatArray
from novaspeech.inference.engine import Inference
from training.recordings import UNKNOWN, Material
from training.speech import HELD_OUT_VOICES, RATE, WORDS, Spoken, with_noise
from wav2vec2_kws.align.aligner import Aligner
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.standin import SMALL
from wav2vec2_kws.words import WordDecoder

_SYNCHRONOUS, _WORD, _END, _SPEED, _PITCH, _UTF_8 = 2, 1, 0, 1, 3, 1  # of espeak-ng's speak_lib.h


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("name", ctypes.c_char * 8),
    ]  # fmt: skip


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """espeak-ng's library, which tells when each word begins."""

    def __init__(self) -> None:
        self._library: Any = ctypes.CDLL("libespeak-ng.so.1")
        self._rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
        self._pieces: list[np.ndarray] = []
        self._starts: list[int] = []
        self._callback = _CALLBACK(self._hear)  # the library keeps a pointer to it
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: str, speed: int, pitch: int) -> tuple[FloatArray, list[int]]:
        """A sentence (N,) at `RATE`, and the sample at which each word begins."""
        self._pieces, self._starts = [], []
        self._library.espeak_SetVoiceByName(voice.encode())
        self._library.espeak_SetParameter(_SPEED, speed, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF_8, None, None)
        sound = np.concatenate(self._pieces).astype(np.float32) / 32768
        return soxr.resample(sound, self._rate, RATE), [start * RATE // self._rate for start in self._starts]

    def _hear(self, samples: Any, count: int, events: Any) -> int:
        place = 0
        while events[place].type != _END:
            self._starts += [events[place].sample] if events[place].type == _WORD else []
            place += 1
        if samples and count:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


def make_fluent(espeak: Espeak, minutes: float, seed: int, unknown: float) -> Material:
    """Sentences of five to twelve words; the ends of words are not known, and stand at their starts."""
    generator = np.random.default_rng(seed)
    pieces, spoken, position = list[FloatArray](), list[Spoken](), 0
    while position < minutes * 60 * RATE:
        kinds = generator.random(generator.integers(5, 13)) < unknown
        words = [str(generator.choice(UNKNOWN if kind else WORDS)) for kind in kinds]
        voice, speed = str(generator.choice(HELD_OUT_VOICES)), int(generator.choice([130, 150, 170, 190]))
        sound, starts = espeak.speak(" ".join(words), voice, speed, int(generator.choice([32, 47, 62])))
        if len(starts) != len(words):  # espeak-ng takes some words for one
            continue
        gap = int(generator.integers(RATE // 8, RATE))
        pieces += [np.zeros(gap, np.float32), sound]
        begins = [position + gap + start for start in starts]
        spoken += [Spoken(word, begin, begin) for word, begin in zip(words, begins, strict=True)]
        position += gap + len(sound)
    return Material("fluent", with_noise(np.concatenate(pieces), 30, generator), spoken)


def measure(material: Material, inference: Inference, voices: str, seed: int) -> None:
    """Prints the rows of one recording."""
    encoder = inference.encoder
    assert isinstance(encoder, KeywordEncoder)
    blocks, decoder = frames_of(material, inference), WordDecoder(encoder.vocabulary)
    words = [word.word for word in material.spoken]
    heard = [hit.name for block in blocks for hit in decoder.add(block)]
    wrong = Levenshtein.distance(heard, [word.upper() for word in words]) / len(words)
    for share in SHARES:
        transcript = with_errors(words, share, seed)
        aligner = Aligner(transcript.words, encoder.vocabulary, encoder.frame_seconds, lambda line: None, encoder.costs)
        for block in blocks:
            aligner.add(block)
        hits, said = aligner.finish(), transcript.spoken >= 0
        truth = np.array([word.start for word in material.spoken])[transcript.spoken[said]] * 1000 / RATE
        errors = np.abs(np.array([hit.start * encoder.frame_seconds * 1000 for hit in hits])[said] - truth)
        flagged = np.array([hit.score < SURE for hit in hits])
        middle, most = np.median(errors), np.quantile(errors, 0.95)
        print_row(
            voices, f"{wrong:.0%}", f"{share:.0%}", len(hits), f"{middle:.0f}, {most:.0f}",
            f"{np.mean(errors <= 50):.3f}", f"{np.mean(errors <= 100):.3f}",
            f"{flagged[~said].mean():.3f}" if share else "–", f"{flagged[said].mean():.3f}",
        )  # fmt: skip


def print_row(*cells: object) -> None:
    """A row of a table in Markdown."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=6, help="of speech in each recording")
    parser.add_argument("--model", default=str(SMALL), help="folder (default: the module's small one)")
    given = parser.parse_args(arguments)
    print(describe_machine(), flush=True)
    inference = novaspeech.load("wav2vec2_kws", model=given.model).processor.inference(lambda line: None)
    columns = ["voices", "recognised wrongly", "wrong in the transcript", "words", "start: median, 95 %, ms"]
    columns += ["within 50 ms", "within 100 ms", "not said: flagged", "said: flagged"]
    print_row(*columns)
    print(f"{'|---' * len(columns)}|")
    espeak = Espeak()
    for voices, seed, unknown in (("never heard", 81, 0.0), ("the same, a fifth of the words unknown", 82, 0.2)):
        measure(make_fluent(espeak, given.minutes, seed, unknown), inference, voices, seed)


if __name__ == "__main__":
    main()
