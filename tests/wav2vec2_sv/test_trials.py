from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.optimize import brentq
from sklearn.metrics import roc_curve

from novaspeech.errors import RequestError
from tests.novaspeech.view.test_pictures import piled
from wav2vec2_sv import trials
from wav2vec2_sv.trials import draw_det, equal_error_rate, error_rates, read_trials


@pytest.mark.parametrize("seed", range(20))
def test_scikit_learns_roc(seed: int) -> None:
    random = np.random.default_rng(seed)
    same = random.random(random.integers(20, 300)) < random.uniform(0.1, 0.9)
    same[:2] = True, False
    scores = random.normal(size=len(same)) + same * random.uniform(0, 3)
    if seed % 2:
        scores = scores.round(1)  # ties
    thresholds, misses, alarms = error_rates(scores, same)
    expected_alarms, hits, expected_thresholds = roc_curve(same, scores, drop_intermediate=False)
    np.testing.assert_allclose(alarms[::-1], expected_alarms)
    np.testing.assert_allclose(misses[::-1], 1 - hits)
    np.testing.assert_array_equal(thresholds[::-1], expected_thresholds)
    rate, _ = equal_error_rate(thresholds, misses, alarms)

    def difference(alarm: float) -> float:
        # Along the curve, which is a broken line: its length so far, not the false alarms, tells points apart.
        place = alarm * (len(hits) - 1)
        return float(np.interp(place, np.arange(len(hits)), 1 - hits - expected_alarms))

    place = brentq(difference, 0, 1) * (len(hits) - 1)
    assert rate == pytest.approx(float(np.interp(place, np.arange(len(hits)), expected_alarms)), abs=1e-6)


def test_trials_of_one_kind_only() -> None:
    with pytest.raises(RequestError, match="3 trials, 3 of them of the same speaker: some of either kind are needed"):
        error_rates(np.arange(3.0), np.ones(3, bool))
    with pytest.raises(RequestError, match="0 trials, 0 of them"):
        error_rates(np.zeros(0), np.zeros(0, bool))


def test_a_list_as_voxceleb_has_them(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("1 id1/a.wav id1/b.wav\n\n0  id1/a.wav\tid2/ü.wav\n", encoding="utf-8")
    first, second = read_trials(file)
    assert (first.same, first.first, first.second) == (True, tmp_path / "id1/a.wav", tmp_path / "id1/b.wav")
    assert (second.same, second.second) == (False, tmp_path / "id2/ü.wav")
    assert read_trials(file, Path("/wav"))[0].first == Path("/wav/id1/a.wav")
    file.write_bytes("1 a.wav ü.wav".encode("utf-8-sig"))  # as Notepad saves it
    assert [trial.second.name for trial in read_trials(file)] == ["ü.wav"]
    file.write_bytes("1 a.wav ü.wav".encode("latin-1"))
    with pytest.raises(RequestError, match=r"list\.txt is not UTF-8"):
        read_trials(file)
    file.write_text("1 a.wav b.wav\n2 a.wav b.wav\n")
    with pytest.raises(RequestError, match=r"list\.txt, line 2: '2 a\.wav b\.wav' is no trial; write 1 a\.wav b\.wav"):
        read_trials(file)
    with pytest.raises(RequestError, match="there is no list of trials"):
        read_trials(tmp_path)


def test_labels_of_a_det_curve_do_not_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Figure] = []

    class Kept(Figure):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            FigureCanvasAgg(self)
            made.append(self)

    monkeypatch.setattr(trials, "Figure", Kept)
    shares = np.linspace(0, 1, 50)
    draw_det(shares, 1 - shares, 0.5, tmp_path / "det.png")
    assert piled(made[0]) == []
