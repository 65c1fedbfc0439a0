"""Segments that people made, from each kind of file."""

from pathlib import Path

import pandas as pd
import pytest
from pympi import Eaf

from novaspeech.errors import RequestError
from novaspeech.formats.annotated import Annotated, segments_in

SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
2
"IntervalTier"
"Anna"
0
2.5
2
0
1.2345678
"says ""hi"" in item [1]: of 3"
1.2345678
2.5
""
"TextTier"
"clicks"
0
2.5
1
0.5
"a ""click\"\""
"""


def eaf(file: Path) -> Path:
    made = Eaf(author="test")
    made.remove_tier("default")
    made.add_linguistic_type("parts", "Time_Subdivision")
    made.add_linguistic_type("said", "Symbolic_Association", timealignable=False)
    made.add_tier("A-utterances", part="Anna")
    made.add_tier("A-words", "parts", parent="A-utterances", part="Anna")
    made.add_tier("A-meaning", "said", parent="A-utterances")
    made.add_tier("B-utterances", part="Björn")
    made.add_annotation("A-utterances", 1000, 2500, "hello, there")
    made.add_ref_annotation("A-meaning", "A-utterances", 1500, "a greeting")
    made.add_annotation("B-utterances", 2000, 3000, "")
    for slot, time in (("ts101", 1000), ("ts102", None), ("ts103", None), ("ts104", 2500)):
        made.timeslots[slot] = time
    made.tiers["A-words"][0].update({
        f"a10{n}": (f"ts10{n}", f"ts10{n + 1}", text, None) for n, text in enumerate(("hel", "lo", "there"), 1)
    })  # fmt: skip
    made.annotations.update(dict.fromkeys(("a101", "a102", "a103"), "A-words"))
    made.to_file(str(file))
    return file


def test_elans_tiers_have_their_participants(tmp_path: Path) -> None:
    assert segments_in(eaf(tmp_path / "talk.eaf")) == [
        Annotated("", 1.0, 2.5, "A-utterances", "Anna", "hello, there"),
        Annotated("", 1.0, 1.5, "A-words", "Anna", "hel"),  # ELAN leaves times within a subdivision out
        Annotated("", 1.5, 2.0, "A-words", "Anna", "lo"),
        Annotated("", 2.0, 2.5, "A-words", "Anna", "there"),
        Annotated("", 1.0, 2.5, "A-meaning", "", "a greeting"),
        Annotated("", 2.0, 3.0, "B-utterances", "Björn", ""),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_praats_intervals(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "talk.TextGrid").write_text(SHORT, encoding=encoding)
    [found] = segments_in(tmp_path / "talk.TextGrid")
    assert found == Annotated("", 0.0, 1.2345678, "Anna", "", 'says "hi" in item [1]: of 3')


def test_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('start,end,label,speaker\n1.5,2,"yes, I",Anna\n2:05,,,\n', encoding="utf-8-sig")
    assert segments_in(tmp_path / "a.csv") == [
        Annotated("", 1.5, 2.0, "", "Anna", "yes, I"), Annotated("", 125.0, None, "", "", ""),
    ]  # fmt: skip
    (tmp_path / "a.tsv").write_text("file\ttier\tstart\tend\na.wav\twords\t0\t0.25\n")
    assert segments_in(tmp_path / "a.tsv") == [Annotated("a.wav", 0.0, 0.25, "words", "", "")]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_an_index_of_audformat(tmp_path: Path, ending: str) -> None:
    times = [pd.to_timedelta(["1.04s", "2s"]), pd.to_timedelta(["1.5s", None])]
    table = pd.DataFrame({"file": ["a.wav", "b.wav"], "start": times[0], "end": times[1]})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    assert segments_in(tmp_path / f"t.{ending}") == [
        Annotated("a.wav", 1.04, 1.5, "", "", ""), Annotated("b.wav", 2.0, None, "", "", ""),
    ]  # fmt: skip


def test_subtitles(tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.500\n<v Anna>Fish &amp; chips\n", encoding="utf-8")
    assert segments_in(tmp_path / "a.vtt") == [Annotated("", 1.0, 2.5, "", "", "Fish & chips")]


def test_where_nobody_speaks_there_are_no_segments(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("start,end\n")
    assert segments_in(tmp_path / "a.csv") == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "begin,end\n1,2\n", "has no columns start and end, in seconds; its columns are begin, end"),
        ("a.csv", "start,end\none,2\n", "row 1 of .*a.csv is no segment: 'one' is no time; seconds are needed"),
        ("a.csv", "start,end\n1,2\n,2\n", "row 2 of .*a.csv is no segment: its start is empty"),
        ("a.csv", "start,end\n3,2\n", "row 1 of .*a.csv is no segment: it ends at 2 s and begins at 3 s"),
        ("a.parquet", "PAR1 cut", "a.parquet cannot be read"),
        ("a.TextGrid", SHORT[:200], "cannot be read as a TextGrid"),
        ("a.eaf", "<ANNOTATION_DOCUMENT>", "cannot be read as an EAF"),
        ("a.docx", "x", "its ending must be one of .TextGrid, .eaf, .cha, .json, .srt, .vtt, .csv, .tsv, .parquet"),
        ("no.csv", None, "no.csv does not exist"),
    ],
)
def test_what_holds_no_segments_is_said(tmp_path: Path, name: str, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(RequestError, match=said) as raised:
        segments_in(tmp_path / name)
    assert "\n" not in str(raised.value)
