"""How well scores tell same from different speakers: equal error rate and detection error trade-off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from novaspeech.colours import COLOURS
from novaspeech.errors import RequestError

Array = npt.NDArray[np.float64]

TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5)  # of a DET curve's axes
TINIEST = 1e-4  # share that a DET curve shows, whose axes have no 0


@dataclass(frozen=True)
class Trial:
    """Two recordings, and whether the same person speaks in them."""

    same: bool
    first: Path
    second: Path


def read_trials(file: Path, root: Path | None = None) -> list[Trial]:
    """A list as VoxCeleb has them, a line a trial: `1 a.wav b.wav` for the same speaker, `0 …` for different ones.

    Args:
        file: the list, UTF-8; empty lines are skipped.
        root: where its paths start; None for the folder of the list.

    Raises:
        RequestError: no such file, or a line that is no trial.
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
        thresholds, ascending, the last infinite; share of same speakers below it (misses); share of different speakers
        at or above it (false alarms).

    Raises:
        RequestError: no trial of the same speaker, or none of different ones.
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
    """Where misses and false alarms are equally many, on straight lines between the thresholds; and that threshold."""
    after = int(np.argmax(misses >= alarms))
    before = after - 1
    share = (alarms[before] - misses[before]) / (alarms[before] - misses[before] + misses[after] - alarms[after])
    rate = misses[before] + share * (misses[after] - misses[before])
    nearest = before if share < 0.5 or np.isinf(thresholds[after]) else after
    return float(rate), float(thresholds[nearest])


def draw_det(misses: Array, alarms: Array, rate: float, picture: Path) -> None:
    """Detection error trade-off (Martin et al. 1997): on its axes normally distributed scores give a straight line."""
    deviate = np.vectorize(NormalDist().inv_cdf, otypes=[float])
    figure = Figure(figsize=(6, 6), layout="constrained")
    axis = figure.subplots()
    kept = (misses < 1) & (alarms < 1)
    axis.plot(
        *(deviate(np.clip(errors[kept], TINIEST, 1 - TINIEST)) for errors in (alarms, misses)),
        drawstyle="steps-post",
        color=COLOURS[0],
    )
    at = deviate(np.clip(rate, TINIEST, 1 - TINIEST))
    axis.plot(at, at, "o", color=COLOURS[1], label=f"equal error rate {100 * rate:.2f} %")
    low, high = deviate(TINIEST), deviate(max(TICKS))
    for which, name in (("x", "false alarms"), ("y", "misses")):
        getattr(axis, f"set_{which}ticks")(deviate(TICKS), [f"{100 * tick:g} %" for tick in TICKS])
        getattr(axis, f"set_{which}lim")(low, high)
        getattr(axis, f"set_{which}label")(name)
    axis.plot([low, high], [low, high], color="#999999", lw=0.8, zorder=0)
    axis.grid(color="#dddddd")
    axis.legend()
    figure.savefig(picture, dpi=110)
