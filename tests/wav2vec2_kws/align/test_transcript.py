from pathlib import Path

import numpy as np
import pytest

from novaspeech.errors import RequestError
from novaspeech.server import host, package
from training.letters import VOCABULARY
from wav2vec2_kws.align.aligner import spell_word
from wav2vec2_kws.align.transcript import read_transcript, split_words
from wav2vec2_kws.vocabulary import Vocabulary

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Hello,</i> there!
How are you?

3
00:00:05,000 --> 00:00:06,000
{\\an8}Thank you.

2
00:00:03,000 --> 00:00:04,000
Fine -- 3 & more
"""
VTT = """WEBVTT - a title
Kind: captions

NOTE a remark
over two lines

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Anna>Hello,</v> <c.loud>there</c>!

01:00:03.000 --> 01:00:04.000
Fish &amp; chips<00:19.000> please
"""


def textgrid(tiers: dict[str, list[tuple[float, float, str]]], points: str = "") -> str:
    """Praat's long form; `points` is the name of a tier of points."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", "xmax = 9", "tiers? <exists>"]
    lines += [f"size = {len(tiers) + bool(points)}", "item []:"]
    for number, (name, intervals) in enumerate(tiers.items(), 1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", "        xmax = 9", f"        intervals: size = {len(intervals)}"]
        for place, (start, end, label) in enumerate(intervals, 1):
            quoted = label.replace('"', '""')
            lines += [f"        intervals [{place}]:", f"            xmin = {start}", f"            xmax = {end}"]
            lines += [f'            text = "{quoted}"']
    if points:
        lines += [f"    item [{len(tiers) + 1}]:", '        class = "TextTier"', f'        name = "{points}"']
        lines += ["        xmin = 0", "        xmax = 9", "        points: size = 1", "        points [1]:"]
        lines += ["            number = 1", '            mark = "click"']
    return "\n".join(lines) + "\n"


ANNA = [(0.0, 1.0, "Hello there"), (1.0, 2.0, ""), (2.0, 3.0, 'I said "no"'), (3.0, 9.0, "sil")]
BEN = [(0.0, 1.0, "<p:>"), (1.0, 2.0, "Hi,  Anna"), (3.0, 9.0, "Oh – well")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, there!\n\nHow's  it - going\t…", ["Hello,", "there!", "How's", "it", "going"]),
        ("3 & 4 — “5”", ["3", "&", "4", "“5”"]),
        ("___ - . \u00a0 ’", []),
        ("Привет naïve", ["Привет", "naïve"]),
        ("我今天。你呢？ OK", ["我", "今", "天。", "你", "呢？", "OK"]),
        ("「あのー」CDです", ["「あ", "のー」", "CD", "で", "す"]),
        ("ที่นี่ 3", ["ที่", "นี่", "3"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_in_several_encodings(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "talk.TXT"
    file.write_bytes("“Café” naïve\r\nÖl".encode(encoding))
    assert read_transcript(file) == ["“Café”", "naïve", "Öl"]


def test_subtitles_in_the_order_of_time(tmp_path: Path) -> None:
    (tmp_path / "talk.srt").write_text("\ufeff" + SRT.replace("\n", "\r\n"), encoding="utf-8")
    expected = "Hello, there! How are you? Fine 3 & more Thank you."
    assert read_transcript(tmp_path / "talk.srt") == expected.split()


def test_webvtt_without_its_markup(tmp_path: Path) -> None:
    (tmp_path / "talk.vtt").write_text(VTT, encoding="utf-8")
    assert read_transcript(tmp_path / "talk.vtt") == ["Hello,", "there!", "Fish", "&", "chips", "please"]


def test_speakers_tiers_are_merged_by_time(tmp_path: Path) -> None:
    file = tmp_path / "talk.TextGrid"
    file.write_text(textgrid({"Anna": ANNA, "Ben": BEN}, points="clicks"), encoding="utf-8")
    assert read_transcript(file) == ["Hello", "there", "Hi,", "Anna", "I", "said", '"no"', "Oh", "well"]


@pytest.mark.parametrize("name", ["words", "Anna - words", "Transcript", "speaker.word"])
def test_a_tier_of_words_is_taken_alone(tmp_path: Path, name: str) -> None:
    file = tmp_path / "talk.TextGrid"
    phones = [(0.0, 0.5, "HH"), (0.5, 1.0, "AH0")]
    file.write_text(textgrid({name: ANNA, "Anna - phones": phones, "remarks": BEN}), encoding="utf-16")
    assert read_transcript(file) == ["Hello", "there", "I", "said", '"no"']


def annotation(file: Path, scheme: str, header: str, rows: str) -> Path:
    file.write_text(
        f'<annotation ssi-v="3"><info ftype="ASCII" size="2" /><meta role="" annotator="" />'
        f'<scheme name="text" type="{scheme}" {header}></scheme></annotation>'
    )
    file.with_name(f"{file.name}~").write_text(rows, encoding="utf-8")
    return file


def test_a_free_annotation(tmp_path: Path) -> None:
    file = annotation(tmp_path / "talk.annotation", "FREE", "", "2.00;3.00;thank you, José;1.0\n0.50;1.00;Hello;0.5\n")
    assert read_transcript(file) == ["Hello", "thank", "you,", "José"]


def test_a_free_annotation_that_the_host_wrote(tmp_path: Path) -> None:
    dtype = package.module("data.annotation").LabelDType.FREE.value
    rows = np.array([(500, 1000, "hello world", 1.0), (2000, 3000, "yes", 0.5)], dtype)
    data = host.FreeAnnotation(host.FreeAnnotationScheme("text"), rows)
    host.FileHandler().save(data, tmp_path / "talk.annotation")
    assert read_transcript(tmp_path / "talk.annotation") == ["hello", "world", "yes"]


def test_other_annotations_are_none(tmp_path: Path) -> None:
    file = annotation(tmp_path / "talk.annotation", "CONTINUOUS", 'sr="25" min="0" max="1"', "0.5;1.0\n0.5;1.0\n")
    with pytest.raises(RequestError, match="is no free annotation; the labels of a free one are read as text"):
        read_transcript(file)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("talk.doc", b"x", "talk.doc must end in .txt, .docx, .annotation, .textgrid, .eaf, .cha, .json, .srt, .vtt"),
        ("talk.docx", b"x", "talk.docx cannot be read as a Word document"),
        ("talk.cha", b"*ANNA:\thello\n", "talk.cha cannot be read as CHAT (it has no line @Begin)"),
        ("talk.json", b"[1]", "talk.json cannot be read as whisper's JSON, segments with start, end and text"),
        ("talk.json", b'{"segments": [{"text": "a"}]}', "talk.json cannot be read as whisper's JSON"),
        ("talk.eaf", b"<a/>", "talk.eaf cannot be read as an EAF"),
        ("talk.csv", b"text\nhello\n", "talk.csv has no columns start and end, in seconds; its columns are text"),
        ("talk", b"x", "talk must end in"),
        ("talk.txt", None, "talk.txt does not exist"),
        ("talk.txt", b"", "talk.txt has no words; it must hold what is said in the recording"),
        ("talk.txt", b" - \n", "talk.txt has no words"),
        ("talk.txt", b"RIFF\x00\x00\x01\xff", "talk.txt is no text; save it as text in UTF-8"),
        ("talk.txt", b"\x81\x8d\x8f", "talk.txt is no text"),
        ("talk.txt", b"\xff\xfea", "talk.txt is no text"),
        ("talk.srt", b"just words\n", "talk.srt has no words"),
        ("talk.srt", b"\x00\x01", "talk.srt is no text"),
        ("talk.vtt", b"WEBVTT\n", "talk.vtt has no words"),
        ("talk.TextGrid", b"just words\n", "talk.TextGrid cannot be read as a TextGrid"),
        ("talk.TextGrid", b"\x00", "talk.TextGrid is no text"),
        ("talk.annotation", b"just words\n", "talk.annotation cannot be read as an annotation"),
        ("talk.annotation", b"<annotation/>", "talk.annotation cannot be read as an annotation"),
    ],
)
def test_files_that_are_no_transcripts(tmp_path: Path, name: str, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError) as raised:
        read_transcript(tmp_path / name)
    assert str(raised.value).startswith(f"transcript {tmp_path / name} ")
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("Hello", "HELLO"),
        ("“Don’t!”", "DON'T"),
        ("don´t", "DON'T"),
        ("don`t", "DON'T"),
        ("`quoted´", "QUOTED"),
        ("Straße", "STRASSE"),
        ("Œuvre", "OEUVRE"),
        ("Łódź", "LODZ"),
        ("'quoted'", "QUOTED"),
        ("e-mail", "E MAIL"),
        ("naïve,", "NAIVE"),
        ("cafe\u0301", "CAFE"),
        ("U.S.A.", "U S A"),
        ("and/or", "AND OR"),
        ("(laughs)", "LAUGHS"),
        ("3.5", ""),
        ("route66", ""),
        ("AT&T", ""),
        ("100%", ""),
        ("你好", ""),
        ("…", ""),
    ],
)
def test_spelling(word: str, text: str) -> None:
    assert VOCABULARY.write(spell_word(word, VOCABULARY)) == text


def test_letters_with_accents_that_the_model_has_stay() -> None:
    vocabulary = Vocabulary({"a": 2, "ä": 3, "e": 4}, blank=0, delimiter=1)
    assert spell_word("ÄÉa", vocabulary) == (3, 4, 2)
    assert spell_word("ßẞ", Vocabulary({"s": 2, "ß": 3}, blank=0, delimiter=1)) == (3, 3)
