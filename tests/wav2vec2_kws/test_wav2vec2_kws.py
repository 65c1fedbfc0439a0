import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from discover_utils.data.annotation import FreeAnnotation

from novaspeech.errors import NovaspeechError
from tests.conftest import SPELLER, Job
from tests.wav2vec2_kws.conftest import SENTENCE, TAKES, say
from tests.wav2vec2_kws.test_encoder import reference
from training.speech import Spoken

Run = Callable[..., Job]
Write = Callable[..., Path]
EDGE_WORDS = ["river", "always", "music", "summer", "children"]


def rows(job: Job, output: str = "keywords") -> list[tuple[Any, ...]]:
    assert job.code == 0, job.printed
    return [tuple(row) for row in job.load(output).data]


def times(spoken: list[Spoken], *words: str) -> list[tuple[float, float]]:
    return [(word.start / 16, word.end / 16) for word in spoken if word.word in words]


def test_words_and_keywords(run_kws: Run, talk: tuple[Path, list[Spoken]]) -> None:
    audio, spoken = talk
    job = run_kws(audio, {"keywords": "question, money"}, ("keywords", "words", "score"))
    found = rows(job)
    assert [row[2] for row in found] == [1, 0, 1]
    classes = job.load("keywords").annotation_scheme.classes
    assert {key: entry["name"] for key, entry in classes.items()} == {"0": "question", "1": "money"}
    for (start, end, _, confidence), (meant_start, meant_end) in zip(
        found, times(spoken, "question", "money"), strict=True
    ):
        assert (start, end) == (pytest.approx(meant_start, abs=60), pytest.approx(meant_end, abs=60))
        assert 0.5 <= confidence <= 1
    words = job.load("words")
    assert isinstance(words, FreeAnnotation)
    assert [str(word).lower() for word in words.data["name"]] == SENTENCE
    for row, word in zip(words.data, spoken, strict=True):
        assert (row["from"], row["to"]) == (
            pytest.approx(word.start / 16, abs=60),
            pytest.approx(word.end / 16, abs=60),
        )
        assert 0.3 < row["conf"] <= 1
    score = job.load("score")
    assert (score.annotation_scheme.sample_rate, score.annotation_scheme.max_val) == (25, 1)
    assert len(score.data) == len(soundfile.read(audio)[0]) // 640
    for start, end, _, confidence in found:
        inside = score.data["score"][start // 40 : -(-end // 40)]
        np.testing.assert_allclose(inside, confidence, rtol=1e-5)
    assert np.median(score.data["score"]) < 0.3


def test_a_misspelt_word_is_found_by_its_score_or_by_its_letters(run_kws: Run, talk: tuple[Path, list[Spoken]]) -> None:
    audio, spoken = talk
    [place] = times(spoken, "summer")
    exact = rows(run_kws(audio, {"keywords": "sumer", "threshold": 0.7}))
    edited = rows(run_kws(audio, {"keywords": "sumer", "threshold": 0.7, "tolerance": 1}, name="edited"))
    assert len(edited) == 1
    assert len(exact) <= 1
    assert edited[0][0] == pytest.approx(place[0], abs=60)
    [lower] = [row for row in rows(run_kws(audio, {"keywords": "sumer", "threshold": 0.2}, name="low")) if row[3] > 0.2]
    assert lower[0] == pytest.approx(place[0], abs=60)


def test_an_example(run_kws: Run, talk: tuple[Path, list[Spoken]], mono: Write) -> None:
    audio, spoken = talk
    example = mono("money.wav", TAKES["money", "en-us+m1"])
    job = run_kws(audio, {"method": "example"}, ("keywords", "score"), example)
    found = rows(job)
    assert job.load("keywords").annotation_scheme.classes["0"]["name"] == "money"
    for row, place in zip(found, times(spoken, "money"), strict=True):
        assert (row[0], row[1]) == (pytest.approx(place[0], abs=100), pytest.approx(place[1], abs=150))
    named = run_kws(audio, {"method": "example", "keywords": "cash"}, ("keywords",), example, name="named")
    assert named.load("keywords").annotation_scheme.classes["0"]["name"] == "cash"
    assert rows(named) == found


@pytest.mark.parametrize(
    ("frame", "left", "right", "stride"),
    [("40ms", "0ms", "0ms", "40ms"), ("1s", "0s", "0s", "250ms"), ("40ms", "480ms", "480ms", "40ms"),
     ("10ms", "0ms", "0ms", "10ms"), ("30ms", "0ms", "0ms", "70ms")],
)  # fmt: skip
def test_embeddings_are_means_of_transformers_hidden_states(
    run_kws: Run, talk: tuple[Path, list[Spoken]], frame: str, left: str, right: str, stride: str
) -> None:
    audio, _ = talk
    grid = {"frame_size": frame, "left_context": left, "right_context": right, "stride": stride}
    stream = run_kws(audio, {"layer": 1}, ("embeddings",), **grid).load()
    samples, _ = soundfile.read(audio, dtype="float32")
    hidden = reference(samples, SPELLER)[0][1]
    ms = {
        name: float(text.removesuffix("ms")) if "ms" in text else 1000 * float(text[:-1]) for name, text in grid.items()
    }
    assert stream.meta_data.sample_rate == pytest.approx(1000 / ms["stride"], abs=1e-3)
    assert stream.data.shape == (int(len(samples) / 16 // ms["stride"]), 192)
    centres = np.arange(len(hidden)) * 20 + 12.5
    for row, found in enumerate(stream.data):
        start = row * ms["stride"] - ms["left_context"]
        end = row * ms["stride"] + ms["frame_size"] + ms["right_context"]
        inside = (centres >= start) & (centres < end)
        if not inside.any():
            inside[np.abs(centres - (start + end) / 2).argmin()] = True
        np.testing.assert_allclose(found, hidden[inside].mean(axis=0), atol=2e-4 * np.abs(hidden).max())


def test_the_batch_size_changes_nothing(run_kws: Run, mono: Write) -> None:
    audio = mono("long.wav", say(([*EDGE_WORDS, "money"]) * 20)[0])
    jobs = [run_kws(audio, {"keywords": "money", "batch_size": size}, ("keywords", "embeddings"), name=f"by{size}")
            for size in (1, 250)]  # fmt: skip
    assert rows(jobs[0]) == rows(jobs[1])
    np.testing.assert_array_equal(jobs[0].load("embeddings").data, jobs[1].load("embeddings").data)


@pytest.mark.parametrize("method", ["words", "example", "embeddings"])
def test_audio_that_cannot_be_used_is_a_gap(run_kws: Run, mono: Write, method: str) -> None:
    samples, spoken = say(SENTENCE)
    money = spoken[2]
    middle = (money.start + money.end) // 2
    samples[middle - 400 : middle + 400] = np.nan
    audio, example = mono("bad.wav", samples), mono("money.wav", TAKES["money", "en-us+f1"])
    options = {"words": {"keywords": "money"}, "example": {"method": "example"}, "embeddings": {"keywords": "money"}}
    outputs = ("embeddings",) if method == "embeddings" else ("keywords", "score")
    job = run_kws(audio, options[method], outputs, example if method == "example" else None)
    assert job.code == 0
    assert "windows have no usable audio" in job.printed
    window = middle // 640
    if method == "embeddings":
        stream = job.load("embeddings").data
        assert not stream[window].any()
        assert stream.any(axis=1).sum() >= len(stream) - 4
        assert np.isfinite(stream).all()
    else:
        [row] = rows(job)
        assert row[0] == pytest.approx(spoken[-1].start / 16, abs=60)
        score = job.load("score").data
        assert np.isnan(score["score"][window])
        assert score["conf"][window] == 0


def test_silence_holds_nothing(run_kws: Run, mono: Write) -> None:
    audio = mono("silence.wav", np.zeros(16000 * 5, np.float32))
    job = run_kws(audio, {"keywords": "money, question"}, ("keywords", "words", "score", "embeddings"))
    assert rows(job) == []
    assert len(job.load("score").data) == 125
    assert np.isfinite(job.load("embeddings").data).all()


@pytest.mark.parametrize("samples", [320, 399])
def test_shorter_than_the_model_hears(run_kws: Run, mono: Write, samples: int) -> None:
    audio = mono("short.wav", np.ones(samples, np.float32))
    job = run_kws(audio, {"keywords": "money"}, frame_size="10ms", stride="10ms")
    assert job.code == 1
    assert f"short.wav has {samples // 16} ms; this model needs 25 ms" in job.printed
    assert not job.outputs["keywords"].exists()


def keyword_at(position: int, samples: int = 16000 * 60) -> np.ndarray:
    """A minute of other words with one "money" whose middle lies at a sample, and silence around it."""
    filler, _ = say(EDGE_WORDS * 30)
    signal = np.resize(filler, samples)
    sound = TAKES["money", "en-us+f1"]
    begin = position - len(sound) // 2
    signal[begin - 1600 : begin + len(sound) + 1600] = 0
    signal[begin : begin + len(sound)] = sound
    return signal


# Chunks begin every 24 s and give 24 s, from 3 s on: their seams are at 27 and 51 s.
SEAMS = [seconds + shift for seconds in (24, 27, 30, 48, 51, 54) for shift in (-0.2, 0, 0.2)]


@pytest.mark.parametrize("seconds", SEAMS)
def test_no_hit_is_lost_or_doubled_where_chunks_meet(run_kws: Run, mono: Write, seconds: float) -> None:
    audio = mono("long.wav", keyword_at(int(16000 * seconds)))
    example = mono("money.wav", TAKES["money", "en-us+f1"])
    length = len(TAKES["money", "en-us+f1"]) / 16
    for method, options, given in (
        ("words", {"keywords": "money"}, None), ("example", {"method": "example"}, example),
    ):  # fmt: skip
        [row] = rows(run_kws(audio, options, ("keywords",), given, name=method))
        assert (row[0] + row[1]) / 2 == pytest.approx(1000 * seconds, abs=60)
        assert row[1] - row[0] == pytest.approx(length, abs=80)


def test_nothing_is_found_after_the_requests_end(run_kws: Run, talk: tuple[Path, list[Spoken]], mono: Write) -> None:
    audio, spoken = talk
    end = spoken[3].start // 16 + 150  # within "river", before the second "money"
    job = run_kws(audio, {"keywords": "money"}, ("keywords", "words", "embeddings"), end=f"{end}ms")
    assert len(rows(job)) == 1
    words = job.load("words").data
    assert [str(word) for word in words["name"]][:3] == ["DOCTOR", "ALWAYS", "MONEY"]
    assert words["to"].max() <= end + 20
    assert len(job.load("embeddings").data) == end // 40
    long = mono("long.wav", keyword_at(16000 * 50))
    assert rows(run_kws(long, {"keywords": "money"}, name="before", end="49s")) == []
    assert len(rows(run_kws(long, {"keywords": "money"}, name="after", end="51s"))) == 1


@pytest.mark.parametrize("filler", [0.0, np.nan])
def test_a_phrase_is_said_in_one_go(run_kws: Run, mono: Write, filler: float) -> None:
    pair, _ = say(["always", "children"])
    apart = [say([word])[0] for word in ("always", "children")]
    gap = np.full(16000 * 5, filler, np.float32)
    for name, samples, count in (("near", pair, 1), ("far", np.concatenate([apart[0], gap, apart[1]]), 0)):
        found = rows(run_kws(mono(f"{name}.wav", samples), {"keywords": "always children"}, name=name))
        assert len(found) == count


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"keywords": "naïve"}, "keyword 'naïve' has 'ï', which the model does not write; .* 'naive' would do"),
        ({"keywords": "money,,"}, "keywords 'money,,' hold an empty one"),
        ({"method": "ear"}, "option 'method' is 'ear'; it must be one of words, example, classifier"),
        ({"threshold": 2}, "option 'threshold' is 2; it must be a number from 0 to 1"),
        ({"tolerance": 9}, "option 'tolerance' is 9; it must be a whole number from 0 to 3"),
        ({"keywords": "money", "layer": 7}, "option 'layer' is 7; this model has the layers 0 to 3"),
        ({"classifier": "x.skops"}, "option 'classifier' is for method=classifier, which is 'words' here"),
        (
            {"method": "classifier"},
            "method=classifier needs what `novaspeech train-keywords` wrote: write FILE in the option",
        ),
        ({"method": "classifier", "classifier": "x", "keywords": "a"}, "'keywords' is not for method=classifier"),
        ({"method": "classifier", "classifier": "x.skops"}, "there is no classifier 'x.skops'"),
        ({"method": "example", "keywords": "a, b"}, "of method=example it is the one keyword's name"),
        ({"keywords": "e mail, E_Mail"}, "hold 'e mail' twice; name each once"),
    ],
)
def test_wrong_options(run_kws: Run, talk: tuple[Path, list[Spoken]], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(NovaspeechError, match=sentence):
        run_kws(talk[0], options)


def test_wrong_requests(run_kws: Run, talk: tuple[Path, list[Spoken]], mono: Write) -> None:
    audio, _ = talk
    for options, outputs, example, sentence in (
        ({}, ("keywords",), None, "option 'keywords' is empty, and no scheme is chosen"),
        ({"method": "example"}, ("words",), audio, "output 'words' comes with method=words only"),
        ({"method": "example"}, ("keywords",), None, "the request needs an audio input with the id 'keyword'"),
        ({"method": "example"}, ("score",), mono("s.wav", np.zeros(8000)), "s.wav is silent; an example must hold"),
        (
            {"method": "example"},
            ("score",),
            mono("l.wav", say([*SENTENCE, "river"])[0]),
            "talk.wav has .* the example 'l' .* of speech, which is longer",
        ),
    ):
        job = run_kws(audio, options, outputs, example)
        assert job.code == 1
        [line] = [line for line in job.printed.splitlines() if "Processor exited with error" in line]
        assert re.search(sentence, line), line
        assert not any(file.exists() for file in job.outputs.values())
