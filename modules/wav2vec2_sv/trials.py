"""Trials of speaker verification: equal error rate and detection error trade-off of their scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.metrics import DetCurveDisplay

from novaspeech.colours import COLOURS
from novaspeech.errors import RequestError

Array = npt.NDArray[np.float64]

TINIEST = 1e-4  # share that a DET curve has in place of 0, which its axes lack


@dataclass(frozen=True)
class Trial:
    """Two recordings, and whether the same person speaks in them."""

    same: bool
    first: Path
    second: Path


def read_trials(file: Path, root: Path | None = None) -> list[Trial]:
    """Trials from a list in VoxCeleb's form: `1 a.wav b.wav` for the same speaker, `0 …` for different ones.

    Args:
        file: the list, UTF-8, a line a trial; empty lines are skipped.
        root: folder that its paths start from; None is the folder of the list.

    Raises:
        RequestError: there is no such file, or a line is no trial.
    """
    if not file.is_file():
        raise RequestError(f"there is no list of trials {file}")
    trials = []
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise RequestError(f"{file} is not UTF-8 ({error}); save it as that") from error
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 3 or words[0] not in ("0", "1"):
            raise RequestError(
                f"{file}, line {number}: {line.strip()!r} is no trial; write 1 a.wav b.wav, or 0, paths without blanks"
            )
        first, second = ((root or file.parent) / word for word in words[1:])
        trials.append(Trial(words[0] == "1", first, second))
    return trials


def error_rates(scores: Array, same: npt.NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Shares of errors at every threshold that makes a difference.

    Args:
        scores: (trials,), higher for the same speaker.
        same: (trials,), the truth.

    Returns:
        Thresholds, ascending, the last infinite; share of same speakers below each (misses); share of different
        speakers at or above it (false alarms).

    Raises:
        RequestError: there is no trial of the same speaker, or none of different ones.
    """
    if same.all() or not same.any():
        raise RequestError(
            f"{len(same)} trials, {same.sum()} of them of the same speaker: some of either kind are needed"
        )
    thresholds = np.append(np.unique(scores), np.inf)
    misses = np.searchsorted(np.sort(scores[same]), thresholds, side="left") / same.sum()
    alarms = 1 - np.searchsorted(np.sort(scores[~same]), thresholds, side="left") / (~same).sum()
    return thresholds, misses, alarms


def equal_error_rate(thresholds: Array, misses: Array, alarms: Array) -> tuple[float, float]:
    """The rate at which misses equal false alarms, on straight lines between the thresholds; and that threshold."""
    after = int(np.argmax(misses >= alarms))
    before = after - 1
    share = (alarms[before] - misses[before]) / (alarms[before] - misses[before] + misses[after] - alarms[after])
    rate = misses[before] + share * (misses[after] - misses[before])
    nearest = before if share < 0.5 or np.isinf(thresholds[after]) else after
    return float(rate), float(thresholds[nearest])


def draw_det(misses: Array, alarms: Array, rate: float, picture: Path) -> None:
    """Draws the detection error trade-off (Martin et al. 1997): normally distributed scores give a straight line."""
    figure = Figure(figsize=(6, 6), layout="constrained")
    shown = [np.clip(errors, TINIEST, 1 - TINIEST) for errors in (alarms, misses, rate)]
    display = DetCurveDisplay(fpr=shown[0], fnr=shown[1]).plot(ax=figure.subplots(), color=COLOURS[0])
    lowest, middle = (NormalDist().inv_cdf(float(share)) for share in (TINIEST, shown[2]))
    display.ax_.plot(middle, middle, "o", color=COLOURS[1], label=f"equal error rate {100 * rate:.2f} %")
    view = (lowest, 0.1)  # from 0.01 to 54 %
    display.ax_.set(xlabel="false alarms", ylabel="misses", xlim=view, ylim=view)
    display.ax_.grid(color="#dddddd")
    display.ax_.legend()
    figure.savefig(picture, dpi=110)
