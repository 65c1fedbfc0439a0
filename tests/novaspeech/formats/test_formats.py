"""Each format read back by a library other than the one that wrote it: times to the millisecond, numbers in full."""

import ast
import csv
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse
from xml.etree import ElementTree

import audformat
import fastparquet
import numpy as np
import parselmouth
import pytest
import soundfile
import webvtt
from speach import elan

from novaspeech.errors import OptionError, RequestError
from novaspeech.formats.files import FORMATS, SSI, check_formats, file_names, left_out
from novaspeech.formats.track import Track, Tracks, lanes
from novaspeech.result import save_tracks
from novaspeech.segments import Segment

WORDS = [
    Segment(0, 300, "HELLO", 0.875),
    Segment(300, 301, 'say "hi"', 0.5),
    Segment(301, 301, "uh", 0.0),
    Segment(1234, 2000, "Grüße – 日本", 0.99951171875),
    Segment(2000, 3_725_678, "a & b <unk> {x}", 1.0),
]
PLACES = [Segment(500, 1500, "yes", 0.5), Segment(1000, 1200, "no", 0.25), Segment(1600, 1700, "yes", 0.75)]
RANDOM = np.random.default_rng(0)
SCORES = RANDOM.random(25, dtype=np.float32) - 0.5
SCORES[7:9] = np.nan
VECTORS = RANDOM.standard_normal((25, 3), dtype=np.float32)
TIMES = np.stack([np.arange(25) * 40, np.arange(25) * 40 + 40], axis=1) / 1000


@pytest.fixture
def tracks(tmp_path: Path) -> Tracks:
    audio = tmp_path / "talk of März.wav"
    soundfile.write(audio, np.zeros(1600), 16000)
    return Tracks(
        "talk of März",
        audio,
        0.1,
        (
            Track("arousal", "scores", TIMES, SCORES, low=-1, high=1),
            Track("valence", "scores", TIMES, SCORES[::-1].copy(), low=-1, high=1),
            Track("embeddings", "vectors", TIMES, VECTORS),
            Track.of_segments("words", WORDS),
            Track.of_segments("keywords", PLACES),
            Track.of_segments("nothing", []),
        ),
    )


def saved(tracks: Tracks, form: str, folder: Path) -> dict[str, Path]:
    """What is written, by what follows the recording's name."""
    folder = folder / "out"
    folder.mkdir()
    save_tracks(tracks, form, folder)
    names = file_names(tracks.name, tracks.kinds, form)
    assert sorted(file.name for file in folder.iterdir()) == sorted(names)
    return {name.removeprefix(tracks.name): folder / name for name in names}


def milliseconds(column: Any) -> list[int]:
    return [round(seconds * 1000) for seconds in column.total_seconds()]


def test_csv_is_a_table_of_audformat(tracks: Tracks, tmp_path: Path) -> None:
    files = saved(tracks, "csv", tmp_path)
    for name, expected in (("arousal", SCORES), ("valence", SCORES[::-1])):
        found = audformat.utils.read_csv(files[f".{name}.csv"])
        check_index(found.index, tracks.file, 1000 * TIMES)
        assert found.name == name
        assert found.astype("float32").to_numpy().tobytes() == expected.tobytes()
    found = audformat.utils.read_csv(files[".embeddings.csv"])
    assert found.astype("float32").to_numpy().tobytes() == VECTORS.tobytes()
    for name, segments in (("words", WORDS), ("keywords", PLACES)):
        found = audformat.utils.read_csv(files[f".{name}.csv"])
        check_index(found.index, tracks.file, np.array([(one.start_ms, one.end_ms) for one in segments]))
        assert found[name].tolist() == [one.name for one in segments]
        assert found["confidence"].astype("float32").tolist() == [one.confidence for one in segments]
    assert files[".nothing.csv"].read_text(encoding="utf-8") == "file,start,end,nothing,confidence\n"


def check_index(index: Any, file: str, expected_ms: np.ndarray[Any, Any]) -> None:
    assert audformat.is_segmented_index(index)
    assert set(index.get_level_values("file")) == {file}
    for column, level in zip(np.rint(expected_ms).astype(int).T, ("start", "end"), strict=True):
        assert milliseconds(index.get_level_values(level)) == column.tolist()


def test_parquet(tracks: Tracks, tmp_path: Path) -> None:
    files = saved(tracks, "parquet", tmp_path)
    scores = fastparquet.ParquetFile(files[".arousal.parquet"]).to_pandas()
    assert set(scores["file"]) == {tracks.file}
    assert scores["arousal"].to_numpy().tobytes() == SCORES.tobytes()
    words = fastparquet.ParquetFile(files[".words.parquet"]).to_pandas()
    assert words["words"].tolist() == [one.name for one in WORDS]
    # Parquet has no durations: what others read are the nanoseconds that pyarrow takes them from.
    for column, expected in (("start", [one.start_ms for one in WORDS]), ("end", [one.end_ms for one in WORDS])):
        assert (words[column].astype("int64") // 1_000_000).tolist() == expected


def test_npz(tracks: Tracks, tmp_path: Path) -> None:
    files = saved(tracks, "npz", tmp_path)
    vectors = dict(arrays(files[".embeddings.npz"]))
    assert vectors["values"] == ("<f4", (25, 3), VECTORS.tobytes())
    assert vectors["times"] == ("<f8", (25, 2), TIMES.tobytes())
    words = dict(arrays(files[".words.npz"]))
    descr, _, content = words["names"]
    size = 4 * int(descr[2:])
    names = [content[place : place + size].decode("utf-32-le").rstrip("\0") for place in range(0, len(content), size)]
    assert names == [one.name for one in WORDS]
    seconds = struct.unpack("<10d", words["times"][2])
    assert [round(1000 * one, 9) for one in seconds] == [time for one in WORDS for time in (one.start_ms, one.end_ms)]


def arrays(file: Path) -> Iterator[tuple[str, tuple[str, tuple[int, ...], bytes]]]:
    """Name → type, shape and bytes, without NumPy (its documented format, version 1)."""
    with zipfile.ZipFile(file) as opened:
        for name in opened.namelist():
            content = opened.read(name)
            length = struct.unpack("<H", content[8:10])[0]
            header = ast.literal_eval(content[10 : 10 + length].decode())
            assert content[:8] == b"\x93NUMPY\x01\x00"
            assert not header["fortran_order"]
            yield name.removesuffix(".npy"), (header["descr"], header["shape"], content[10 + length :])


def test_praat_reads_the_textgrid(tracks: Tracks, tmp_path: Path) -> None:
    files = saved(tracks, "textgrid", tmp_path)
    grid = parselmouth.read(str(files[".TextGrid"]))
    ask = parselmouth.praat.call
    assert ask(grid, "Get end time") == 3725.678
    tiers = [ask(grid, "Get tier name", 1 + number) for number in range(ask(grid, "Get number of tiers"))]
    assert tiers == ["words", "words (points)", "keywords", "keywords 2", "nothing"]
    found = {name: intervals(grid, 1 + number) for number, name in enumerate(tiers) if name != "words (points)"}
    assert found["words"] == [(one.start_ms, one.end_ms, one.name) for one in WORDS if one.end_ms > one.start_ms]
    assert found["keywords"] == [(500, 1500, "yes"), (1600, 1700, "yes")]
    assert found["keywords 2"] == [(1000, 1200, "no")]
    assert found["nothing"] == []
    assert ask(grid, "Get number of points", 2) == 1
    assert (ask(grid, "Get time of point", 2, 1), ask(grid, "Get label of point", 2, 1)) == (0.301, "uh")
    check_scores(files[".scores.csv"])


def intervals(grid: Any, tier: int) -> list[tuple[int, int, str]]:
    """Start and end in ms, and label, of the intervals that have one."""
    ask, found = parselmouth.praat.call, []
    for number in range(1, 1 + ask(grid, "Get number of intervals", tier)):
        label = ask(grid, "Get label of interval", tier, number)
        times = [1000 * ask(grid, f"Get {word} time of interval", tier, number) for word in ("start", "end")]
        assert all(abs(time - round(time)) < 1e-6 for time in times)
        if label:
            found.append((round(times[0]), round(times[1]), label))
    return found


def check_scores(file: Path) -> None:
    with file.open(encoding="utf-8", newline="") as opened:
        head, *rows = csv.reader(opened)
    assert head == ["time", "arousal", "valence"]
    assert [row[0] for row in rows] == [f"{0.04 * number:.3f}" for number in range(25)]
    for number, expected in ((1, SCORES), (2, SCORES[::-1])):
        column = np.array([float(row[number] or "nan") for row in rows], np.float32)
        assert column.tobytes() == expected.tobytes()
    assert rows[7][1] == ""


def test_elan(tracks: Tracks, tmp_path: Path) -> None:
    files = saved(tracks, "eaf", tmp_path)
    document = elan.read_eaf(str(files[".eaf"]))
    expected = {
        "words": [(one.start_ms, max(one.end_ms, one.start_ms + 1), one.name, one.confidence) for one in WORDS],
        "keywords": [(500, 1500, "yes", 0.5), (1600, 1700, "yes", 0.75)],
        "keywords 2": [(1000, 1200, "no", 0.25)],
        "nothing": [],
    }
    assert {tier.ID for tier in document if "confidence" not in tier.ID} == set(expected)
    for name, rows in expected.items():
        below = {one.ref_id: float(one.value) for one in document[f"{name} confidence"].annotations}
        assert document[f"{name} confidence"].parent_ref == name
        found = [(*span(one), one.value, below[one.ID]) for one in document[name].annotations]
        assert found == [(start, end, text, pytest.approx(sure, abs=1e-4)) for start, end, text, sure in rows]
    root = parsed(files[".eaf"])
    media = [linked(one.attrib["MEDIA_URL"]) for one in root.iter("MEDIA_DESCRIPTOR")]
    assert media == [tracks.audio]
    others = [linked(one.attrib["LINK_URL"]) for one in root.iter("LINKED_FILE_DESCRIPTOR")]
    assert others == [files[".scores.csv"], files["_tsconf.xml"]]
    check_scores(files[".scores.csv"])
    check_series(files["_tsconf.xml"], files[".scores.csv"])


def parsed(file: Path) -> ElementTree.Element:
    return ElementTree.parse(file).getroot()  # noqa: S314


def span(annotation: Any) -> tuple[int, int]:
    return round(1000 * annotation.from_ts.sec), round(1000 * annotation.to_ts.sec)


def linked(url: str) -> Path:
    assert url.startswith("file:///")
    return Path(unquote(urlparse(url).path))


def check_series(file: Path, scores: Path) -> None:
    """As ELAN 6 writes and reads it; ELAN itself cannot be run here."""
    [source] = parsed(file)
    assert linked(source.attrib["source-url"]) == scores
    assert (source.attrib["time-column"], source.attrib["sample-type"]) == ("0", "Discontinuous Rate")
    head = scores.read_text(encoding="utf-8").splitlines()[0].split(",")
    for one in source.findall("track"):
        assert head[int(one.find("sample-position/pos").attrib["col"])] == one.attrib["name"]  # type: ignore[union-attr]
        assert one.find("range").attrib == {"max": "1.0", "min": "-1.0"}  # type: ignore[union-attr]
    assert len(source.findall("track")) == 2


def clock(text: str) -> int:
    """Milliseconds of 01:02:05.678."""
    hours, minutes, seconds = text.split(":")
    return 3_600_000 * int(hours) + 60_000 * int(minutes) + round(1000 * float(seconds))


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_subtitles(tracks: Tracks, tmp_path: Path, form: str) -> None:
    files = saved(tracks, form, tmp_path)
    assert set(files) == {f".{name}.{form}" for name in ("words", "keywords", "nothing")}
    read = {"srt": webvtt.from_srt, "vtt": webvtt.read}[form]
    cues = read(str(files[f".words.{form}"]), encoding="utf-8")
    times = [(clock(cue.start), clock(cue.end)) for cue in cues]
    assert times == [(one.start_ms, one.end_ms) for one in WORDS]
    escaped = {"srt": "a & b <unk> {x}", "vtt": "a &amp; b &lt;unk&gt; {x}"}[form]
    text = files[f".words.{form}"].read_text(encoding="utf-8")
    assert text.rstrip().endswith(escaped)
    assert 'say "hi"' in text
    assert "Grüße – 日本" in text


def test_formats_hold_what_they_can() -> None:
    kinds = {"arousal": "scores", "embeddings": "vectors", "words": "segments"}
    assert {form: left_out(kinds, form) for form in FORMATS} == {  # type: ignore[arg-type]
        **{form: [] for form in (SSI, "csv", "parquet", "npz")},
        "npy": ["words"],
        **{form: ["arousal", "embeddings"] for form in ("srt", "vtt")},
        **{form: ["embeddings"] for form in ("textgrid", "eaf")},
    }
    assert file_names("a", {"arousal": "scores"}, "textgrid") == ["a.scores.csv"]
    assert file_names("a", {"arousal": "scores"}, "eaf") == ["a.eaf", "a.scores.csv", "a_tsconf.xml"]
    with pytest.raises(
        RequestError, match=r"^the format srt holds segments; of the outputs none is: arousal \(a conti"
    ):
        check_formats(["csv", "srt"], {"arousal": "scores"})
    with pytest.raises(
        RequestError, match="^the format eaf holds segments and a continuous annotation; of the outputs"
    ):
        check_formats(["eaf"], {"embeddings": "vectors"})
    with pytest.raises(
        OptionError, match="^there is no format 'xml'; there are: ssi, csv, parquet, npz, npy, srt, vtt"
    ):
        check_formats(["xml"], {"embeddings": "vectors"})
    with pytest.raises(OptionError, match="^no format is named; there are: ssi, csv"):
        check_formats([], {"embeddings": "vectors"})


def test_npy_is_the_values_alone_and_half_has_an_end(tracks: Tracks, tmp_path: Path) -> None:
    files = saved(tracks, "npy", tmp_path)
    assert set(files) == {f".{track.id}.npy" for track in tracks.tracks if track.kind != "segments"}
    for track in tracks.tracks:
        if track.kind != "segments":
            np.testing.assert_array_equal(np.load(files[f".{track.id}.npy"]), track.values)
    half = tracks.rounded("float16").of_kind("vectors")[0]
    assert half.values.dtype == np.float16
    loud = replace(tracks, tracks=(replace(half, values=np.full((1, 2), 7e4, np.float32)),))
    with pytest.raises(RequestError, match="has numbers as large as 70000, more than float16 holds; use float32"):
        loud.rounded("float16")
    with pytest.raises(OptionError, match="there is no dtype 'int8'; there are: float32, float16"):
        tracks.rounded("int8")


def test_lanes_do_not_overlap() -> None:
    found = lanes([Segment(start, start + 25, str(start), 1) for start in range(0, 100, 10)])
    assert [[one.start_ms for one in lane] for lane in found] == [[0, 30, 60, 90], [10, 40, 70], [20, 50, 80]]
    assert lanes([]) == [[]]
