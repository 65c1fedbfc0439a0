import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from wav2vec2_kws.align.trellis import Costs, Graph, best_path, with_gaps
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
