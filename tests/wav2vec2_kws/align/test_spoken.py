"""Transcripts of further programs, and what in transcripts is not said."""

import json
import zipfile
from pathlib import Path

import pytest
from pympi import Eaf

from novaspeech.corpus.own_inputs import TEXTS
from novaspeech.formats.annotated import Annotated, segments_in
from wav2vec2_kws.align.notes import without_notes
from wav2vec2_kws.align.transcript import read_transcript

CHAT = """@UTF8
@Begin
@Participants:\tCHI Target_Child, MOT Mother
*MOT:\twhat's [: what is] that +/. \x150_1200\x15
*CHI:\tmore <the the> [/] coo:kie@c
\t(be)cause xxx &=laughs &+fr 0is . \x151300_2500\x15
%mor:\tqn|more n|cookie .
*MOT:\t&-um one (.) ice_cream +...
@End
"""
WHISPER = {"segments": [{"start": 0, "end": 1.4, "text": " Good morning."}]}
WHISPER["segments"].append({"start": 1.9, "end": 3.2, "text": " How are you?", "speaker": "B"})  # type: ignore[dict-item]
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def write(folder: Path, ending: str) -> Path:
    file = folder / f"talk{ending}"
    if ending == ".cha":
        file.write_text(CHAT, newline="\r\n")
    elif ending == ".json":
        file.write_text(json.dumps(WHISPER))
    elif ending == ".eaf":
        made = Eaf(author="test")
        made.remove_tier("default")
        for tier, start, text in (("Ben", 1900, "How are you?"), ("Anna", 0, "Good morning.")):
            made.add_tier(tier, part=tier)
            made.add_annotation(tier, start, start + 1500, text)
        made.to_file(str(file))
    elif ending == ".docx":
        runs = "</w:t></w:r></w:p><w:p><w:r><w:t>".join(
            ["A: Good</w:t><w:tab/><w:t>morn</w:t><w:t>ing.", "B: How are you?"]
        )
        with zipfile.ZipFile(file, "w") as parts:
            text = f'<w:document xmlns:w="{WORD}"><w:body><w:p><w:r><w:t>{runs}</w:t></w:r></w:p></w:body></w:document>'
            parts.writestr("word/document.xml", text)
    else:
        rows = ["start,end,text", "1.9,3.2,How are you?", "0,1.4,Good morning."]
        file.write_text("\n".join(rows).replace(",", "\t" if ending == ".tsv" else ","))
    return file


@pytest.mark.parametrize("ending", [".json", ".eaf", ".docx", ".csv", ".tsv"])
def test_other_programs_transcripts(tmp_path: Path, ending: str) -> None:
    assert read_transcript(write(tmp_path, ending)) == ["Good", "morning.", "How", "are", "you?"]
    assert ending in TEXTS  # `novaspeech align DIR` finds it beside a recording


def test_chat_without_its_codes(tmp_path: Path) -> None:
    lines: list[str] = []
    words = "what's that more the the cookie cause fr um one ice cream"
    assert read_transcript(write(tmp_path, ".cha"), log=lines.append) == words.split()
    assert lines == [
        "speakers of the transcript: MOT, CHI",
        "notes of the transcript that are left out: 7 ([: what is], [/], (be), xxx, &=laughs, 0is, (.))",
    ]


def test_times_and_speakers_are_kept(tmp_path: Path) -> None:
    chat = segments_in(write(tmp_path, ".cha"))
    assert [row[1:5] for row in chat] == [(0, 1.2, "", "MOT"), (1.3, 2.5, "", "CHI"), (2.5, 2.5, "", "MOT")]
    assert chat[2].label == "&-um one (.) ice_cream +..."
    whisper = segments_in(write(tmp_path, ".json"))
    assert whisper == [Annotated("", 0, 1.4, "", "", "Good morning."), Annotated("", 1.9, 3.2, "", "B", "How are you?")]


@pytest.mark.parametrize(
    ("text", "said", "speakers", "notes"),
    [
        ("ANNA: well [laughter] I (coughs) … <noise>", "well I …", "ANNA", "3 ([laughter], (coughs), <noise>)"),
        ("((unintelligible)) OK.\nOK [door\nslams] OK", "OK. OK OK", "", "2 (((unintelligible)), [door slams])"),
        ("S1: hello\n  Speaker 2: hi\nS1: 12:30, I think", "hello hi 12:30, I think", "S1 Speaker 2", ""),
        ("Anna: hello\nDr. Ben: hi\nAnna: so\nDr. Ben: yes", "hello hi so yes", "Anna Dr. Ben", ""),
        ("Anna: hello", "Anna: hello", "", ""),
        ("He said: go\nHe said: stop", "He said: go He said: stop", "", ""),
        ("the bank (of the old river) is 3 < 4", "the bank (of the old river) is 3 < 4", "", ""),
        ("word(s) <b>loud</b> I like it", "word(s) loud I like it", "", "2 (<b>, </b>)"),
    ],
)
def test_labels_and_notes(text: str, said: str, speakers: str, notes: str) -> None:
    lines: list[str] = []
    rows = without_notes([Annotated("", 0.0, None, "", "", text)], lines.append)
    assert " ".join(" ".join(row.label for row in rows).split()) == said
    assert " ".join(dict.fromkeys(row.speaker for row in rows if row.speaker)) == speakers
    left_out = [line.removeprefix("notes of the transcript that are left out: ") for line in lines if "notes" in line]
    assert left_out == ([notes] if notes else [])
