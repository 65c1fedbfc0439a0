import numpy as np
import pytest

from novaspeech.segments import find_segments


@pytest.mark.parametrize(
    ("scores", "gap", "duration", "expected"),
    [
        ("0110", 0, 0, [(1, 3)]),
        ("1111", 0, 0, [(0, 4)]),
        ("0000", 5, 0, []),
        ("", 5, 0, []),
        ("1011", 100, 0, [(0, 1), (2, 4)]),  # a gap of 100 ms is not shorter than 100 ms
        ("1011", 101, 0, [(0, 4)]),
        ("0101100", 1000, 0, [(1, 5)]),  # what lies before the first and after the last is no gap
        ("1001011", 200, 0, [(0, 1), (3, 7)]),
        ("1011001", 0, 200, [(2, 4)]),
        ("1011001", 0, 201, []),
        ("1011001", 200, 300, [(0, 4)]),  # gaps are closed first
        ("1?1", 1000, 0, [(0, 1), (2, 3)]),  # not over what is not known
        ("10?1", 1000, 0, [(0, 1), (3, 4)]),
    ],
)
def test_gaps_are_closed_then_short_ones_left_out(
    scores: str, gap: int, duration: int, expected: list[tuple[int, int]]
) -> None:
    values = np.array([0.9 if score == "1" else 0.1 for score in scores], np.float32)
    usable = np.array([score != "?" for score in scores], bool)
    found = find_segments(values, usable, 100, threshold=0.9, min_gap_ms=gap, min_duration_ms=duration)
    assert list(found) == expected
