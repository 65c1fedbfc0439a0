"""Pictures of recordings and of what the modules made of them."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from novaspeech import host
from novaspeech.errors import RequestError
from novaspeech.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from novaspeech.windows import FloatArray

COLUMNS = 2000  # of a picture; longer recordings are averaged down to as many
LAGS = 50  # rows of the self-similarity at least, and
LAG_SECONDS = 5.0  # time that they span at least
COLORS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00")  # of Okabe and Ito, for all kinds of eyes
_AUDIO = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".mkv", ".webm", ".aiff", ".au")


def plot_folder(folder: Path, audio: Path | None = None, out: Path | None = None) -> list[Path]:
    """Draws the outputs in a folder, one picture for each recording.

    An output belongs to the recording whose name its own begins with, as `novaspeech run` names them. A stream of one
    sample is left out: it stands for the whole recording.

    Args:
        folder: holds .stream and .annotation files, and their recordings.
        audio: the recording of all outputs, if it lies elsewhere.
        out: the picture's path, if there is one recording only.

    Returns:
        the pictures' paths.

    Raises:
        RequestError: nothing to draw, or several recordings for one picture.
    """
    if not folder.is_dir():
        raise RequestError(f"{folder} is not a folder; give one with .stream or .annotation files")
    outputs = sorted(file for file in folder.iterdir() if file.suffix in (".stream", ".annotation"))
    if not outputs:
        raise RequestError(f"{folder} holds no .stream or .annotation files; `novaspeech run` writes some")
    outputs = [file for file in outputs if file.suffix != ".stream" or _sample_count(file) > 1]
    if not outputs:
        raise RequestError(f"{folder} holds streams of one sample only: there is nothing to draw over time")
    sounds = {file.stem: file for file in sorted(folder.iterdir()) if file.suffix.lower() in _AUDIO}
    groups: dict[str, list[Path]] = {}
    for output in outputs:
        owners = [stem for stem in sounds if output.name.startswith(f"{stem}.")]
        groups.setdefault(max(owners, key=len, default=output.name.split(".")[0]), []).append(output)
    if (out or audio) and len(groups) > 1:
        names = ", ".join(groups)
        raise RequestError(
            f"{folder} holds outputs of {len(groups)} recordings ({names}); --out and --audio are for one"
        )
    pictures = []
    for name, files in groups.items():
        pictures.append(out or folder / f"{name}.png")
        plot_outputs(files, audio or sounds.get(name), pictures[-1], title=name)
    return pictures


def plot_outputs(outputs: Iterable[Path], audio: Path | None, picture: Path, title: str) -> None:
    """Draws the recording's waveform, continuous annotations over it, and below it each stream, on one time axis.

    Args:
        outputs: .stream and .annotation files.
        audio: the recording; None leaves the waveform out.
        picture: the PNG to write.
        title: stands above.
    """
    files = list(outputs)
    panels = _panels(files, _Waveform(audio) if audio else None)
    heights = [height for height, _ in panels]
    with mpl.rc_context({"font.size": 10, "axes.titlesize": 10, "axes.titlelocation": "left"}):
        figure = Figure(figsize=(12, 0.8 + 1.7 * sum(heights)), layout="constrained")
        figure.suptitle(title, fontsize=12)
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for axis, (_, draw) in zip(axes, panels, strict=True):
            draw(figure, axis)
        axes[-1].set_xlabel("time (min:s)")
        axes[-1].xaxis.set_major_locator(MultipleLocator(_tick_seconds(axes[-1].get_xlim()[1])))
        axes[-1].xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: format_time(seconds)))
        figure.savefig(picture, dpi=110)


def _panels(files: list[Path], waveform: _Waveform | None) -> list[tuple[float, Callable[[Figure, Any], None]]]:
    """Height of each panel, and what draws it: annotations of one range share a panel."""
    ranges: dict[tuple[float, float], list[tuple[Path, Any]]] = {}
    for file in files:
        if file.suffix == ".annotation":
            annotation = _load(file)
            scheme = annotation.annotation_scheme
            if not hasattr(scheme, "min_val"):
                raise RequestError(f"{file} is no continuous annotation; only these and streams are drawn")
            ranges.setdefault((scheme.min_val, scheme.max_val), []).append((file, annotation))
    panels: list[tuple[float, Callable[[Figure, Any], None]]] = [
        (1.6, partial(_draw_curves, curves, waveform)) for curves in ranges.values()
    ]
    if waveform and not panels:
        panels.append((1.0, lambda figure, axis: waveform.draw(axis)))
    return panels + [(1.6, partial(_draw_self_similarity, file)) for file in files if file.suffix == ".stream"]


def format_time(seconds: float) -> str:
    """Minutes and seconds, with tenths only where they are not zero: 75.5 → "1:15.5"."""
    minutes, rest = divmod(round(seconds * 10) / 10, 60)
    return f"{minutes:.0f}:{rest:04.1f}".removesuffix(".0")


def _tick_seconds(duration: float) -> float:
    """The step of a time axis: one that a clock has, for 12 ticks at the most."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    return next((step for step in steps if duration <= 12 * step), 3600 * -(-duration // (12 * 3600)))


def _load(file: Path, *, header_only: bool = False) -> Any:
    try:
        return host.module("data.handler.file_handler").FileHandler().load(file, header_only=header_only)
    except Exception as error:  # a damaged XML or binary file: the host lets any through
        raise RequestError(f"{file} cannot be read ({type(error).__name__}: {error}); make it again") from error


def _sample_count(stream: Path) -> int:
    return int(_load(stream, header_only=True).meta_data.num_samples)


class _Waveform:
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


def _draw_self_similarity(file: Path, figure: Figure, axis: Any) -> None:
    """Cosine between the embedding at each time and those some seconds later, the mean embedding taken off."""
    stream = _load(file)
    rate = stream.meta_data.sample_rate
    image, step = self_similarity(stream.data, rate)
    extent = (0, image.shape[1] * step, 0, image.shape[0] * step)
    drawn = axis.imshow(image, origin="lower", aspect="auto", extent=extent, vmin=-1, vmax=1, cmap="RdBu_r")
    axis.set_title(f"{file.name}: self-similarity of {stream.data.shape[1]} values at {rate:g} Hz")
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


def _draw_curves(curves: list[tuple[Path, Any]], waveform: _Waveform | None, figure: Figure, axis: Any) -> None:
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
        scores, group = _column_means(scores)
        times = np.arange(len(scores)) * group / scheme.sample_rate
        axis.plot(times, scores, color=color, lw=1.5, label=file.name.removesuffix(".annotation"))
    axis.set_ylim(scheme.min_val, scheme.max_val)
    rates = sorted({annotation.annotation_scheme.sample_rate for _, annotation in curves})
    over = f" over {waveform.name}" if waveform else ""
    axis.set_title(f"continuous annotations at {', '.join(f'{rate:g}' for rate in rates)} Hz{over}")
    axis.set_ylabel("score")
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(curves), frameon=False, borderaxespad=0)


def _column_means(scores: FloatArray) -> tuple[FloatArray, int]:
    """Means of as many neighbours as a picture's columns ask for, without the gaps (NaN), and how many that are."""
    group = -(-len(scores) // COLUMNS) or 1
    columns = np.append(scores, np.full(-len(scores) % group, np.nan)).reshape(-1, group)
    present = np.isfinite(columns)
    sums, counts = np.where(present, columns, 0).sum(axis=1), present.sum(axis=1)
    return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0), group
