"""What NOVA asks for in database mode, by du-process and mongomock."""

from collections.abc import Sequence
from pathlib import Path

import bson
import numpy as np
import pytest
import soundfile
from discover_utils.data.handler.file_handler import FileHandler
from discover_utils.utils.anno_utils import pack_remove

import novaspeech
from novaspeech.module.output import MOST_SCORES
from tests.conftest import SPELLER
from tests.novaspeech.server.conftest import AUDIO, Entry, Nova, annotation, stream
from tests.wav2vec2_kws.conftest import RATE, say

POST_PROCESSING = {"anno_min_gap": "0.5", "anno_min_dur": "0.3"}  # NOVA ticks them; 0.15 s is shorter than these words


def test_keywords_that_are_short_and_close_are_all_stored(nova: Nova, tmp_path: Path) -> None:
    nova.record("monday", say(["money", "money", "summer", "money", "money"], gap=0.2)[0])
    options = {"model": str(SPELLER), "keywords": "money"}
    nova.run("wav2vec2_kws", [AUDIO, annotation("keywords", "one")], options)
    plain = nova.rows("one")
    assert len(plain) == 4
    rows = np.array([(1000 * row["from"], 1000 * row["to"], row["id"], 1.0) for row in plain], "<i4,<i4,<i4,<f4")
    rows.dtype.names = ("from", "to", "id", "conf")
    assert len(pack_remove(rows, 500, 300)) < 4  # as the host would do
    place = str(tmp_path / "a.annotation")
    file = {"src": "file:annotation:discrete", "type": "output", "id": "keywords", "uri": place}
    for data in ([AUDIO, annotation("keywords", "one")], [AUDIO, file]):
        assert "ended with" not in nova.run("wav2vec2_kws", data, options, **POST_PROCESSING)
    assert nova.rows("one") == plain
    assert len(FileHandler().load(tmp_path / "a.annotation").data) == 4


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (
            [annotation("arousal", "arousal"), annotation("valence", "arousal")],
            "output 'valence' would replace output 'arousal' (scheme arousal, role room, annotator machine); choose "
            "another scheme for one of them, or untick it",
        ),
        (
            [stream("embedding", "audio")],
            "output 'embedding' would replace input 'audio' (name audio, role room); give one of them another name",
        ),
        (
            [
                {"src": "file:annotation:continuous", "type": "output", "id": name, "uri": place}
                for name, place in (("arousal", "{folder}/a.annotation"), ("valence", "{folder}/./a.annotation"))
            ],
            "output 'valence' would replace output 'arousal' ({folder}/a.annotation); give one of them another file",
        ),
    ],
)
def test_outputs_that_would_replace_each_other(
    nova: Nova, small_emow2v: Path, voices: np.ndarray, tmp_path: Path, outputs: Sequence[Entry], message: str
) -> None:
    nova.record("monday", voices)
    made = [
        {key: str(value).format(folder=tmp_path) for key, value in entry.items() if key != "active"}
        for entry in outputs
    ]
    printed = nova.run("emow2v", [AUDIO, *made], {"model": str(small_emow2v)})
    assert message.format(folder=tmp_path) in printed
    assert not nova.tables["Annotations"].count_documents({})
    assert not list(nova.data.rglob("*.stream*"))


def test_outputs_that_go_to_different_places_go_on(nova: Nova, small_emow2v: Path, voices: np.ndarray) -> None:
    nova.record("monday", voices)
    outputs = [annotation("arousal", "arousal"), annotation("valence", "arousal", active=False)]
    outputs += [annotation("dominance", "arousal", annotator="ben"), stream("embedding", "audio") | {"role": "teacher"}]
    assert "ended with" not in nova.run("emow2v", [AUDIO, *outputs], {"model": str(small_emow2v)})
    assert nova.tables["Annotations"].count_documents({}) == 2


ADD = "choose one, or ADD it under {} in NOVA's window DATABASE > Administration > Manage Databases"
CONTINUOUS = "it needs a continuous scheme (25 Hz, from 0 to 1): " + ADD.format("Schemes")
ONE_CLASS = "it needs a discrete scheme (with the class 'same_speaker')"
CLASSES = "it needs a discrete scheme (with the name of each keyword as a class)"


@pytest.mark.parametrize(
    ("module", "output", "fault", "remedy"),
    [
        ("emow2v", annotation("arousal", "energy"), "the database has no scheme 'energy'", CONTINUOUS),
        ("emow2v", annotation("arousal", ""), "no scheme is chosen", CONTINUOUS),
        ("emow2v", annotation("arousal", "turns"), "the scheme 'turns' is discrete", CONTINUOUS),
        ("emow2v", annotation("arousal", "arousal", role="x"), "the database has no role 'x'", ADD.format("Roles")),
        ("emow2v", annotation("arousal", "arousal", annotator=""), "no annotator is chosen", ADD.format("Annotators")),
        ("wav2vec2_sv", annotation("same_speaker", "who"), "the database has no scheme 'who'", ONE_CLASS),
        (
            "wav2vec2_sv",
            annotation("similarity", ""),
            "no scheme is chosen",
            "a continuous scheme (2 Hz, from -1 to 1)",
        ),
        ("wav2vec2_kws", annotation("keywords", "arousal"), "the scheme 'arousal' is continuous", CLASSES),
        ("wav2vec2_kws", annotation("words", ""), "no scheme is chosen", "it needs a free scheme"),
        ("emow2v", stream("embedding", ""), "output 'embedding': no name is given", "type one"),
    ],
)
def test_what_must_exist_first(
    nova: Nova, small_emow2v: Path, speaker_model: Path, voices: np.ndarray, module: str, output: Entry, fault: str,
    remedy: str,
) -> None:  # fmt: skip
    nova.record("monday", voices)
    models = {"emow2v": small_emow2v, "wav2vec2_sv": speaker_model, "wav2vec2_kws": SPELLER}
    printed = nova.run(module, [AUDIO, output], {"model": str(models[module])})
    [line] = [line for line in printed.splitlines() if "Processor exited with error: 'monday: output" in line]
    assert f"{fault}; " in line
    assert remedy in line
    assert "ended with 1" in printed


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 100)])
def test_scores_are_brought_to_the_range_of_the_scheme(
    nova: Nova, small_emow2v: Path, voices: np.ndarray, low: float, high: float
) -> None:
    nova.record("monday", voices[: 2 * RATE])
    nova.tables["Schemes"].update_one({"name": "arousal"}, {"$set": {"min": low, "max": high}})
    printed = nova.run("emow2v", [AUDIO, annotation("arousal", "arousal")], {"model": str(small_emow2v)})
    scores = novaspeech.load("emow2v", model=str(small_emow2v))((voices[: 2 * RATE], RATE), ["arousal"])["arousal"]
    found = [row["score"] for row in nova.rows("arousal")]
    np.testing.assert_allclose(found, low + np.asarray(scores) * (high - low), rtol=1e-5)
    assert (f"scores from 0 to 1 are stored as {low} to {high}, the range of" in printed) == ((low, high) != (0, 1))


@pytest.mark.parametrize("changed", [{"sr": 0}, {"min": 1, "max": 1}])
def test_a_scheme_that_can_hold_no_scores(nova: Nova, small_emow2v: Path, changed: Entry, voices: np.ndarray) -> None:
    nova.record("monday", voices)
    nova.tables["Schemes"].update_one({"name": "arousal"}, {"$set": changed})
    printed = nova.run("emow2v", [AUDIO, annotation("arousal", "arousal")], {"model": str(small_emow2v)})
    assert "it needs a continuous scheme (25 Hz, from 0 to 1): mend it under Schemes in" in printed
    assert "ended with 1" in printed


def test_a_second_run_replaces_and_a_locked_annotation_stays(nova: Nova) -> None:
    options = {"model": str(SPELLER), "keywords": "money"}
    for words, count in (["money", "river"], 1), (["money", "river", "money"], 2):
        nova.record("monday", say(words)[0])
        assert "ended with" not in nova.run("wav2vec2_kws", [AUDIO, annotation("keywords", "one")], options)
        assert len(nova.rows("one")) == count
    nova.tables["Annotations"].update_one({}, {"$set": {"isLocked": True}})
    nova.record("monday", say(["river"])[0])
    printed = nova.run("wav2vec2_kws", [AUDIO, annotation("keywords", "one")], options)
    assert "scheme 'one', role 'room' and annotator 'machine' is locked in session 'monday'; unlock it" in printed
    assert "windows" not in printed.split("Processing session")[1]  # nothing was computed for it
    assert len(nova.rows("one")) == 2


def test_an_annotation_that_the_database_could_not_store(nova: Nova, small_emow2v: Path, voices: np.ndarray) -> None:
    label = {"score": 0.5, "conf": 1.0}  # as the host writes it
    assert len(bson.encode({"labels": [label] * MOST_SCORES})) < 2**24 < len(bson.encode({"labels": [label] * 403_000}))
    nova.record("monday", voices)
    nova.tables["Sessions"].update_one({"name": "monday"}, {"$set": {"duration": 5 * 3600}})
    printed = nova.run("emow2v", [AUDIO, annotation("arousal", "arousal")], {"model": str(small_emow2v)})
    assert "output 'arousal': 450000 scores at the 25 Hz of its scheme; the database holds 400000" in printed
    assert "at most, 4.4 h: choose one with a lower rate, or set end" in printed
    assert "ended with" not in nova.run(
        "emow2v", [AUDIO, annotation("arousal", "arousal")], {"model": str(small_emow2v)}, end="2s"
    )


def test_the_classes_of_the_scheme_are_the_keywords(nova: Nova) -> None:
    samples, words = say(["river", "money", "summer", "money"])
    nova.record("monday", samples)
    printed = nova.run(
        "wav2vec2_kws", [AUDIO, annotation("keywords", "spotted")], {"model": str(SPELLER), "keywords": ""}
    )
    assert "monday: the keywords are the scheme's classes: Thank_You, money" in printed
    spans = [(one.start / RATE, one.end / RATE) for one in words if one.word == "money"]
    assert [row["id"] for row in nova.rows("spotted")] == [1, 1]
    np.testing.assert_allclose([(row["from"], row["to"]) for row in nova.rows("spotted")], spans, atol=0.08)


def test_a_class_that_cannot_be_spelt_is_named(nova: Nova) -> None:
    nova.record("monday", say(["river"])[0])
    nova.tables["Schemes"].insert_one({"name": "odd", "type": "DISCRETE", "labels": [{"id": 0, "name": "911"}]})
    printed = nova.run("wav2vec2_kws", [AUDIO, annotation("keywords", "odd")], {"model": str(SPELLER)})
    assert "keyword '911' has '1', '9', which the model does not write" in printed


def test_a_session_longer_than_its_audio(nova: Nova, small_emow2v: Path, voices: np.ndarray) -> None:
    recording = nova.record("monday", voices)
    nova.tables["Sessions"].update_one({"name": "monday"}, {"$set": {"duration": 20}})
    nova.tables["Schemes"].update_one({"name": "arousal"}, {"$set": {"sr": 10}})
    outputs = [stream("embedding", "e"), annotation("arousal", "arousal")]
    printed = nova.run("emow2v", [AUDIO, *outputs], {"model": str(small_emow2v)})
    assert "monday: 150 of 500 windows have no usable audio" in printed
    by_python = novaspeech.load("emow2v", model=str(small_emow2v))(recording, ["arousal", "embedding"])
    found = FileHandler().load(recording.with_name("room.e.stream")).data
    np.testing.assert_array_equal(found[:350], by_python["embedding"])
    assert len(found) == 500  # 20 s, as the database says
    assert not found[350:].any()
    # Brought to the scheme's 10 Hz by the host.
    rows, expected = nova.rows("arousal"), np.asarray(by_python["arousal"])
    assert [row["conf"] for row in rows[::20]] == [1, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    scores = [row["score"] for row in rows]
    np.testing.assert_allclose(
        scores[:139], np.interp(np.linspace(0, 499, 200)[:139], np.arange(350), expected), atol=1e-5
    )
    assert np.isnan(scores[141:]).all()


def test_formats_and_leftovers_that_the_hosts_own_handler_refuses(
    nova: Nova, small_emow2v: Path, voices: np.ndarray
) -> None:
    recording = nova.record("monday", voices[: 2 * RATE]).with_suffix(".flac")
    soundfile.write(recording, voices[: 2 * RATE], RATE)
    recording.with_suffix(".wav").unlink()
    nova.tables["Streams"].update_one({"name": "audio"}, {"$set": {"fileExt": "flac"}})
    nova.tables["Streams"].insert_one({"name": "e", "fileExt": "stream"})
    recording.with_name("room.e.stream").write_text("<stream><info")  # as if killed while writing
    assert "ended with" not in nova.run("emow2v", [AUDIO, stream("embedding", "e")], {"model": str(small_emow2v)})
    assert FileHandler().load(recording.with_name("room.e.stream")).data.any(axis=1).sum() == 50


def test_classes_are_those_of_the_scheme(nova: Nova, speaker_model: Path, voices: np.ndarray) -> None:
    nova.record("monday", voices)
    options = {"model": str(speaker_model), "threshold": -1, "reference": "from=0, to=5s"}
    for labels, said in (
        ({0: "other"}, "its scheme has no class 'same_speaker', only 'other'; add it"),
        ({1: "other", 2: "Same-Speaker"}, "has the id 2, which the server keeps for REST; number the scheme's"),
        ({0: "other", 1: "Same-Speaker"}, "segments of the same speaker"),
    ):
        classes = [{"id": number, "name": name, "color": "#0"} for number, name in labels.items()]
        nova.tables["Schemes"].update_one({"name": "turns"}, {"$set": {"labels": classes}})
        assert said in nova.run("wav2vec2_sv", [AUDIO, annotation("same_speaker", "turns")], options)
    assert [(row["from"], row["to"], row["id"]) for row in nova.rows("turns")] == [(0.0, 14.0, 1)]


def test_without_keywords_and_without_a_scheme(nova: Nova) -> None:
    nova.record("monday", say(["river"])[0])
    score = annotation("score", "arousal")
    printed = nova.run("wav2vec2_kws", [AUDIO, score], {"model": str(SPELLER)})
    assert "option 'keywords' is empty, and no scheme is chosen whose classes could be the keywords" in printed


TRANSCRIPT = {"src": "db:annotation", "type": "input", "id": "transcript", "scheme": "notes", "role": "room"}
SAID = ["river", "money", "summer"]


@pytest.mark.parametrize("place", ["", "talk.txt", "{data}/talk.srt"])
def test_a_transcript_gets_its_times(nova: Nova, place: str) -> None:
    samples, words = say(SAID)
    talk = nova.record("monday", samples)
    talk.with_name("talk.txt").write_text("River! Money;\n“Summer”")
    (nova.data / "talk.srt").write_text("1\n00:00:00,000 --> 00:00:09,000\nRiver! Money;\n“Summer”\n")
    rows = [{"from": 2.0, "to": 3.0, "name": "“Summer”"}, {"from": 0.0, "to": 1.0, "name": "River! Money;"}]
    nova.annotate("monday", "notes", "anna", rows)
    data = [AUDIO, TRANSCRIPT | {"annotator": "anna", "active": True}, annotation("alignment", "notes")]
    printed = nova.run("wav2vec2_kws", data, {"model": str(SPELLER), "transcript": place.format(data=nova.data)})
    assert "ended with" not in printed, printed
    assert [row["name"] for row in nova.rows("notes")] == ["River!", "Money;", "“Summer”"]
    spans = [(one.start / RATE, one.end / RATE) for one in words]
    np.testing.assert_allclose([(row["from"], row["to"]) for row in nova.rows("notes")], spans, atol=0.06)


def test_a_transcript_is_not_replaced_by_its_alignment(nova: Nova) -> None:
    """NOVA may choose the same scheme and annotator for both; what nobody reads may be replaced."""
    nova.record("monday", say(SAID)[0])
    nova.annotate("monday", "notes", "machine", [{"from": 0.0, "to": 1.0, "name": "river"}])
    transcript = TRANSCRIPT | {"annotator": "machine"}
    printed = nova.run("wav2vec2_kws", [AUDIO, transcript, annotation("alignment", "notes")], {"model": str(SPELLER)})
    assert "output 'alignment' would replace input 'transcript' (scheme notes, role room, annotator machine)" in printed
    assert [row["name"] for row in nova.rows("notes")] == ["river"]
    printed = nova.run("wav2vec2_kws", [AUDIO, transcript, annotation("words", "notes")], {"model": str(SPELLER)})
    assert "ended with" not in printed
    assert [row["name"] for row in nova.rows("notes")] == ["RIVER", "MONEY", "SUMMER"]


@pytest.mark.parametrize(
    ("place", "entry", "message"),
    [
        ("", {}, "input 'transcript': no annotator is chosen; or name a file in 'transcript'"),
        ("", {"scheme": "", "annotator": "anna"}, "input 'transcript': no scheme is chosen"),
        ("", {"annotator": "anna"}, "input 'transcript': the database has no annotation with scheme 'notes'"),
        ("talk.txt", {}, "option 'transcript': talk.txt is not below the server's data folder"),
        ("talk.doc", {}, "transcript {data}/talk.doc must end in .txt, "),
    ],
)
def test_a_transcript_that_is_not_there(nova: Nova, place: str, entry: Entry, message: str) -> None:
    nova.record("monday", say(SAID)[0])
    (nova.data / "talk.doc").write_text("river")
    options = {"model": str(SPELLER), "transcript": place}
    printed = nova.run("wav2vec2_kws", [AUDIO, TRANSCRIPT | entry, annotation("alignment", "notes")], options)
    assert message.format(data=nova.data) in printed
    assert "ended with 1" in printed
    assert "ended with" not in nova.run("wav2vec2_kws", [AUDIO, TRANSCRIPT | entry, stream("embeddings", "x")], options)
