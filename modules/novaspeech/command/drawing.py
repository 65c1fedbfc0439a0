"""The panels of a picture: waveform, curves, segments, and maps of embeddings."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from novaspeech.audio.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from novaspeech.arrays import FloatArray

COLUMNS = 2000  # of a picture; longer recordings are averaged down to as many
LAGS = 50  # rows of the self-similarity at least, and
LAG_SECONDS = 5.0  # time that they span at least
COLORS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00")  # of Okabe and Ito, for all kinds of eyes
LETTERS_ACROSS = 120  # of small print, in a picture's width
TEXT_ROWS = 3
MAP_COLUMNS = 800  # of a speaker map, which has as many rows


class Waveform:
    """Lowest and highest sample of each column of a picture, read block by block."""

    def __init__(self, audio: Path) -> None:
        recording = Recording.open(audio)
        per_column = max(1, recording.samples // COLUMNS)
        low, high, rest = [], [], np.zeros(0, np.float32)
        for block in recording.blocks(recording.rate):
            rest = np.concatenate([rest, block])
            whole = len(rest) // per_column * per_column
            columns = rest[:whole].reshape(-1, per_column)
            low.append(columns.min(axis=1, initial=np.inf))
            high.append(columns.max(axis=1, initial=-np.inf))
            rest = rest[whole:]
        self.low, self.high = np.concatenate(low), np.concatenate(high)
        self.name = audio.name
        self.seconds = recording.samples / recording.rate
        self.times = np.arange(len(self.high)) * per_column / recording.rate

    def draw(self, axis: Any, color: str = "#30507a") -> None:
        """Fills an axis with it."""
        axis.fill_between(self.times, self.low, self.high, step="post", color=color, lw=0)
        axis.set_title(f"{self.name} (mean of channels)")
        axis.set_ylabel("amplitude")
        axis.set_xlim(0, self.seconds)


def draw_self_similarity(name: str, stream: Any, figure: Figure, axis: Any) -> None:
    """Cosine between the embedding at each time and those some seconds later, the mean embedding taken off."""
    rate = stream.meta_data.sample_rate
    image, step = self_similarity(stream.data, rate)
    extent = (0, image.shape[1] * step, 0, image.shape[0] * step)
    drawn = axis.imshow(image, origin="lower", aspect="auto", extent=extent, vmin=-1, vmax=1, cmap="RdBu_r")
    axis.set_title(f"{name}: self-similarity of {stream.data.shape[1]} values at {rate:g} Hz")
    axis.set_ylabel("against … s later")
    figure.colorbar(drawn, ax=axis, label="cosine", pad=0.01)


def self_similarity(values: FloatArray, rate: float) -> tuple[FloatArray, float]:
    """Cosine of each vector with those after it.

    Args:
        values: (count, D), at `rate` Hz; vectors of zeros stand for missing audio.

    Returns:
        (lags, columns) float32, NaN where there is nothing to compare, and the seconds from one column to the next.
    """
    group = -(-len(values) // COLUMNS)
    count = len(values) // group
    columns = values[: count * group].reshape(count, group, -1).mean(axis=1)
    present = columns.any(axis=1)
    centred = columns - columns[present].mean(axis=0) if present.any() else columns
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.where(present[:, None] & (norms > 0), centred / np.maximum(norms, 1e-12), np.nan)
    step = group / rate
    lags = min(count, max(LAGS, round(LAG_SECONDS / step)))
    image = np.full((lags, count), np.nan, np.float32)
    for lag in range(lags):
        image[lag, : count - lag] = np.einsum("td,td->t", unit[: count - lag], unit[lag:])
    return image, step


def draw_curves(curves: list[tuple[Path, Any]], waveform: Waveform | None, figure: Figure, axis: Any) -> None:
    """Continuous annotations of one range, over the waveform; gaps are audio that could not be used."""
    if waveform:
        behind = axis.twinx()
        waveform.draw(behind, color="#d9dee5")
        behind.set_title("")
        axis.set_zorder(behind.get_zorder() + 1)
        axis.set_frame_on(False)
    for (file, annotation), color in zip(curves, cycle(COLORS)):
        scheme = annotation.annotation_scheme
        scores = np.where(annotation.data["conf"] > 0, annotation.data["score"], np.nan)
        scores, group = column_means(scores)
        times = np.arange(len(scores)) * group / scheme.sample_rate
        axis.plot(times, scores, color=color, lw=1.5, label=file.name.removesuffix(".annotation"))
    axis.set_ylim(scheme.min_val, scheme.max_val)
    rates = sorted({annotation.annotation_scheme.sample_rate for _, annotation in curves})
    over = f" over {waveform.name}" if waveform else ""
    axis.set_title(f"continuous annotations at {', '.join(f'{rate:g}' for rate in rates)} Hz{over}")
    axis.set_ylabel("score")
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(curves), frameon=False, borderaxespad=0)


def column_means(scores: FloatArray) -> tuple[FloatArray, int]:
    """Means of as many neighbours as a picture's columns ask for, without the gaps (NaN), and how many that are."""
    group = -(-len(scores) // COLUMNS) or 1
    columns = np.append(scores, np.full(-len(scores) % group, np.nan)).reshape(-1, group)
    present = np.isfinite(columns)
    sums, counts = np.where(present, columns, 0).sum(axis=1), present.sum(axis=1)
    return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0), group


def draw_segments(name: str, annotation: Any, figure: Figure, axis: Any) -> None:
    """The rows of a discrete annotation, a line for each class, the fainter the less confident."""
    classes = {int(key): str(value["name"]) for key, value in annotation.annotation_scheme.classes.items()}
    rows = {key: row for row, key in enumerate(classes)}
    for segment in annotation.data:
        if int(segment["id"]) not in rows:  # NOVA's garbage class, say
            continue
        begin, length = segment["from"] / 1000, (segment["to"] - segment["from"]) / 1000
        row = rows[int(segment["id"])]
        opacity = 0.25 + 0.75 * float(np.clip(segment["conf"], 0, 1))
        axis.broken_barh([(begin, length)], (row - 0.4, 0.8), color=COLORS[row % len(COLORS)], alpha=opacity, lw=0)
    axis.set_yticks(range(len(classes)), list(classes.values()))
    axis.set_ylim(-0.6, max(1, len(classes)) - 0.4)
    axis.set_title(f"{name.removesuffix('.annotation')}: {len(annotation.data)} segments")


def draw_texts(name: str, annotation: Any, figure: Figure, axis: Any) -> None:
    """The rows of a free annotation: a bar each, the fainter the less confident, with its text where there is room."""
    per_letter = max(axis.get_xlim()[1], *(annotation.data["to"] / 1000), 1e-3) / LETTERS_ACROSS
    free = [0.0] * TEXT_ROWS  # from when on each row has room
    written = 0
    for entry in annotation.data:
        begin, end, text = entry["from"] / 1000, entry["to"] / 1000, str(entry["name"])
        row = min(range(TEXT_ROWS), key=lambda row: (free[row] > begin, row))
        opacity = 0.15 + 0.45 * float(np.clip(entry["conf"], 0, 1))
        axis.broken_barh([(begin, end - begin)], (row - 0.45, 0.9), color=COLORS[1], alpha=opacity, lw=0)
        if free[row] <= begin:
            axis.text(begin + 0.2 * per_letter, row, text, va="center", fontsize=8, clip_on=True)
            free[row] = max(end, begin + (len(text) + 1) * per_letter)
            written += 1
    axis.set_yticks([])
    axis.set_ylim(TEXT_ROWS - 0.4, -0.6)
    shown = "" if written == len(annotation.data) else f", of which {written} had room for their text"
    axis.set_title(f"{name.removesuffix('.annotation')}: {len(annotation.data)} texts{shown}")


def draw_speaker_map(name: str, stream: Any, figure: Figure, axis: Any) -> None:
    """Cosine between the vectors of any two times: where a speaker comes back, a square does."""
    rate, values = stream.meta_data.sample_rate, stream.data
    group = -(-len(values) // MAP_COLUMNS)
    means = values[: len(values) // group * group].reshape(-1, group, values.shape[1]).mean(axis=1)
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    unit = np.where(norms > 0, means / np.maximum(norms, 1e-12), np.nan)
    seconds = len(means) * group / rate
    image = unit @ unit.T
    drawn = axis.imshow(
        image, origin="lower", aspect="auto", extent=(0, seconds, 0, seconds), vmin=-1, vmax=1, cmap="RdBu_r"
    )
    axis.set_title(f"{name}: cosine of {values.shape[1]} values at {rate:g} Hz, each time against each other")
    axis.set_ylabel("time (s)")
    figure.colorbar(drawn, ax=axis, label="cosine", pad=0.01)


def are_unit_vectors(values: FloatArray) -> bool:
    """Whether all vectors (count, D) that are there (zeros are not) have unit length, as those of speakers have."""
    norms = np.linalg.norm(values, axis=1)
    return bool(norms.any() and np.allclose(norms[norms > 0], 1, atol=1e-3))
