"""There and back: what is written in a format is read, equal but for what docs/formats.md says is lost."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from praatio import textgrid

from novaspeech.errors import RequestError
from novaspeech.formats.files import FORMATS, SSI, file_names, left_out
from novaspeech.formats.places import save_tracks
from novaspeech.formats.praat import read_textgrid
from novaspeech.formats.read import found_outputs, read_tracks
from novaspeech.formats.ssi import save_output
from novaspeech.formats.track import Track, Tracks
from novaspeech.module.output import Output, OutputRequest
from novaspeech.module.results import build_output
from novaspeech.module.session import Session
from novaspeech.segments import Segment

NAMES = (
    "HELLO", "a, b; c", 'say "hi"', '"', "two\nlines", "Grüße – 日本", " blanks ", "<unk>", "{x} & y",
    "item [1]: 3",    "back\\slash", "7", "nan", "a's", "",
)  # fmt: skip
WORDS = [
    *(Segment(100 * number, 100 * number + 90, name, number / 20) for number, name in enumerate(NAMES, 5)),
    Segment(3000, 3000, "uh", 0.25), Segment(3000, 3000, 'a "click"', 0.5), Segment(3000, 3100, "long", 0.75),
    Segment(3_600_000, 3_725_678, "late", 1.0),
]  # fmt: skip
PLACES = [Segment(500, 1500, "yes", 0.5), Segment(1000, 1200, "no", 0.25), Segment(1100, 1300, "yes", 1 / 3)]
RANDOM = np.random.default_rng(0)
GRID = np.stack([np.arange(50) * 40, np.arange(50) * 40 + 40], axis=1) / 1000
SCORES = (RANDOM.random(50, dtype=np.float32) - np.float32(0.5)) * np.float32(1e-3)
SCORES[[0, 7, 8, 49]] = np.nan
VECTORS = RANDOM.standard_normal((50, 3), dtype=np.float32)
TRACKS = (
    Track("arousal", "scores", GRID, SCORES, low=-1),
    Track("valence", "scores", GRID, SCORES[::-1].copy(), low=-1),
    Track("gaps", "scores", GRID, np.full(50, np.nan, np.float32)),
    Track("embeddings", "vectors", GRID, VECTORS),
    Track("scene", "vectors", np.array([[0, 3725.678]]), VECTORS[:1]),
    Track.of_segments("words", WORDS),
    Track.of_segments("places", PLACES),
    Track.of_segments("nothing", []),
)
BOTH = Tracks("talk of März", None, 3725.678, TRACKS, file="talks/März, 1.wav")
RECORD = {
    "from": {"milliseconds": {"stride": 40, "frame": 40}, "recording": {"name": "a.wav"}},
    "shapes": {track.id: track.values.shape for track in TRACKS} | {"scene": (3,)},
    "seconds": 3725.678,
}
Rows = list[tuple[int, int, str, float]]


def back(tracks: Tracks, form: str, folder: Path, records: Mapping[str, Any] | None = None) -> dict[str, Track]:
    """What is read of what was written in a folder, by id."""
    save_tracks(tracks, form, folder)
    written = [folder / name for name in file_names(tracks.name, tracks.kept, form) if not name.endswith(".xml")]
    [((_, name), (_, files))] = found_outputs(written).items()
    assert (name, files) == (tracks.name, written)
    read = read_tracks(name, None, files, records)
    return {track.kept.key: track for track in read.tracks}


def rows(track: Track) -> Rows:
    return [(one.start_ms, one.end_ms, one.name, one.confidence) for one in track.segments]


def in_praat(words: Rows) -> Rows:
    """Without confidences, empty names, and blanks around names."""
    return [(start, end, name.strip(), 1.0) for start, end, name, _ in words if name]


def in_elan(words: Rows) -> Rows:
    """At least a millisecond long, and confidences with four digits."""
    return [(start, max(end, start + 1), name, float(np.float32(f"{sure:.4g}"))) for start, end, name, sure in words]


def as_subtitles(words: Rows) -> Rows:
    """Without confidences and blanks around names."""
    return [(start, end, name.strip(), 1.0) for start, end, name, _ in words]


def in_full(words: Rows) -> Rows:
    return words


KEEPS: dict[str, Callable[[Rows], Rows]] = {
    **dict.fromkeys(("csv", "parquet", "audformat", "npz"), in_full),
    "textgrid": in_praat,
    "eaf": in_elan,
    **dict.fromkeys(("srt", "vtt"), as_subtitles),
}


@pytest.mark.parametrize("form", [form for form in FORMATS if form != SSI])
def test_there_and_back(tmp_path: Path, form: str) -> None:
    found = back(BOTH, form, tmp_path, {"": RECORD})
    assert sorted(found) == sorted({track.id for track in TRACKS} - {*left_out(BOTH.kept, form)})
    for track in TRACKS:
        if track.id not in found:
            continue
        if track.kind == "segments":
            assert sorted(rows(found[track.id])) == sorted(KEEPS[form](rows(track))), track.id
        else:
            read = found[track.id]
            assert (read.kind, read.values.dtype, read.values.shape) == (track.kind, np.float32, track.values.shape)
            assert read.values.tobytes() == track.values.tobytes()
            np.testing.assert_allclose(read.times, track.times, rtol=0, atol=1e-9)
            assert (read.low, read.high) == (track.low, track.high)


@pytest.mark.parametrize("form", ["textgrid", "eaf"])
def test_control_characters_are_left_out_of_tiers(tmp_path: Path, form: str) -> None:
    words = [Segment(0, 90, '\x1b[1m"hi"\x7f\n\x00there\t&\x85', 0.5), Segment(100, 100, "cl\x01ick", 0.5)]
    tracks = replace(BOTH, tracks=(Track.of_segments("words", words),))
    [found] = back(tracks, form, tmp_path, {"": RECORD}).values()
    assert found.names == ('[1m"hi"\nthere\t&', "click")


def test_ssi_keeps_names_but_for_its_own_marks_and_two_decimals(tmp_path: Path) -> None:
    request = OutputRequest.of_file(Output("words", "annotation:Free"))
    save_output(build_output(request, WORDS, cast("Session", None)), tmp_path / "a.words.annotation")
    [found] = read_tracks("a", None, [tmp_path / "a.words.annotation"]).tracks
    marks = str.maketrans(';"\n', ",' ")
    for read, (*times, name, confidence) in zip(rows(found), rows(TRACKS[5]), strict=True):
        assert read == (
            *(10 * round(time / 10) for time in times),
            name.translate(marks),
            pytest.approx(round(confidence, 2)),
        )


@pytest.mark.parametrize("first", [form for form in FORMATS if form not in (SSI, "npy")])
@pytest.mark.parametrize("second", ["csv", "npz", "textgrid", "eaf", "vtt"])
def test_each_converts_to_each(tmp_path: Path, first: str, second: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    once = back(replace(BOTH, tracks=TRACKS[5:]), first, tmp_path / "one")
    twice = back(replace(BOTH, tracks=tuple(once.values())), second, tmp_path / "two")
    assert sorted(twice) == sorted(once) == sorted(track.id for track in TRACKS[5:])
    for name, track in once.items():
        assert sorted(rows(twice[name])) == sorted(KEEPS[second](rows(track)))


@pytest.mark.parametrize("form", ["csv", "audformat", "parquet"])
def test_a_table_keeps_the_recordings_name(tmp_path: Path, form: str) -> None:
    save_tracks(BOTH, form, tmp_path)
    assert read_tracks(BOTH.name, None, [tmp_path / file_names(BOTH.name, BOTH.kept, form)[0]]).file == BOTH.file


def test_scores_of_two_rates_come_apart(tmp_path: Path) -> None:
    fast, slow = TRACKS[0], Track("slow", "scores", 10 * GRID[:5], SCORES[:5])
    found = back(replace(BOTH, tracks=(fast, slow)), "csv", tmp_path)
    for track in (fast, slow):
        assert found[track.id].values.tobytes() == track.values.tobytes()
        np.testing.assert_allclose(found[track.id].times, track.times, rtol=0, atol=1e-9)


def test_half_precision_is_what_npy_then_holds(tmp_path: Path) -> None:
    half = replace(BOTH, tracks=TRACKS[3:4]).rounded("float16")
    found = back(half, "npy", tmp_path, {"": RECORD})
    assert found["embeddings"].values.tobytes() == VECTORS.astype(np.float16).astype(np.float32).tobytes()


def test_npy_of_a_part_lies_where_the_part_does(tmp_path: Path) -> None:
    part = RECORD | {"from": RECORD["from"] | {"recording": {"span": [90_000, None]}}}  # type: ignore[operator]
    found = back(replace(BOTH, tracks=TRACKS[:1]), "npy", tmp_path, {"": part})
    np.testing.assert_allclose(found["arousal"].times, 90 + GRID, rtol=0, atol=1e-9)


def test_what_a_person_wrote_is_the_same_after_a_module_added_its_tiers(tmp_path: Path) -> None:
    own = [
        textgrid.IntervalTier("Anna", [(0.25, 1.2345678, 'says "item [1]: 3"')], 0, 9),
        textgrid.PointTier("clicks", [(0.5, 'a "click"'), (0.75, "item [2]")], 0, 9),
    ]
    grid, file = textgrid.Textgrid(0, 9), tmp_path / f"{BOTH.name}.TextGrid"
    for tier in own:
        grid.addTier(tier)
    grid.save(str(file), "short_textgrid", includeBlankSpaces=True)
    for _ in range(2):
        save_tracks(replace(BOTH, tracks=TRACKS[5:6]), "textgrid", tmp_path)
    found = {tier.name: [row[:3] for row in tier.rows] for tier in read_textgrid(file)}
    assert found["Anna"] == [(0.25, 1.2345678, 'says "item [1]: 3"')]
    assert found["clicks"] == [(0.5, 0.5, 'a "click"'), (0.75, 0.75, "item [2]")]
    assert list(found) == ["Anna", "clicks", "words", "words (points)", "words 2 (points)"]


def test_two_tiers_of_one_name_are_read_and_not_added_to(tmp_path: Path) -> None:
    file = tmp_path / f"{BOTH.name}.TextGrid"
    rows = [f'"IntervalTier"\n"Anna"\n0\n9\n1\n{start}\n9\n"{start}"' for start in (0, 1)]
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n9\n<exists>\n2'
    file.write_text("\n".join([head, *rows]), encoding="utf-8")
    assert [(track.id, track.names) for track in read_tracks(BOTH.name, None, [file]).tracks] == [
        ("Anna", ("0",)), ("Anna'", ("1",)),
    ]  # fmt: skip
    with pytest.raises(
        RequestError, match="no tiers can be added, since its tier 'Anna' cannot be written again .Tier name"
    ):
        save_tracks(replace(BOTH, tracks=TRACKS[5:6]), "textgrid", tmp_path)
