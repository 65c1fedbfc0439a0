"""The panels of a picture: waveform, spectrogram, curves, segments, words, and embeddings as colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MultipleLocator

from novaspeech.colours import COLOURS, FAINTEST, STRONGEST
from novaspeech.formats.track import Track
from novaspeech.view.data import components, gaps, neighbour_means, segment_rows
from novaspeech.view.sound import RATE, Sound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from novaspeech.arrays import FloatArray

COLUMNS = 2000  # columns of a picture; longer recordings are averaged
MAP_COLUMNS = 800  # columns, and rows, of a speaker map
LONG = 120.0  # seconds from which on each curve has a panel of its own, and is smoothed
_POINTS = 400  # largest number of means of a smoothed curve
_MOST_EDGES = 150  # largest number of segments in view that get edges
_ABOVE: Any = {  # place of a legend: in one row above the panel, on the right
    "loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.2, "ncols": 6, "frameon": False,
}  # fmt: skip
_BAND = "lowest to highest"
_SIZES = (8.0, 7.0, 6.0)  # sizes of names, in points
_PADDING = 4  # pixels beside a text
_THINNEST = 2.5  # pixels of the thinnest letter


def draw_waveform(sound: Sound, start: float, axis: Axes) -> None:
    """Draws the waveform, which begins at `start` seconds."""
    first = np.arange(0, len(sound.high), -(-len(sound.high) // COLUMNS))
    lows, highs = np.minimum.reduceat(sound.low, first), np.maximum.reduceat(sound.high, first)
    axis.fill_between(start + first * sound.step, lows, highs, step="post", color="#30507a", lw=0)
    axis.set_yticks([])
    axis.set_ylabel("waveform")


def draw_spectrogram(sound: Sound, start: float, axis: Axes) -> None:
    """Draws the spectrogram as Praat does: black is loud. It begins at `start` seconds."""
    extent = (start, start + len(sound.levels) * sound.hop, 0, RATE / 2000)
    axis.imshow(
        sound.levels.astype(np.float32).T, origin="lower", aspect="auto", extent=extent, cmap="Greys", vmin=0, vmax=1
    )
    axis.set_ylabel("kHz")


def draw_scores(curves: Sequence[tuple[Track, str]], thresholds: Mapping[str, float], smooth: bool, axis: Axes) -> None:
    """Draws scores of one range as curves. The panel is hatched where scores are missing; a threshold is dashed.

    Args:
        curves: scores and their colours.
        smooth: draw means of neighbouring scores, and behind them a band from the lowest to the highest of them.
    """
    for track, colour in curves:
        name, times = track.id, track.times.mean(axis=1)
        points = _POINTS if smooth else COLUMNS
        if smooth and len(times) > points:
            starts = np.arange(0, len(times), -(-len(times) // points))
            low, high = (part.reduceat(track.values, starts) for part in (np.fmin, np.fmax))
            axis.fill_between(times[starts], low, high, step="post", color=colour, alpha=0.25, lw=0, label=_BAND)
            name += f", mean of {np.ptp(times[starts[:2]]):.2g} s"
        axis.plot(*(neighbour_means(part, points) for part in (times, track.values)), color=colour, lw=1.5, label=name)
        if track.id in thresholds:
            axis.axhline(thresholds[track.id], color=colour, lw=1, ls="--", label=f"threshold of {track.id}")
        for begin, end in gaps(track):
            axis.axvspan(begin, end, facecolor="none", edgecolor="#aaaaaa", hatch="////", lw=0)
    axis.set_ylim(curves[0][0].low, curves[0][0].high)
    axis.set_ylabel("score")
    axis.legend(**_ABOVE)


def draw_segments(track: Track, axis: Axes) -> None:
    """Draws segments in rows, fainter ones less confident. `write_names` adds names."""
    labels, columns = segment_rows(track)
    rows, starts, ends = (np.array(columns[name], float) for name in ("row", "start", "end"))
    opacity = _opacity(np.array(columns["confidence"], float))
    edges = 0.6 if len(rows) <= _MOST_EDGES else 0.0  # more edges would hide all else
    colours = [COLOURS[max(colour, 0) % len(COLOURS)] for colour in columns["colour"]]
    for row in range(len(labels)):
        here = np.flatnonzero(rows == row)
        bars = [(start / 1000, (end - start) / 1000) for start, end in zip(starts[here], ends[here], strict=True)]
        faces = [(colours[one], float(opacity[one])) for one in here]
        axis.broken_barh(
            bars, (row - 0.45, 0.9), facecolors=faces, edgecolors=[colours[one] for one in here], linewidths=edges
        )
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(max(1, len(labels)) - 0.4, -0.6)
    if not len(rows):
        axis.text(0.5, 0.5, "none", transform=axis.transAxes, ha="center", va="center", color="#666666", fontsize=8)
    elif len({round(one, 2) for one in columns["confidence"]}) > 1:
        colour = colours[0] if len(set(colours)) == 1 else "#000000"
        patches = [Patch(facecolor=(colour, float(_opacity(np.array(value)))), ec=colour) for value in (0, 0.5, 1)]
        axis.legend(patches, ["confidence 0", "0.5", "1"], fontsize=7, **_ABOVE)


def _opacity(confidence: np.ndarray) -> np.ndarray:
    """Opacities of confidences: the same in all pictures, so that they can be compared."""
    return np.asarray(FAINTEST + (STRONGEST - FAINTEST) * np.clip(confidence, 0, 1))


def write_names(track: Track, axis: Axes) -> tuple[int, int]:
    """Writes names onto segments where they have room; gives the numbers of names in view, and of names written.

    A name may be a little smaller, and reach into the gaps beside its segment, but not into another segment, nor into
    its name. Call it when the panel has its place and its limits, since the width of a second is known only then.
    """
    _, columns = segment_rows(track)
    renderer: Any = axis.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    first, last = axis.get_xlim()
    per_second = axis.get_window_extent(renderer).width / (last - first)
    rows: dict[int, list[tuple[float, float, str]]] = {}
    for start, end, row, name in zip(*(columns[key] for key in ("start", "end", "row", "name")), strict=True):
        begin, finish = max(start / 1000, first), min(end / 1000, last)
        if begin < finish:
            rows.setdefault(row, []).append((begin, finish, name))
    written = 0
    for row, shown in rows.items():
        before = first  # where the last segment and its name end
        for (begin, finish, name), after in zip(shown, [*(start for start, _, _ in shown[1:]), last], strict=True):
            middle = (begin + finish) / 2
            room = 2 * min(middle - before, after - middle) * per_second - _PADDING
            width = _write_name(name, middle, row, room, axis, renderer)
            before = max(finish, middle + width / per_second / 2)
            written += width > 0
    return sum(map(len, rows.values())), written


def _write_name(name: str, middle: float, row: int, room: float, axis: Axes, renderer: Any) -> float:
    """Writes a name in the largest size that has room; gives its width in pixels, like `room`, 0 if none has."""
    if room >= _THINNEST * len(name):
        text = axis.text(middle, row, name, ha="center", va="center_baseline", fontsize=_SIZES[0], clip_on=True)
        per_point = text.get_window_extent(renderer).width / _SIZES[0]
        for size in _SIZES:
            if per_point * size <= room:
                text.set_fontsize(size)
                return per_point * size
        text.remove()
    return 0.0


def draw_colours(track: Track, start: float, end: float, axis: Axes) -> None:
    """Draws embeddings as a strip: alike in colour is alike in sound.

    The colour is made of three principal components of the whole recording, and means the same in all pictures of it.
    """
    projected = components(track)[0]
    seen = (track.times[:, 1] > start) & (track.times[:, 0] < end)
    means, times = neighbour_means(projected[seen], COLUMNS), track.times[seen]
    low, high = (np.nanpercentile(means, part, axis=0) if np.isfinite(means).any() else 0 for part in (2, 98))
    colours = np.clip((means - low) / np.maximum(np.asarray(high) - low, 1e-9), 0, 1)
    colours = np.where(np.isfinite(colours), colours, 1.0)  # white stands for no embedding
    axis.imshow(colours[None], aspect="auto", extent=(times[0, 0], times[-1, 1], 0, 1))
    axis.set_yticks([])
    axis.set_title("alike in colour: alike in sound", fontsize=7, color="#666666", loc="right", pad=2)
    axis.set_ylabel(track.id, rotation=0, ha="right", va="center")


def draw_speaker_map(track: Track, axis: Axes) -> None:
    """Draws the cosine between the vectors of any two times: a square comes back where a speaker does."""
    means = neighbour_means(track.values, MAP_COLUMNS)
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    unit = np.where(norms > 0, means / np.maximum(norms, 1e-12), np.nan)
    extent = (0, track.times[-1, 1], 0, track.times[-1, 1])
    drawn = axis.imshow(unit @ unit.T, origin="lower", aspect="auto", extent=extent, vmin=-1, vmax=1, cmap="RdBu_r")
    axis.set_title(f"{track.id}: red squares off the diagonal are the same voice again")
    axis.set_ylabel("time (min:s)")
    mark_times(axis.yaxis, track.times[-1, 1])
    beside = axis.inset_axes((1.01, 0, 0.01, 1))  # so that the panel is as wide as the others
    axis.figure.colorbar(drawn, cax=beside, label="cosine")


def mark_times(axis: Axis, duration: float) -> None:
    """Marks an axis of `duration` seconds where a clock has its marks, 12 at most, in minutes and seconds."""
    steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    step = next((step for step in steps if duration <= 12 * step), 3600 * -(-duration // (12 * 3600)))
    digits = 2 if step < 0.1 else 1 if step < 1 else 0

    def clock(seconds: float, _: int | None) -> str:
        minutes, rest = divmod(round(seconds, digits), 60)
        return f"{minutes:.0f}:{rest:0{digits + 3 if digits else 2}.{digits}f}"

    axis.set_major_locator(MultipleLocator(step))
    axis.set_major_formatter(FuncFormatter(clock))


def are_unit_vectors(values: FloatArray) -> bool:
    """Whether all vectors (count, D) but zeros have unit length, as those of speakers have."""
    norms = np.linalg.norm(values, axis=1)
    return bool(norms.any() and np.allclose(norms[norms > 0], 1, atol=1e-3))
