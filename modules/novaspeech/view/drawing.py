"""The panels of a picture: waveform, spectrogram, curves, segments, words, and embeddings as colours."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Patch

from novaspeech.colours import COLOURS
from novaspeech.formats.track import Track
from novaspeech.view.data import components, gaps, neighbour_means, segment_rows
from novaspeech.view.sound import RATE, Sound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from novaspeech.arrays import FloatArray

COLUMNS = 2000  # columns of a picture; longer recordings are averaged
MAP_COLUMNS = 800  # columns, and rows, of a speaker map
FAINTEST, STRONGEST = 0.25, 0.9  # opacity of segments with confidence 0 and 1
MOST_EDGES = 400  # largest number of segments in view that get edges
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


def draw_scores(tracks: Sequence[Track], thresholds: Mapping[str, float], axis: Axes) -> None:
    """Draws scores of one range as curves. The panel is hatched where scores are missing; a threshold is dashed."""
    for track, colour in zip(tracks, cycle(COLOURS)):
        times, means = (neighbour_means(part, COLUMNS) for part in (track.times.mean(axis=1), track.values))
        axis.plot(times, means, color=colour, lw=1.5, label=track.id)
        if track.id in thresholds:
            axis.axhline(thresholds[track.id], color=colour, lw=1, ls="--", label=f"threshold of {track.id}")
        for begin, end in gaps(track):
            axis.axvspan(begin, end, facecolor="none", edgecolor="#aaaaaa", hatch="////", lw=0)
    axis.set_ylim(tracks[0].low, tracks[0].high)
    axis.set_ylabel("score")
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=6, frameon=False, borderaxespad=0)


def draw_segments(track: Track, axis: Axes) -> None:
    """Draws segments in rows, fainter ones less confident. `write_names` adds names."""
    labels, columns = segment_rows(track)
    rows, starts, ends = (np.array(columns[name], float) for name in ("row", "start", "end"))
    opacity = FAINTEST + (STRONGEST - FAINTEST) * np.clip(np.array(columns["confidence"], float), 0, 1)
    edges = 0.8 if len(rows) <= MOST_EDGES else 0.0  # more edges would hide all else
    for row in range(len(labels)):
        here = np.flatnonzero(rows == row)
        bars = [(start / 1000, (end - start) / 1000) for start, end in zip(starts[here], ends[here], strict=True)]
        colours = [(COLOURS[max(columns["colour"][one], 0) % len(COLOURS)], 0.5 * opacity[one]) for one in here]
        black = [("#000000", opacity[one]) for one in here]
        axis.broken_barh(bars, (row - 0.45, 0.9), facecolors=colours, edgecolors=black, linewidths=edges)
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(max(1, len(labels)) - 0.4, -0.6)
    shown = sorted({round(float(np.clip(one, 0, 1)), 2) for one in columns["confidence"]})
    if len(shown) > 1:
        _explain_opacity(shown[0], shown[-1], axis)


def _explain_opacity(least: float, most: float, axis: Axes) -> None:
    """Draws a legend of confidences and opacities."""
    values = (least, (least + most) / 2, most)
    patches = [
        Patch(facecolor=("#000000", 0.5 * (FAINTEST + (STRONGEST - FAINTEST) * value)), label=f"{value:.2f}")
        for value in values
    ]
    axis.legend(
        handles=patches, title="confidence", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False,
        fontsize=7, title_fontsize=7,
    )  # fmt: skip


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
    axis.set_ylabel("time (s)")
    axis.figure.colorbar(drawn, ax=axis, label="cosine", pad=0.01)


def are_unit_vectors(values: FloatArray) -> bool:
    """Whether all vectors (count, D) but zeros have unit length, as those of speakers have."""
    norms = np.linalg.norm(values, axis=1)
    return bool(norms.any() and np.allclose(norms[norms > 0], 1, atol=1e-3))
