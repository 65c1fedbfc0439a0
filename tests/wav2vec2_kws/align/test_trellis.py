from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from wav2vec2_kws.align.anchors import Piece, cut, equal_runs
from wav2vec2_kws.align.trellis import Costs, Graph, best_path, with_gaps
from wav2vec2_kws.hits import Hit
from wav2vec2_kws.vocabulary import Vocabulary

TOY = Vocabulary({"A": 2, "B": 3, "C": 4}, blank=0, delimiter=1)


class Enumerated:
    """All paths through a few words, by the rules that `Graph` is described by."""

    def __init__(self, spellings: Sequence[tuple[int, ...]], costs: Costs) -> None:
        self.states: list[tuple[str, int, int]] = [("gap", 0, -1)]  # kind, word, value
        for word, spelling in enumerate(spellings):
            for place, letter in enumerate(spelling):
                self.states += [("pause", word, 5)] * bool(place) + [("letter", word, letter)]
            self.states.append(("gap", word + 1, -1))
        self.skips = [costs.skip if spelling else 0.0 for spelling in spellings]

    def leads(self, one: int, other: int) -> bool:
        (kind, word, value), (next_kind, next_word, next_value) = self.states[one], self.states[other]
        if one == other:
            return True
        if other == one + 1:
            return (kind, next_kind) != ("gap", "gap")
        letters = kind == next_kind == "letter" and word == next_word
        return letters and other == one + 2 and value != next_value

    def step(self, one: int, other: int) -> float:
        """The best way from a state to the next frame's, words skipped before it; skipped first, then moved."""
        kind, word, _ = self.states[one]
        if kind != "gap":
            return 0.0 if self.leads(one, other) else -np.inf
        gaps = [index for index, (kind, place, _) in enumerate(self.states) if kind == "gap" and place >= word]
        ways = [-sum(self.skips[word : self.states[gap][1]]) for gap in gaps if self.leads(gap, other)]
        return max(ways, default=-np.inf)

    def value(self, path: Sequence[int], rows: np.ndarray) -> float:
        total = sum(row[self.states[state][2]] for row, state in zip(rows, path, strict=True))
        if np.isinf(total):
            return -np.inf
        total += sum(itertools.starmap(self.step, itertools.pairwise([0, *path])))
        last = len(self.states) - 1
        ends = [
            self.step(path[-1], gap) - sum(self.skips[self.states[gap][1] :])
            for gap, (kind, *_) in enumerate(self.states)
            if kind == "gap"
        ]
        return float(total + max([*ends, self.step(path[-1], last)]))


@pytest.mark.parametrize("seed", range(12))
def test_the_best_of_all_paths(seed: int) -> None:
    generator = np.random.default_rng(seed)
    words = [(2, 3), (), (4, 4)] if seed % 3 == 0 else [(2,), (3, 2)] if seed % 3 == 1 else [(2, 1, 3), (4,)]
    ratios = 3 * np.log(generator.dirichlet([0.4] * 5, 4))
    ratios -= ratios.max(axis=1, keepdims=True)
    if seed % 2:
        ratios[generator.integers(4)] = np.nan
    costs = Costs(*generator.uniform(0, [4, 4, 1]).tolist())
    rows = with_gaps(ratios, TOY, costs)
    graph = Graph(words, TOY, 5, costs)
    path = best_path(graph, lambda begin, end: rows[begin:end], np.zeros(5, int), len(graph.ids)).tolist()
    every = Enumerated(words, costs)
    best = max(every.value(one, rows) for one in itertools.product(range(len(every.states)), repeat=4))
    assert np.isfinite(best)
    assert every.value(path, rows) == pytest.approx(best)


def heard(text: str, length: int = 10) -> list[Hit]:
    """Words one after the other, each with a frame before and after it."""
    return [Hit(word, length * place + 1, length * (place + 1) - 1, 1.0) for place, word in enumerate(text.split())]


def pieces(text: str, words: Sequence[str], shortest: int = 1) -> list[Piece]:
    return list(cut(words, heard(text), 10 * len(text.split()), shortest))


def test_cuts_lie_within_long_runs_of_equal_words() -> None:
    assert pieces("MONEY RIVER", ["MONEY", "RIVER"]) == [Piece((0, 20), (0, 2), (0, 2))]
    assert pieces("MONEY RIVER SEVEN WATER", ["MONEY", "RIVER", "SEVEN", "WATER"]) == [
        Piece((0, 20), (0, 2), (0, 2)),
        Piece((20, 40), (2, 4), (2, 4)),
    ]
    assert len(pieces("I AM SO IN IT", ["I", "AM", "SO", "IN", "IT"])) == 1  # too few letters
    assert len(pieces("MONEY RIVER OTHER SEVEN WATER", ["MONEY", "RIVER", "SEVEN", "WATER"])) == 1


def test_cuts_keep_their_distance_and_words_whole() -> None:
    said = "MONEY RIVER SEVEN WATER SUMMER DOCTOR LETTER MUSIC"
    assert [piece.frames for piece in pieces(said, said.split(), 30)] == [(0, 30), (30, 80)]
    joined = ["MONEY", "RIVER SEVEN WATER", "", "SUMMER", "DOCTOR LETTER", "MUSIC"]
    said = "MONEY RIVER SEVEN WATER SUMMER DOCTOR LETTER MUSIC"
    assert pieces(said, joined) == [Piece((0, 80), (0, 6), (0, 8))]
    joined.remove("")
    assert [(piece.words, piece.recognised) for piece in pieces(said, joined)] == [
        ((0, 2), (0, 4)),
        ((2, 3), (4, 5)),
        ((3, 5), (5, 8)),
    ]


def test_pieces_of_nothing() -> None:
    assert list(cut([], [], 50, 1)) == [Piece((0, 50), (0, 0), (0, 0))]
    assert list(cut(["MONEY"], [], 50, 1)) == [Piece((0, 50), (0, 1), (0, 0))]


def test_runs_that_are_equal() -> None:
    assert equal_runs("abcdef", "xabcyzdef", 3) == [(0, 1, 3), (3, 6, 3)]
    assert equal_runs("abcdefg", "abcdefg", 3) == [(0, 0, 7)]
    assert equal_runs("abcabc", "abc", 3) == []  # which of them?
    assert equal_runs("abcde fgh", "fgh abcde", 3) == [(0, 4, 5)]  # the longer in another order
    assert equal_runs("ab", "ab", 3) == equal_runs("", "abc", 3) == []


def test_long_passages_that_one_text_lacks_shift_nothing() -> None:
    generator = np.random.default_rng(9)
    words = [str(word) for word in generator.integers(100, 200, 1200)]
    said, written = words[:900], [*words[:200], *words[500:800], *words[900:], *words[800:900]]
    runs = equal_runs(said, written, 3)
    assert {target - source for source, target, _ in runs if source < 200} == {0}
    assert {target - source for source, target, _ in runs if 500 <= source < 798} == {-300}
    assert {target - source for source, target, _ in runs if source >= 800} == {0}
    assert sum(size for *_, size in runs) > 500


@pytest.mark.parametrize("seed", range(10))
def test_the_most_places_in_the_same_order(seed: int) -> None:
    generator = np.random.default_rng(seed)
    one, other = (generator.permutation(list("abcdefghij")).tolist() for _ in range(2))
    runs = equal_runs(one, other, 1)
    places = [other.index(letter) for letter in one]
    rising = [
        chosen
        for size in range(11)
        for chosen in itertools.combinations(places, size)
        if all(first < second for first, second in itertools.pairwise(chosen))
    ]
    assert sum(size for *_, size in runs) == len(rising[-1])
    for source, target, size in runs:
        assert one[source : source + size] == other[target : target + size]
