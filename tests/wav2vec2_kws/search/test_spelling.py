"""Keyword-filler scores, against a dynamic program in plain float64 loops and against all paths there are."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from tests.wav2vec2_kws.conftest import FRAME_SECONDS, cut_blocks, hits_in
from tests.wav2vec2_kws.search.test_words import VOCABULARY, best_path
from wav2vec2_kws.encoder import LETTERS
from wav2vec2_kws.hits import Hit, best_hits
from wav2vec2_kws.search.spelling import SpellingDetector
from wav2vec2_kws.vocabulary import Vocabulary

# Five outputs: blank, delimiter, three letters.
TINY = Vocabulary({"a": 2, "b": 3, "c": 4}, blank=0, delimiter=1)
KEYWORDS = ("a", "ab", "aa", "abc", "a b", "bb a")


def random_letters(frames: int, seed: int) -> np.ndarray:
    """Log-probabilities (F, 5)."""
    logits = np.random.default_rng(seed).normal(0, 2, (frames, 5))
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)


def detect(
    letters: np.ndarray, keywords: Sequence[str], vocabulary: Vocabulary, edges: Sequence[int] = ()
) -> list[Hit]:
    ids = {word: vocabulary.spell(word) for word in keywords}
    detector = SpellingDetector(ids, vocabulary, FRAME_SECONDS)
    return hits_in(cut_blocks(LETTERS, letters, edges), detector)


def plain_program(letters: np.ndarray, ids: Sequence[int]) -> dict[int, tuple[float, int, int, int]]:
    """Frame of the delimiter after the keyword → best sum of ratios, first frame of its first letter and the one
    after its last, and how many frames its letters have: Viterbi from each start on its own, one frame and one state
    at a time.
    """
    ratios = letters.astype(float) - letters.max(axis=1, keepdims=True)
    count = len(ratios)
    delimiter = [0.0 if label == 1 else -math.inf for label in range(5)]
    rows = [delimiter, *ratios.tolist(), delimiter]  # a delimiter before the first frame and after the last
    states = [1]
    for label in [*ids, 1]:
        states += [0, label]
    ends: dict[int, tuple[float, int, int, int]] = {}
    for begin in range(count + 1):  # row of the delimiter before the keyword
        paths: list[tuple[float, tuple[int, ...]]] = [(-math.inf, ())] * len(states)
        paths[0] = (rows[begin][1], (0,))
        for row in range(begin + 1, count + 2):
            following: list[tuple[float, tuple[int, ...]]] = [(-math.inf, ())] * len(states)
            for state, label in enumerate(states):
                sources = [state] * (0 < state < len(states) - 1) + ([state - 1] if state else [])
                if state >= 2 and label not in (0, states[state - 2]):
                    sources.append(state - 2)
                for source in sources:
                    total = paths[source][0] + rows[row][label]
                    if total > following[state][0]:
                        following[state] = (total, (*paths[source][1], state))
            paths = following
            total, path = paths[-1]
            if total > ends.get(row - 1, (-math.inf,))[0]:
                first = begin + path.index(2) - 1
                last = begin + len(path) - 1 - path[::-1].index(len(states) - 3) - 1
                ends[row - 1] = (total, first, last + 1, sum(states[state] > 1 for state in path))
    return ends


@pytest.mark.parametrize("keyword", KEYWORDS)
@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_a_plain_dynamic_program(keyword: str, seed: int) -> None:
    letters = random_letters(14, seed)
    expected = plain_program(letters, TINY.spell(keyword))
    best: dict[tuple[int, int], float] = {}
    for total, start, end, spelling in expected.values():
        score = math.exp(total / spelling)
        if score >= 0.01:
            best[start, end] = max(score, best.get((start, end), 0))
    assert best
    for edges in ((), (1, 2, 3), tuple(range(1, 14))):
        found: dict[tuple[int, int], float] = {}
        for hit in detect(letters, [keyword], TINY, edges):
            found[hit.start, hit.end] = max(hit.score, found.get((hit.start, hit.end), 0))
        assert found == pytest.approx(best, rel=1e-5)


def test_several_keywords_are_scored_as_each_alone() -> None:
    letters = random_letters(40, 9)
    together = detect(letters, KEYWORDS, TINY)
    for keyword in KEYWORDS:
        assert [hit for hit in together if hit.name == keyword] == detect(letters, [keyword], TINY)


def test_a_keyword_on_the_best_path_scores_1() -> None:
    hits = best_hits(detect(best_path("THE|_C_AATT_|SAT"), ["cat"], VOCABULARY))
    assert [hit for hit in hits if hit.score > 0.2] == [Hit("cat", 5, 11, 1.0)]


def test_silence_does_not_hide_wrong_letters() -> None:
    letters = best_path("|" + "_" * 500 + "|")
    assert detect(letters, ["cat"], VOCABULARY) == []


def test_a_part_of_a_word_is_no_word() -> None:
    letters = best_path("THE|BOBCATS|SAT")
    assert max(hit.score for hit in detect(letters, ["cat", "bobcats"], VOCABULARY) if hit.name == "bobcats") == 1
    assert max(hit.score for hit in detect(letters, ["cat"], VOCABULARY)) < 0.25


@pytest.mark.parametrize(
    ("text", "place"), [("CAT|IS", (0, 3)), ("IS|CAT", (3, 6)), ("CAT", (0, 3)), ("_CAT_", (1, 4))]
)
def test_the_recordings_ends_are_words_ends(text: str, place: tuple[int, int]) -> None:
    hits = best_hits(detect(best_path(text), ["cat"], VOCABULARY))
    assert [hit for hit in hits if hit.score > 0.2] == [Hit("cat", *place, 1.0)]


def test_unusable_frames_are_words_ends_and_nothing_reaches_over_them() -> None:
    detector = SpellingDetector({"cat": VOCABULARY.spell("cat")}, VOCABULARY, FRAME_SECONDS)
    letters = best_path("IZCATZZCAAT")
    hits = best_hits(hits_in(cut_blocks(LETTERS, letters, bad=[1, 5, 9]), detector))
    assert [(hit.start, hit.end) for hit in hits if hit.score == 1.0] == [(2, 5)]
