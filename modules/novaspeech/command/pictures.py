"""Pictures of recordings and of what the modules made of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from novaspeech.command.drawing import (
    Waveform,
    are_unit_vectors,
    draw_curves,
    draw_segments,
    draw_self_similarity,
    draw_speaker_map,
    draw_texts,
)
from novaspeech.errors import RequestError
from novaspeech.reading import OUTPUTS, group, load_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Panel = tuple[float, Callable[[Figure, Any], None]]  # its height, and what draws it


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
    outputs = sorted(file for file in folder.iterdir() if file.suffix in OUTPUTS)
    if not outputs:
        raise RequestError(f"{folder} holds no .stream or .annotation files; `novaspeech run` writes some")
    outputs = [file for file in outputs if file.suffix != ".stream" or _sample_count(file) > 1]
    if not outputs:
        raise RequestError(f"{folder} holds streams of one sample only: there is nothing to draw over time")
    groups = group(outputs)
    if (out or audio) and len(groups) > 1:
        names = ", ".join(name for _, name in groups)
        raise RequestError(
            f"{folder} holds outputs of {len(groups)} recordings ({names}); --out and --audio are for one"
        )
    pictures = []
    for (_, name), (sound, files) in groups.items():
        pictures.append(out or folder / f"{name}.png")
        plot_outputs(files, audio or sound, pictures[-1], title=name)
    return pictures


def plot_outputs(outputs: Iterable[Path], audio: Path | None, picture: Path, title: str) -> None:
    """Draws the recording's waveform, continuous annotations over it, and below it the rest, on one time axis.

    Args:
        outputs: .stream and .annotation files.
        audio: the recording; None leaves the waveform out.
        picture: the PNG to write.
        title: stands above.
    """
    files = list(outputs)
    panels = _panels(files, Waveform(audio) if audio else None)
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


def _panels(files: list[Path], waveform: Waveform | None) -> list[Panel]:
    """Height of each panel, and what draws it: continuous annotations of one range share a panel."""
    ranges: dict[tuple[float, float], list[tuple[Path, Any]]] = {}
    rows: list[Panel] = []
    maps: list[Panel] = []
    for file in files:
        content = load_output(file)
        if file.suffix == ".stream":
            draw = draw_speaker_map if are_unit_vectors(content.data) else draw_self_similarity
            maps.append((2.6 if draw is draw_speaker_map else 1.6, partial(draw, file.name, content)))
            continue
        scheme = content.annotation_scheme
        if hasattr(scheme, "min_val"):
            ranges.setdefault((scheme.min_val, scheme.max_val), []).append((file, content))
        elif hasattr(scheme, "classes"):
            rows.append((0.3 + 0.2 * len(scheme.classes), partial(draw_segments, file.name, content)))
        else:
            rows.append((0.6, partial(draw_texts, file.name, content)))
    panels: list[Panel] = [(1.6, partial(draw_curves, curves, waveform)) for curves in ranges.values()]
    if waveform and not panels:
        panels.append((1.0, lambda figure, axis: waveform.draw(axis)))
    return panels + rows + maps


def format_time(seconds: float) -> str:
    """Minutes and seconds, with tenths only where they are not zero: 75.5 → "1:15.5"."""
    minutes, rest = divmod(round(seconds * 10) / 10, 60)
    return f"{minutes:.0f}:{rest:04.1f}".removesuffix(".0")


def _tick_seconds(duration: float) -> float:
    """The step of a time axis: one that a clock has, for 12 ticks at the most."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    return next((step for step in steps if duration <= 12 * step), 3600 * -(-duration // (12 * 3600)))


def _sample_count(stream: Path) -> int:
    return int(load_output(stream, header_only=True).meta_data.num_samples)
