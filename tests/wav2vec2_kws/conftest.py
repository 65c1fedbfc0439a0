"""Recordings put together from words whose times are known; models: the small one that spells, and random ones."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

from novaspeech.audio.recording import Recording
from novaspeech.command.main import main
from novaspeech.inference.engine import Inference
from novaspeech.inference.pooling import FrameBlock
from tests.conftest import ROOT, SPELLER, Job
from training.speech import RATE, Spoken, concatenate
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.hits import Detector, Hit
from wav2vec2_kws.standin import ALPHABET, save_speller

SIZES = {
    "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96, "conv_dim": (24,) * 7,
    "num_conv_pos_embedding_groups": 4, "vocab_size": len(ALPHABET), "pad_token_id": 0,
}  # fmt: skip
LAYER_NORM = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}

_SOUND, _ = soundfile.read(ROOT / "tests" / "data" / "takes.flac", dtype="float32")
TAKES = {
    (word, voice): _SOUND[start:end]
    for word, voice, start, end in json.loads((ROOT / "tests" / "data" / "takes.json").read_text())
}
VOICE = "en-us+f1"
SENTENCE = ["doctor", "always", "money", "river", "summer", "question", "children", "music", "money"]
FRAME_SECONDS = 0.02  # from one frame to the next, as published


def say(words: Sequence[str], voice: str = VOICE, gap: float = 0.15) -> tuple[np.ndarray, list[Spoken]]:
    """Samples (N,) at 16 kHz, and where each word lies."""
    return concatenate(words, [TAKES[word, voice] for word in words], [gap] * (len(words) + 1))


def recording(samples: np.ndarray, name: str = "made") -> Recording:
    """A recording at 16 kHz."""
    return Recording.of_samples(samples, RATE, name)


def frame_blocks(samples: np.ndarray, encoder: KeywordEncoder, name: str) -> list[FrameBlock]:
    """All frames `name` of samples (N,) at 16 kHz."""
    return list(Inference(encoder).frames(recording(samples), [name]))


def cut_blocks(name: str, rows: np.ndarray, edges: Sequence[int] = (), bad: Sequence[int] = ()) -> list[FrameBlock]:
    """Frames (F, D) of the encoder's output `name` in blocks that end at `edges`, some of them unusable."""
    usable = np.ones(len(rows), bool)
    usable[list(bad)] = False
    ends = [*edges, len(rows)]
    return [
        FrameBlock(begin, {name: torch.from_numpy(rows[begin:end].copy())}, usable[begin:end], end == ends[-1])
        for begin, end in zip([0, *edges], ends, strict=True)
    ]


def hits_in(blocks: Iterable[FrameBlock], detector: Detector) -> list[Hit]:
    """All hits that a detector, or a decoder of words, has in consecutive blocks."""
    return [hit for block in blocks for hit in detector.add(block)]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name → folder: "speller" spells, "group" and "layer" are random, with the norms of the base and large models."""
    found = {"speller": SPELLER}
    for name, sizes in {"group": {}, "layer": LAYER_NORM}.items():
        torch.manual_seed(3)
        found[name] = tmp_path_factory.mktemp(name)
        save_speller(Wav2Vec2ForCTC(Wav2Vec2Config(**SIZES, **sizes)), found[name])
    return found


@pytest.fixture(scope="session")
def speller() -> KeywordEncoder:
    return KeywordEncoder(SPELLER)


@pytest.fixture
def run_kws(run_module: Callable[..., Job]) -> Callable[..., Job]:
    """Runs wav2vec2_kws with the tests' speller."""

    def run(
        audio: Path,
        options: dict[str, Any],
        outputs: Sequence[str] = ("keywords",),
        example: Path | None = None,
        **arguments: Any,
    ) -> Job:
        options = {"model": str(SPELLER)} | options
        inputs = {"keyword": example} if example else {}
        return run_module("wav2vec2_kws", audio, options, outputs, arguments.pop("name", "out"), inputs, **arguments)

    return run


@pytest.fixture
def talk(mono: Callable[..., Path]) -> tuple[Path, list[Spoken]]:
    samples, spoken = say(SENTENCE)
    return mono("talk.wav", samples), spoken


KEYWORDS = ("money", "question")
OTHERS = ["doctor", "always", "river", "summer", "children", "music", "letter", "sister", "tomorrow", "seven"]


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Examples of two keywords by six voices, and background of other words."""
    root = tmp_path_factory.mktemp("examples")
    voices = sorted({voice for _, voice in TAKES})
    for word in KEYWORDS:
        (root / word).mkdir()
        for voice in voices:
            soundfile.write(root / word / f"{voice}.wav", TAKES[word, voice], RATE)
    (root / "_background").mkdir()
    for voice in voices:
        words = np.random.default_rng(len(voice)).permutation(OTHERS * 2).tolist()
        soundfile.write(root / "_background" / f"{voice}.wav", say(words, voice)[0], RATE)
    return root


def train(folder: Path, out: Path, *words: str) -> int:
    return main(["train-keywords", str(folder), "--out", str(out), "--model", str(SPELLER), *words])


@pytest.fixture(scope="session")
def trained(examples: Path) -> Path:
    """The classifier that the command makes of the examples."""
    file = examples.parent / "keywords.skops"
    assert train(examples, file, "--window", "800ms", "--augment", "1") == 0
    return file
