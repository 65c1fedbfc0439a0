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
import pandas as pd
import parselmouth
import pyarrow.dataset
import pyarrow.parquet
import pytest
import webvtt
from speach import elan

from novaspeech.errors import OptionError, RequestError
from novaspeech.formats.files import file_names, is_shared, tiers_in
from novaspeech.formats.places import save_tracks
from novaspeech.formats.track import Track, Tracks, lanes
from novaspeech.segments import Segment
from tests.novaspeech.formats.conftest import PLACES, SCORES, TIMES, VECTORS, WORDS


def saved(tracks: Tracks, form: str, folder: Path) -> dict[str, Path]:
    """What is written, by what follows the recording's name."""
    folder = folder / "out"
    folder.mkdir()
    save_tracks(tracks, form, folder)
    names = file_names(tracks.name, tracks.kept, form)
    assert sorted(file.name for file in folder.iterdir()) == sorted(names)
    return {name.removeprefix(tracks.name): folder / name for name in names}


def milliseconds(column: Any) -> list[int]:
    return [round(seconds * 1000) for seconds in column.total_seconds()]


def test_audformat_reads_its_tables(tracks: Tracks, tmp_path: Path) -> None:
    files = saved(tracks, "audformat", tmp_path)
    for name, expected in (("arousal", SCORES), ("valence", SCORES[::-1])):
        found = audformat.utils.read_csv(files[f".{name}.audformat.csv"])
        check_index(found.index, tracks.file, 1000 * TIMES)
        assert found.name == name
        assert found.astype("float32").to_numpy().tobytes() == expected.tobytes()
    found = audformat.utils.read_csv(files[".embeddings.audformat.csv"])
    assert found.astype("float32").to_numpy().tobytes() == VECTORS.tobytes()
    for name, segments in (("words", WORDS), ("keywords", PLACES)):
        found = audformat.utils.read_csv(files[f".{name}.audformat.csv"])
        check_index(found.index, tracks.file, np.array([(one.start_ms, one.end_ms) for one in segments]))
        assert found["label"].tolist() == [one.name for one in segments]
        assert found["confidence"].astype("float32").tolist() == [one.confidence for one in segments]
    assert files[".nothing.audformat.csv"].read_text(encoding="utf-8") == "file,start,end,label,confidence\n"


def check_index(index: Any, file: str, expected_ms: np.ndarray[Any, Any]) -> None:
    assert audformat.is_segmented_index(index)
    assert set(index.get_level_values("file")) == {file}
    for column, level in zip(np.rint(expected_ms).astype(int).T, ("start", "end"), strict=True):
        assert milliseconds(index.get_level_values(level)) == column.tolist()


def test_csv_is_read_by_pandas(tracks: Tracks, tmp_path: Path) -> None:
    files = saved(tracks, "csv", tmp_path)
    assert sorted(files) == [".embeddings.csv", ".keywords.csv", ".nothing.csv", ".scores.csv", ".words.csv"]
    check_scores(files[".scores.csv"], tracks.file)
    words = pd.read_csv(files[".words.csv"])
    assert words.columns.tolist() == ["file", "start", "end", "label", "confidence"]
    assert words["label"].tolist() == [one.name for one in WORDS]
    assert words["end"].tolist() == [one.end_ms / 1000 for one in WORDS]


def test_parquet(tracks: Tracks, tmp_path: Path) -> None:
    files = saved(tracks, "parquet", tmp_path)
    scores = fastparquet.ParquetFile(files[".scores.parquet"]).to_pandas()
    assert set(scores["file"]) == {tracks.file}
    assert scores["arousal"].to_numpy().tobytes() == SCORES.tobytes()
    words = fastparquet.ParquetFile(files[".words.parquet"]).to_pandas()
    assert words["label"].tolist() == [one.name for one in WORDS]
    assert words["start"].tolist() == [one.start_ms / 1000 for one in WORDS]
    # Of nothing found, too, the types are the same: one data set holds all.
    together = pyarrow.dataset.dataset([files[".words.parquet"], files[".nothing.parquet"], files[".keywords.parquet"]])
    assert together.to_table().num_rows == len(WORDS) + len(PLACES)
    assert pyarrow.parquet.read_schema(files[".nothing.parquet"]).field("label").type == pyarrow.string()


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
    check_scores(files[".scores.csv"], tracks.file)


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


def check_scores(file: Path, recording: str) -> None:
    with file.open(encoding="utf-8", newline="") as opened:
        head, *rows = csv.reader(opened)
    assert head == ["file", "start", "end", "arousal", "valence"]
    assert [row[:3] for row in rows] == [[recording, f"{n / 25:.3f}", f"{(n + 1) / 25:.3f}"] for n in range(25)]
    for number, expected in ((3, SCORES), (4, SCORES[::-1])):
        column = np.array([float(row[number] or "nan") for row in rows], np.float32)
        assert column.tobytes() == expected.tobytes()
    assert rows[7][3] == ""


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
    check_scores(files[".scores.csv"], tracks.file)
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
    assert (source.attrib["time-column"], source.attrib["sample-type"]) == ("1", "Discontinuous Rate")
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


@pytest.mark.parametrize("form", ["textgrid", "eaf"])
def test_a_second_module_adds_its_tiers_and_replaces_its_own(tracks: Tracks, tmp_path: Path, form: str) -> None:
    def written(*found: Track) -> list[str]:
        save_tracks(replace(tracks, tracks=found), form, tmp_path)
        [file] = [tmp_path / name for name in file_names(tracks.name, [found[0].kept], form) if is_shared(name)][:1]
        return [tier for tier in tiers_in(file) if "confidence" not in tier]

    words = Track.of_segments("words", WORDS, module="wav2vec2_kws")
    turns = Track.of_segments("turns", PLACES, module="another")
    assert written(words) == (["words", "words (points)"] if form == "textgrid" else ["words"])
    assert written(turns)[-2:] == ["turns", "turns 2"]
    assert written(replace(words, times=words.times[:2], values=words.values[:2], names=words.names[:2])) == [
        "turns", "turns 2", "words",
    ]  # fmt: skip
    if form == "textgrid":
        grid = parselmouth.read(str(tmp_path / f"{tracks.name}.TextGrid"))
        assert intervals(grid, 1) == [(500, 1500, "yes"), (1600, 1700, "yes")]
        assert intervals(grid, 3) == [(0, 300, "HELLO"), (300, 301, 'say "hi"')]
    else:
        document = elan.read_eaf(str(tmp_path / f"{tracks.name}.eaf"))
        assert [(*span(one), one.value) for one in document["turns 2"].annotations] == [(1000, 1200, "no")]
        assert len(document["words"].annotations) == 2


@pytest.mark.parametrize("form", ["textgrid", "eaf"])
def test_what_a_person_wrote_there_stays_or_is_refused(tracks: Tracks, tmp_path: Path, form: str) -> None:
    file = tmp_path / f"{tracks.name}.{'TextGrid' if form == 'textgrid' else 'eaf'}"
    file.write_text("my notes")
    with pytest.raises(RequestError, match="cannot be read as .*move it away: no tiers can be added"):
        save_tracks(replace(tracks, tracks=tracks.tracks[3:4]), form, tmp_path)
    assert file.read_text() == "my notes"


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
