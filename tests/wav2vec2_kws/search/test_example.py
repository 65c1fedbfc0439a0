from pathlib import Path

import librosa
import numpy as np
import pytest

from novaspeech.errors import RequestError
from novaspeech.inference.engine import Inference
from novaspeech.inference.pooling import HIDDEN, FrameBlock
from tests.wav2vec2_kws.conftest import cut_blocks, frame_blocks, hits_in, recording, say
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.hits import Hit, best_hits
from wav2vec2_kws.search.example import PENALTIES, STEPS, WEIGHTS, ExampleDetector, example_frames

SENTENCE = ["doctor", "always", "money", "river", "summer", "question", "children", "music"]


def detect(example: np.ndarray, blocks: list[FrameBlock]) -> list[Hit]:
    return hits_in(blocks, ExampleDetector("it", example))


@pytest.mark.parametrize("model", ["speller", "layer"])
@pytest.mark.parametrize("layer", [0, 1, 2, -1])
@pytest.mark.parametrize("word", ["money", "question", "music"])
def test_a_keyword_cut_out_is_found_at_its_place(folders: dict[str, Path], model: str, layer: int, word: str) -> None:
    encoder = KeywordEncoder(folders[model], layer)
    samples, spoken = say(SENTENCE)
    place = next(one for one in spoken if one.word == word)
    start, end = place.start, place.end
    if model == "layer":  # to random weights a signal half a millisecond later is another one: on whole frames
        start, end = start // 320 * 320, -(-end // 320) * 320
    example = example_frames(recording(samples[start:end]), Inference(encoder))
    hits = best_hits(detect(example, frame_blocks(samples, encoder, HIDDEN)))
    best = max(hits, key=lambda hit: hit.score)
    assert best.start * 20 == pytest.approx(place.start / 16, abs=40)
    assert best.end * 20 == pytest.approx(place.end / 16, abs=40)
    assert sorted(hit.score for hit in hits)[-2] < best.score


@pytest.mark.parametrize("seed", range(4))
def test_blocks_give_what_warping_over_the_whole_gives(seed: int) -> None:
    generator = np.random.default_rng(seed)
    # Smooth, so that paths are not all diagonal; the example is warped into it in two places.
    frames = np.cumsum(generator.normal(0, 1, (300, 6)), axis=0).astype(np.float32)
    example = frames[100:112]
    frames[201:224] = np.repeat(example, 2, axis=0)[1:]
    whole = detect(example, cut_blocks(HIDDEN, frames))
    for edges in ((100,), (106, 107, 111, 112), (5, 60, 119, 205, 223), tuple(range(7, 300, 7)), tuple(range(1, 300))):
        found = detect(example, cut_blocks(HIDDEN, frames, edges))
        assert [(hit.start, hit.end) for hit in found] == [(hit.start, hit.end) for hit in whole]
        np.testing.assert_allclose([hit.score for hit in found], [hit.score for hit in whole], atol=1e-6)
    centred = [rows - example.mean(axis=0) for rows in (example, frames)]
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in centred]
    costs, path = librosa.sequence.dtw(
        C=1 - (unit[0] @ unit[1].T).astype(float),
        subseq=True,
        step_sizes_sigma=STEPS,
        weights_mul=WEIGHTS,
        weights_add=PENALTIES,
    )
    best = max(whole, key=lambda hit: hit.score)
    assert (best.start, best.end) == (path[-1, 1], path[0, 1] + 1)
    assert best.score == pytest.approx(1 - costs[-1].min() / 12, abs=1e-6)
    assert (best.start, best.end, best.score) == (100, 112, pytest.approx(1))
    assert max(hit.score for hit in whole if 198 <= hit.start < hit.end <= 226) > 0.85


def test_no_hit_lies_on_unusable_frames() -> None:
    frames = np.random.default_rng(0).normal(0, 1, (60, 8)).astype(np.float32)
    example = frames[20:30]
    assert max(hit.score for hit in detect(example, cut_blocks(HIDDEN, frames))) == pytest.approx(1)
    bad = tuple(range(22, 28))
    assert max(hit.score for hit in detect(example, cut_blocks(HIDDEN, frames, bad=bad))) < 0.7


def test_silence_at_an_examples_ends_is_left_out(speller: KeywordEncoder) -> None:
    samples, _ = say(["money"], gap=0.0)
    padded = np.concatenate([np.zeros(8000, np.float32), samples, np.zeros(16000, np.float32)])
    bare, trimmed = (example_frames(recording(signal), Inference(speller)) for signal in (samples, padded))
    assert abs(len(trimmed) - len(bare)) <= 3


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        (np.zeros(16000), "made is silent; an example must hold the keyword"),
        (np.full(16000, 0.5), "made is silent"),
        (np.full(16000, np.nan), "made holds NaN or infinite samples; an example must be intact"),
        (np.ones(16000 * 11) * np.sin(np.arange(16000 * 11)), "made has 11.0 s; .* at most 10 s of one word"),
        (np.sin(np.arange(500)), "made holds less than 40 ms of sound"),
    ],
    ids=["silent", "constant", "nan", "long", "short"],
)
def test_an_example_that_is_none(speller: KeywordEncoder, samples: np.ndarray, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        example_frames(recording(samples.astype(np.float32)), Inference(speller))
