"""A reference or an example without a stream in every session: option, labels, times; by du-process and mongomock."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile

import novaspeech
from novaspeech.arrays import FloatArray
from novaspeech.audio.soundfile_source import SoundfileSource
from tests.conftest import SPELLER
from tests.novaspeech.server.conftest import AUDIO, DATASET, SESSIONS, Nova, annotation, stream
from tests.wav2vec2_kws.conftest import RATE, say


def similarity(model: Path, recording: np.ndarray, reference: np.ndarray) -> np.ndarray:
    loaded = novaspeech.load("wav2vec2_sv", model=str(model))
    result = loaded((recording, RATE), ["similarity"], inputs={"reference": (reference, RATE)})
    return np.asarray(result["similarity"])


SIMILARITY = [AUDIO, annotation("similarity", "similarity")]
# NOVA sends every input, whether it is wanted or not, and the trainer's default as its name.
REFERENCE = AUDIO | {"id": "reference", "name": "reference"}


def check_similarity(nova: Nova, model: Path, recording: np.ndarray, reference: np.ndarray, session: str) -> None:
    scores = [row["score"] for row in nova.rows("similarity", session)]
    np.testing.assert_allclose(scores, similarity(model, recording, reference), atol=1e-6)


@pytest.mark.parametrize(
    ("place", "span"),
    [
        ("anna.wav", (0, 14)),
        ("{data}/lessons/anna.wav", (0, 14)),
        ("label=teacher, scheme=turns, annotator=anna", (2, 7)),
        ("label=TEACHER,scheme=turns,role=room,session=monday", (2, 7)),
        ("label=the teacher!, scheme=notes, annotator=ben", (1, 5)),
        ("from=3s, to=8.5s", (3, 8.5)),
        ("session=monday, from=9000ms", (9, 14)),
    ],
)
def test_a_reference_without_a_stream(
    nova: Nova, speaker_model: Path, voices: np.ndarray, place: str, span: tuple[float, float]
) -> None:
    nova.record("monday", voices)
    soundfile.write(nova.data / DATASET / "anna.wav", voices, RATE, subtype="FLOAT")
    turns = [{"from": 2.0, "to": 4.0, "id": 0}, {"from": 4.0, "to": 7.0, "id": 0}, {"from": 7.0, "to": 9.0, "id": 1}]
    nova.annotate("monday", "turns", "anna", turns)
    nova.annotate("monday", "notes", "ben", [{"from": 1.0, "to": 5.0, "name": "The teacher!"}])
    options = {"model": str(speaker_model), "reference": place.format(data=nova.data)}
    printed = nova.run("wav2vec2_sv", [REFERENCE, *SIMILARITY], options)
    assert "ended with" not in printed, printed
    reference = voices[int(span[0] * RATE) : int(span[1] * RATE)]
    check_similarity(nova, speaker_model, voices, reference, "monday")


def test_labels_of_one_session_find_her_in_the_others(nova: Nova, speaker_model: Path, voices: np.ndarray) -> None:
    nova.record("monday", voices)
    nova.record("tuesday", voices[::-1].copy())
    nova.annotate("monday", "turns", "anna", [{"from": 2.0, "to": 7.0, "id": 0}])
    options = {"model": str(speaker_model), "reference": "label=teacher, scheme=turns, session=monday"}
    assert "ended with" not in nova.run("wav2vec2_sv", [REFERENCE, *SIMILARITY], options, sessions=SESSIONS)
    for session, recording in zip(SESSIONS, (voices, voices[::-1].copy()), strict=True):
        check_similarity(nova, speaker_model, recording, voices[2 * RATE : 7 * RATE], session)


def test_a_part_of_the_recording_itself_is_not_decoded_again(
    nova: Nova, speaker_model: Path, voices: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    nova.record("monday", voices)
    decoded: list[SoundfileSource] = []
    read = SoundfileSource.blocks

    def noted(self: SoundfileSource) -> Iterator[FloatArray]:
        decoded.append(self)
        return read(self)

    monkeypatch.setattr(SoundfileSource, "blocks", noted)
    options = {"model": str(speaker_model), "reference": "from=3s, to=8s"}
    assert "ended with" not in nova.run("wav2vec2_sv", SIMILARITY, options)
    assert len(decoded) == 1
    nova.run("wav2vec2_sv", SIMILARITY, options | {"channel": 1})  # what else is heard is mixed
    assert len(decoded) == 3


def test_other_streams_can_be_listened_to(nova: Nova, speaker_model: Path, voices: np.ndarray) -> None:
    nova.record("monday", voices)
    nova.record("tuesday", voices[::-1].copy(), "teacher.audio")
    options = {"model": str(speaker_model), "reference": "session=tuesday, role=teacher, from=0, to=5s"}
    assert "ended with" not in nova.run("wav2vec2_sv", SIMILARITY, options)
    check_similarity(nova, speaker_model, voices, voices[::-1][: 5 * RATE], "monday")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("", "input 'reference': the database has no stream 'reference' in dataset 'lessons'; choose a stream for it"),
        ("nobody.wav", "option 'reference': nobody.wav is not below the server's data folder"),
        ("{data}/../secret.wav", "is not below the server's data folder"),
        ("../../secret.wav", "is not below the server's data folder"),
        ("label=teacher", "with label= a scheme= is needed"),
        ("label=, scheme=turns", "option 'reference' has label= without a value"),
        ("from=1s, from=2s", "option 'reference' has from= twice"),
        ("scheme=turns", "write a file on the server; label="),
        ("from=soon, to=4s", "option 'reference': from 'soon' is no time"),
        ("from=5s, to=4s", "from 5000 ms to 4000 ms is no time; from must be before to"),
        ("from=50s, to=60s", "room.audio.wav has 14000 ms of audio, and nothing from 50000 to 60000 ms"),
        ("from=1s, to=2s", "has 1000 ms; to know a speaker by, 3000 ms are needed"),
        ("session=../monday, from=1s", "option 'reference': '../monday' is no name of a session"),
        ("session=friday, from=1s", "room.audio.wav does not exist"),
        ("label=teacher, scheme=turns", "2 annotations of scheme 'turns' and role 'room'; say whose: annotator=anna"),
        ("label=teacher, scheme=notes", "session 'monday' has no annotations of scheme 'notes'"),
        ("label=teacher, scheme=turns, annotator=machine", "the database has no annotation with scheme 'turns'"),
        ("label=parent, scheme=turns, annotator=anna", "labels nothing 'parent'; its labels are: 'Teacher'"),
        ("label=x, scheme=similarity, annotator=anna", "is continuous; one with segments is needed"),
    ],
)  # fmt: skip
def test_a_reference_that_is_not_there(
    nova: Nova, speaker_model: Path, voices: np.ndarray, place: str, message: str
) -> None:
    nova.record("monday", voices)
    (nova.data.parent / "secret.wav").write_bytes((nova.data / DATASET / "monday" / "room.audio.wav").read_bytes())
    for annotator in ("anna", "ben"):
        nova.annotate("monday", "turns", annotator, [{"from": 2.0, "to": 7.0, "id": 0}])
    nova.annotate("monday", "similarity", "anna", [{"score": 0.5}])
    options = {"model": str(speaker_model), "reference": place.format(data=nova.data)}
    printed = nova.run("wav2vec2_sv", [REFERENCE, *SIMILARITY], options)
    assert message in printed
    assert "ended with 1" in printed
    assert not nova.rows("similarity")


def test_a_file_elsewhere_if_the_person_at_the_server_allowed_it(
    nova: Nova, speaker_model: Path, voices: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nova.record("monday", voices)
    (tmp_path / "voices").mkdir()
    soundfile.write(tmp_path / "voices" / "anna.wav", voices[: 5 * RATE], RATE)
    options = {"model": str(speaker_model), "reference": str(tmp_path / "voices" / "anna.wav")}
    for allowed, ends in (
        (None, True),
        (str(tmp_path / "other"), True),
        (str(tmp_path / "voices"), False),
        ("any", False),
    ):
        if allowed is not None:
            monkeypatch.setenv("NOVASPEECH_FILES", allowed)
        assert ("ended with 1" in nova.run("wav2vec2_sv", SIMILARITY, options)) is ends


def test_the_recording_itself_is_no_reference(nova: Nova, speaker_model: Path, voices: np.ndarray) -> None:
    nova.record("monday", voices)
    printed = nova.run("wav2vec2_sv", [REFERENCE | {"name": "audio"}, *SIMILARITY], {"model": str(speaker_model)})
    assert "input 'reference' is the recording itself; choose a stream for it, or say in the option" in printed


def test_inputs_that_nobody_needs_are_not_looked_at(nova: Nova, speaker_model: Path, voices: np.ndarray) -> None:
    nova.record("monday", voices)
    nova.tables["Streams"].insert_one({"name": "broken", "fileExt": "wav"})
    (nova.data / DATASET / "monday" / "room.broken.wav").write_bytes(b"no audio")
    for name in ("reference", "broken", ""):
        data = [AUDIO, REFERENCE | {"name": name}, stream("embeddings", "voices")]
        assert "ended with" not in nova.run("wav2vec2_sv", data, {"model": str(speaker_model)})
    assert (nova.data / DATASET / "monday" / "room.voices.stream").is_file()


@pytest.mark.parametrize(
    ("place", "options"),
    [
        ("money.wav", {}),
        ("label=money, scheme=notes, annotator=anna", {}),
        ("from=500ms, to=1.2s", {"keywords": "money"}),
    ],
)
def test_an_example_without_a_stream(nova: Nova, place: str, options: Mapping[str, str]) -> None:
    samples, words = say(["river", "money", "summer", "doctor", "money"], gap=0.4)
    nova.record("monday", samples)
    spans = [(one.start / RATE, one.end / RATE) for one in words if one.word == "money"]
    soundfile.write(nova.data / "money.wav", samples[int(spans[0][0] * RATE) : int(spans[0][1] * RATE)], RATE)
    labels = [{"from": start, "to": end, "name": "Money"} for start, end in spans]
    nova.annotate("monday", "notes", "anna", labels)
    if place.startswith("from"):
        place = f"from={spans[0][0]:.3f}s, to={spans[0][1]:.3f}s"
    data = [AUDIO, AUDIO | {"id": "keyword", "name": "keyword"}, annotation("keywords", "one")]
    printed = nova.run("wav2vec2_kws", data, {"model": str(SPELLER), "method": "example", "example": place, **options})
    assert "ended with" not in printed, printed
    found = [(row["from"], row["to"]) for row in nova.rows("one")]
    np.testing.assert_allclose(found, spans, atol=0.08)
