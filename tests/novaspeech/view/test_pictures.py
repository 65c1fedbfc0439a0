"""`novaspeech plot`: what is drawn, where, and that no text lies over another."""

import re
import shutil
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from discover_utils.data.annotation import FreeAnnotation, FreeAnnotationScheme
from discover_utils.data.handler.file_handler import FileHandler
from matplotlib.figure import Figure
from matplotlib.image import imread

from novaspeech.command.main import main
from novaspeech.errors import RequestError
from novaspeech.formats.read import READABLE
from novaspeech.formats.track import Track, Tracks
from novaspeech.segments import Segment
from novaspeech.view import pictures
from novaspeech.view.pictures import draw_picture

Speech = Callable[..., Path]
SECONDS = 160
PLACES = [Segment(1000, 30_000, "money", 0.5), Segment(40_000, 50_000, "time", 1)]
WORDS = [
    Segment(380 * n, 380 * n + 350, ("a", "hello", "extraordinarily")[n % 3], 0.25 + (n % 4) / 4) for n in range(420)
]


def steps(count: int, step: float) -> np.ndarray[Any, Any]:
    return np.stack([np.arange(count), np.arange(count) + 1], axis=1) * step


@pytest.fixture
def tracks(speech: Speech) -> Tracks:
    """Of every kind, over 160 s; the recording is silent after 14 s."""
    audio = speech("talk.wav", "-af", f"apad=whole_dur={SECONDS}", seconds=SECONDS)
    scores = np.linspace(0, 1, SECONDS * 25, dtype=np.float32)
    scores[500:750] = np.nan  # 20 to 30 s
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((SECONDS, 8)).astype(np.float32) + 3
    return Tracks(
        "talk", audio, SECONDS,
        (
            Track("arousal", "scores", steps(len(scores), 0.04), scores),
            Track("valence", "scores", steps(len(scores), 0.04), 1 - scores),
            Track("similarity", "scores", steps(SECONDS, 1), rng.uniform(-1, 1, SECONDS).astype(np.float32), low=-1),
            Track.of_segments("words", WORDS),
            Track.of_segments("places", PLACES, ["money", "time"]),
            Track("embeddings", "vectors", steps(SECONDS, 1), vectors),
            Track("speaker", "vectors", steps(SECONDS, 1), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)),
            Track("scene", "vectors", np.array([[0.0, SECONDS]]), vectors[:1]),
        ),
    )  # fmt: skip


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn."""
    found: list[Figure] = []

    def draw(*arguments: Any) -> Figure:
        found.append(original(*arguments))
        return found[-1]

    original = pictures._drawn
    monkeypatch.setattr(pictures, "_drawn", draw)
    return found


def texts(figure: Figure) -> list[Any]:
    """All texts of a figure that can be seen."""
    figure.draw_without_rendering()
    found = []
    for axis in figure.axes:
        ticks = []
        for one in (axis.xaxis, axis.yaxis):
            low, high = sorted(one.get_view_interval())
            ticks += [tick.label1 for tick in one.get_major_ticks() if low <= tick.get_loc() <= high]
        legend = axis.get_legend()
        found += [*axis.texts, *ticks, axis._left_title, axis._right_title, axis.xaxis.label, axis.yaxis.label]
        found += [*legend.get_texts(), legend.get_title()] if legend else []
    return [text for text in [*figure.texts, *found] if text.get_visible() and text.get_text().strip()]


def piled(figure: Figure) -> list[tuple[str, str]]:
    """Texts that lie over each other."""
    renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = [(text.get_text(), text.get_window_extent(renderer).padded(-1)) for text in texts(figure)]
    return [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)]


@pytest.mark.parametrize("span", [(0.0, None), (60.0, 75.0), (60.0, 63.0), (0.5, 0.62)])
def test_no_text_lies_over_another(
    tracks: Tracks, tmp_path: Path, drawn: list[Figure], span: tuple[float, float | None]
) -> None:
    draw_picture(tracks, tmp_path / "talk.png", span=span, thresholds={"similarity": 0.3})
    assert piled(drawn[0]) == []


@pytest.mark.parametrize("gap_ms", [250, 400, 800])
def test_two_names_do_not_meet_in_the_gap_between_their_segments(
    tmp_path: Path, drawn: list[Figure], gap_ms: int
) -> None:
    words = [Segment(gap_ms * n, gap_ms * n + 40, ("LO", "AAK")[n % 2], 1) for n in range(32_000 // gap_ms)]
    track = Track.of_segments("words", words)
    draw_picture(Tracks("talk", None, 32.0, (track,)), tmp_path / "talk.png")
    [axis] = drawn[0].axes
    assert axis.texts, "some have room"
    assert piled(drawn[0]) == []


def test_names_stand_where_they_have_room(tracks: Tracks, tmp_path: Path, drawn: list[Figure]) -> None:
    for span, most in (((0.0, None), 0), ((60.0, 70.0), 0.67), ((60.0, 63.0), 1)):
        draw_picture(tracks, tmp_path / "talk.png", span=span)
        axis = next(
            axis for axis in drawn[-1].axes if [label.get_text() for label in axis.get_yticklabels()] == ["words"]
        )
        names = [text.get_text() for text in axis.texts]
        first, last = axis.get_xlim()
        shown = [one for one in WORDS if one.end_ms > 1000 * first and one.start_ms < 1000 * last]
        assert len(names) <= len(shown)
        if most == 0:
            assert len(names) < len(shown) / 2
        elif most < 1:
            assert set(names) == {"a", "hello"}
        else:
            assert len(names) >= len(shown) - 2, "but for those that the edges cut"
        if len(names) < len(shown):
            assert axis.get_title(loc="left").startswith(f"{len(names)} of {len(shown)} names have room; ")


def test_panels_gaps_and_thresholds(tracks: Tracks, tmp_path: Path, drawn: list[Figure]) -> None:
    draw_picture(tracks, tmp_path / "talk.png", span=(0.0, 119.0), thresholds={"similarity": 0.3})
    [figure] = drawn
    assert figure.get_suptitle() == "talk"
    both, similarity, _words, places, colours, speaker = figure.axes[2:8]
    assert [line.get_label() for line in both.lines] == ["arousal", "valence"]
    assert [line.get_label() for line in similarity.lines] == ["similarity", "threshold of similarity"]
    assert similarity.lines[1].get_ydata()[0] == 0.3
    assert (both.get_ylim(), similarity.get_ylim()) == ((0, 1), (-1, 1))
    times, values = both.lines[0].get_data()
    missing = np.asarray(times)[np.isnan(np.asarray(values, float))]
    assert (missing.min(), missing.max()) == (pytest.approx(20, abs=0.2), pytest.approx(30, abs=0.2))
    assert hatched(both) == [(20, 30)] * 2
    assert [label.get_text() for label in places.get_yticklabels()] == ["money", "time"]
    assert colours.get_ylabel() == "embeddings"
    assert speaker.get_title(loc="left").startswith("speaker: ")
    assert both.get_xlim() == (0, 119)


def hatched(axis: Any) -> list[tuple[float, float]]:
    """Begin and end, in seconds, of what is hatched."""
    boxes = [patch.get_extents().transformed(axis.transData.inverted()) for patch in axis.patches if patch.get_hatch()]
    return [(round(box.x0, 2), round(box.x1, 2)) for box in boxes]


def test_from_two_minutes_on_each_curve_has_a_panel_and_is_smoothed_within_its_range(
    tracks: Tracks, tmp_path: Path, drawn: list[Figure]
) -> None:
    rng = np.random.default_rng(0)
    noisy = rng.uniform(0, 1, 1800 * 25).astype(np.float32)
    noisy[500:750] = np.nan  # 20 to 30 s
    times = steps(len(noisy), 0.04)
    curves = (Track("arousal", "scores", times, noisy), Track("valence", "scores", times, 1 - noisy))
    draw_picture(Tracks("talk", None, 1800, curves), tmp_path / "talk.png", thresholds={"valence": 0.3})
    arousal, valence = drawn[0].axes
    assert [line.get_label() for line in arousal.lines] == ["arousal, mean of 4.5 s"]
    assert [line.get_label() for line in valence.lines] == ["valence, mean of 4.5 s", "threshold of valence"]
    assert arousal.lines[0].get_color() != valence.lines[0].get_color()
    smooth = np.asarray(arousal.lines[0].get_ydata(), float)
    assert len(smooth) <= 400
    assert np.nanstd(smooth) < np.nanstd(noisy) / 5, "a curve, and no carpet"
    [band] = arousal.collections
    assert band.get_label() == "lowest to highest"
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))
    assert hatched(arousal) == [(20, 30)]
    draw_picture(Tracks("talk", None, 1800, curves), tmp_path / "talk.png", span=(60.0, 179.0))
    assert [line.get_label() for line in drawn[1].axes[0].lines] == ["arousal", "valence"]


def test_times_are_minutes_and_seconds_on_all_axes(tracks: Tracks, tmp_path: Path, drawn: list[Figure]) -> None:
    for span, ends in (((0.0, None), ("0:00", "2:30")), ((60.0, 63.0), ("1:00.0", "1:03.0"))):
        draw_picture(tracks, tmp_path / "talk.png", span=span)
        *_, speaker = drawn[-1].axes
        shown = [label.get_text() for label in speaker.get_xticklabels() if span[0] <= label.get_position()[0]]
        assert (shown[0], [text for text in shown if text <= ends[1]][-1]) == ends
        assert len({len(text) for text in shown}) == 1, "all with as many decimals"
        assert speaker.get_ylabel() == "time (min:s)"
        assert "2:30" in [label.get_text() for label in speaker.get_yticklabels()]


def test_the_shades_of_confidences_can_be_told_apart(tracks: Tracks, tmp_path: Path, drawn: list[Figure]) -> None:
    draw_picture(tracks, tmp_path / "talk.png", span=(0.0, 60.0))
    words, places = drawn[0].axes[4:6]
    for axis in (words, places):
        legend = axis.get_legend()
        assert [text.get_text() for text in legend.get_texts()] == ["confidence 0", "0.5", "1"]
        shades = [patch.get_facecolor() for patch in legend.get_patches()]
        brightness = [luminance(shade) for shade in shades]
        assert min(light - dark for light, dark in pairwise(brightness)) > 0.15
    [half, sure] = [bars.get_facecolors()[0] for bars in places.collections]
    alphas = [patch.get_facecolor()[3] for patch in places.get_legend().get_patches()]
    assert (half[3], sure[3]) == (pytest.approx(alphas[1]), pytest.approx(alphas[2])), "the legend tells what is drawn"


def luminance(colour: Any) -> float:
    """Relative luminance of a colour with opacity, on white."""
    mixed = np.asarray(colour[:3]) * colour[3] + 1 - colour[3]
    return float(np.where(mixed <= 0.04045, mixed / 12.92, ((mixed + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722))


def test_where_nothing_was_found_this_is_said(tmp_path: Path, drawn: list[Figure]) -> None:
    empty = Track.of_segments("keywords", [], ["money", "time"])
    draw_picture(Tracks("talk", None, 5, (empty,)), tmp_path / "talk.png")
    assert [text.get_text() for text in drawn[0].axes[0].texts] == ["none"]


@pytest.mark.parametrize("kind", pictures.KINDS)
def test_pictures_for_the_screen_and_for_papers(tracks: Tracks, tmp_path: Path, kind: str) -> None:
    picture = tmp_path / f"talk.{kind}"
    draw_picture(tracks, picture, span=(60.0, 63.0))
    content = picture.read_bytes()
    assert content.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind])
    if kind == "svg":
        assert re.search(rb"<text[^>]*>\s*extraordinarily\s*</text>", content), "a text that can be edited"


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Words of two recordings, b below a folder."""
    scheme = FreeAnnotationScheme(name="words")
    words = FreeAnnotation(scheme=scheme, data=np.array([(0, 500, "HELLO", 1.0)], scheme.label_dtype))
    (tmp_path / "out" / "sub").mkdir(parents=True)
    for name in ("a", "sub/b"):
        FileHandler().save(words, tmp_path / "out" / f"{name}.words.annotation")
    return tmp_path / "out"


def test_plot_draws_one_picture_a_recording(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", str(outputs), "--format", "svg"]) == 0
    assert capsys.readouterr().out.split() == [str(outputs / "a.svg"), str(outputs / "sub" / "b.svg")]


def test_plot_with_the_recording_elsewhere(outputs: Path, speech: Speech, tmp_path: Path) -> None:
    one = outputs / "a.words.annotation"
    heights = []
    for more in ([], ["--audio", str(speech("long.wav", seconds=8))]):
        assert main(["plot", str(one), "--out", str(tmp_path / "a.png"), *more]) == 0
        heights.append(imread(tmp_path / "a.png").shape[0])
    assert heights[1] > heights[0] + 150


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["out", "--out", "a.png"], "these are outputs of 2 recordings; --out and --audio are for one"),
        (["out/a.words.annotation", "--out", "a.bmp"], "a.bmp must end with .png, .svg, .pdf"),
        (["out/a.words.annotation", "--from", "9:59"], "there is nothing from 599 to 0.5 s; a has 0.5 s"),
        (
            ["out/a.words.annotation", "--from", "soon"],
            "--from is 'soon'; it must be a time, as 1.5 or 1.5s, 40ms or 1:05",
        ),
        (["out/sub"], f"out/sub holds no results ({READABLE}); `novaspeech run` writes some"),
    ],
)
def test_what_cannot_be_drawn_gets_one_line(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(outputs.parent)
    if arguments == ["out/sub"]:
        shutil.rmtree("out/sub")
        Path("out/sub").mkdir()
    assert main(["plot", *arguments]) == 1
    assert capsys.readouterr().err == f"novaspeech: {said}\n"


def test_one_vector_for_the_whole_recording_is_nothing_over_time(tmp_path: Path) -> None:
    scene = Track("scene", "vectors", np.array([[0.0, 4.0]]), np.ones((1, 8), np.float32))
    with pytest.raises(RequestError, match="^a has nothing to draw over time: each output stands for the whole record"):
        draw_picture(Tracks("a", None, 4.0, (scene,)), tmp_path / "a.png")
