import itertools
import json
import shutil
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.errors import WeightsError
from novaspeech.inference.engine import Inference
from novaspeech.segments import Segment
from tests.conftest import SPELLER
from tests.wav2vec2_kws.conftest import FRAME_SECONDS, cut_blocks, recording, say
from training.letters import VOCABULARY
from wav2vec2_kws.align import anchors, trellis
from wav2vec2_kws.align.aligner import Aligner, spell_word
from wav2vec2_kws.align.trellis import Costs, Graph
from wav2vec2_kws.encoder import LETTERS, KeywordEncoder
from wav2vec2_kws.hits import Hit
from wav2vec2_kws.scan import Timeline, scan
from wav2vec2_kws.standin import ALPHABET

SPEECH = ["money", "children", "always", "letter", "summer", "question", "river", "music", "doctor", "water"]


def letters_of(text: str, probability: float = 0.9, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Log-probabilities (F, V) whose best path is a text of the alphabet's letters, "_" for the blank."""
    ids = [0 if letter == "_" else ALPHABET.index(letter) for letter in text]
    values = np.full((len(ids), len(ALPHABET)), np.log((1 - probability) / (len(ALPHABET) - 1)), np.float32)
    values[np.arange(len(ids)), ids] = np.log(probability)
    return values + np.random.default_rng(seed).normal(0, noise, values.shape).astype(np.float32)


def align(audio: Recording, words: Sequence[str], inference: Inference) -> list[Segment]:
    """Segments of a transcript's words in a whole recording."""
    encoder = inference.encoder
    assert isinstance(encoder, KeywordEncoder)
    grid = WindowGrid.fit(40, 40, 0, 0, audio.duration_ms)
    aligner = Aligner(words, encoder.vocabulary, encoder.frame_seconds, inference.log, encoder.costs)
    scan(audio, grid, inference, [aligner], threshold=1.0)
    return list(map(Timeline(grid, encoder).segment, aligner.finish()))


def spread(words: Sequence[str], silence: str = "||") -> str:
    """A best path that says these words, two frames a letter."""
    spelt = ("".join(a + a + "_" * (a == b) for a, b in zip(word, [*word[1:], ""], strict=True)) for word in words)
    return silence + silence.join(word.upper() for word in spelt) + silence


def aligned(
    letters: np.ndarray,
    words: Sequence[str],
    edges: Sequence[int] = (),
    bad: Sequence[int] = (),
    log: Callable[[str], None] = lambda line: None,
) -> list[Hit]:
    aligner = Aligner(words, VOCABULARY, FRAME_SECONDS, log, Costs())
    for block in cut_blocks(LETTERS, letters, edges, bad):
        assert list(aligner.add(block)) == []
    hits = aligner.finish()
    assert [hit.name for hit in hits] == list(words)
    assert all(one.end <= following.start for one, following in itertools.pairwise(hits))
    assert all(0 <= hit.start <= hit.end <= len(letters) and 0 <= hit.score <= 1 for hit in hits)
    return hits


def places(hits: Sequence[Hit]) -> list[tuple[str, int, int]]:
    return [(hit.name, hit.start, hit.end) for hit in hits]


@pytest.mark.parametrize("block", [1, 7, 50])
def test_a_path_in_blocks_is_that_of_one_block(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = letters_of(spread(SPEECH), 0.3, 0.7)
    words = [*SPEECH[:3], "wrong", *SPEECH[4:7], "42", *SPEECH[8:]]
    expected = aligned(letters, words)
    monkeypatch.setattr(trellis, "BLOCK", block)
    assert aligned(letters, words) == expected


@pytest.mark.parametrize("sure", [2, 10_000])
def test_neither_pieces_nor_a_band_change_the_path(sure: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(5)
    said = [str(word) for word in generator.choice(SPEECH, 300)]
    letters = letters_of(spread(said), 0.5, 0.6, seed=6)
    words = [word if generator.random() > 0.2 else "hospital" for word in said]
    words[100:110] = []
    words[200:200] = ["seven"] * 10
    monkeypatch.setattr(anchors, "SURE_WORDS", 10_000)
    expected = aligned(letters, words)
    cuts: list[int] = []
    monkeypatch.setattr("wav2vec2_kws.align.aligner.SHORTEST_PIECE", 1.0)
    monkeypatch.setattr(
        "wav2vec2_kws.align.aligner.band", lambda *given: cuts.append(given[-1]) or anchors.band(*given)
    )
    monkeypatch.setattr(anchors, "SURE_WORDS", sure)
    monkeypatch.setattr(anchors, "BAND", 600)
    monkeypatch.setattr(anchors, "CELLS", 0)
    found = aligned(letters, words)
    assert len(cuts) == 1 if sure > 2 else len(cuts) > 10
    assert len(Graph([spell_word(word, VOCABULARY) for word in words], VOCABULARY, len(ALPHABET)).ids) > 3000
    assert [hit for hit in found if hit.score] == [hit for hit in expected if hit.score]


def test_a_word_lasts_from_its_first_letter_to_its_last() -> None:
    hits = aligned(letters_of("__|_HH_E_LL_LL_OO__||__TT_HHEE_RE__|"), ["Hello,", "there!"])
    assert places(hits) == [("Hello,", 4, 17), ("there!", 23, 33)]
    assert [hit.score for hit in hits] == [1, 1]


def test_a_word_is_as_long_as_the_recognised_one_that_it_is_most_of() -> None:
    [hit] = aligned(letters_of("||MMOONNEEYYSS||"), ["money"])
    assert (hit.start, hit.end) == (2, 14)
    assert hit.score == pytest.approx(10 / 12)
    first, second = aligned(letters_of("||MMOONNEEYYYSSEEVVEENN||"), ["money", "seven"])
    assert first.start == 2
    assert first.end < second.start == 13
    assert second.end == 23


def test_an_exchanged_word_has_the_place_of_the_one_that_is_said() -> None:
    said = ["money", "river", "summer"]
    expected = aligned(letters_of(spread(said)), said)
    found = aligned(letters_of(spread(said)), ["money", "hospital", "summer"])
    assert places(found) == [
        (word, hit.start, hit.end) for word, hit in zip(["money", "hospital", "summer"], expected, strict=True)
    ]
    assert [hit.score for hit in found] == [1, 0, 1]


def test_words_that_the_transcript_lacks_or_adds() -> None:
    said = ["money", "river", "summer", "doctor"]
    expected = aligned(letters_of(spread(said)), said)
    lacking = aligned(letters_of(spread(said)), ["money", "doctor"])
    assert lacking == [expected[0], expected[3]]
    adding = aligned(letters_of(spread(said)), ["always", *said[:2], "music", *said[2:], "water"])
    assert [hit for hit in adding if hit.score] == expected
    assert adding[3].start >= expected[1].end
    assert adding[3].end <= expected[2].start


def test_long_passages_that_are_not_said_or_not_written() -> None:
    generator = np.random.default_rng(4)
    said = ["".join(generator.choice(list("etaonihsrd"), 6, replace=False)) for _ in range(400)]
    expected = aligned(letters_of(spread(said)), said)
    assert aligned(letters_of(spread(said)), [*said[:100], *said[250:]]) == [*expected[:100], *expected[250:]]
    adding = aligned(letters_of(spread([*said[:100], *said[250:]])), said)
    assert [hit.score for hit in adding] == [1] * 100 + [0] * 150 + [1] * 150


def test_no_word_is_spelt_over_a_gap_in_the_audio() -> None:
    letters = letters_of(spread(["money", "river", "summer"]))
    _, (_, start, end), _ = places(aligned(letters, ["money", "river", "summer"]))
    found = aligned(letters, ["money", "river", "summer"], bad=range(start, end))
    assert places(found)[1] == ("river", start, end)
    assert [hit.score for hit in found] == [1, 0, 1]
    found = aligned(letters, ["money", "river", "summer"], bad=range(len(letters)))
    assert [hit.score for hit in found] == [0, 0, 0]


@pytest.mark.parametrize("count", [1, 40, 5000])
def test_a_transcript_longer_than_the_audio(count: int) -> None:
    said = ["money", "river", "summer"]
    found = aligned(letters_of(spread(said)), [*said, *["tomorrow"] * count])
    assert found[:3] == aligned(letters_of(spread(said)), said)
    assert not any(hit.score for hit in found[3:])


def test_nothing_to_align() -> None:
    assert aligned(letters_of(spread(["money"])), []) == []
    aligner = Aligner(["money"], VOCABULARY, FRAME_SECONDS, print, Costs())
    assert aligner.finish() == [Hit("money", 0, 0, 0.0)]


def test_known_times(speller: KeywordEncoder) -> None:
    generator = np.random.default_rng(3)
    samples, spoken = say([str(word) for word in generator.choice(SPEECH, 45)])
    assert 25 < len(samples) / 16000 < 45
    log: list[str] = []
    words = [word.word.capitalize() for word in spoken]
    segments = align(recording(samples), words, Inference(speller, log=log.append))
    assert [segment.name for segment in segments] == words
    assert log == []
    truth = np.array([(word.start, word.end) for word in spoken]) / 16
    errors = np.abs(np.array([(one.start_ms, one.end_ms) for one in segments]) - truth)
    assert np.median(errors) < 20
    assert np.quantile(errors, 0.95) < 50
    assert all(segment.confidence > 0.3 for segment in segments)


def test_known_times_in_spite_of_wrong_words(speller: KeywordEncoder) -> None:
    samples, spoken = say(SPEECH)
    audio: Recording = recording(samples)
    words = [*SPEECH[:2], "1000", *SPEECH[3:6], *SPEECH[7:], "hospital"]
    segments = align(audio, words, Inference(speller, log=lambda line: None))
    truth = {word.word: (word.start / 16, word.end / 16) for word in spoken} | {
        "1000": (spoken[2].start / 16, spoken[2].end / 16)
    }
    for segment in segments[:-1]:
        assert (segment.start_ms, segment.end_ms) == pytest.approx(truth[segment.name], abs=60)
    assert [segment.name for segment in segments if segment.confidence == 0] == ["1000", "hospital"]


def test_a_model_says_what_it_costs_to_skip_a_word(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SPELLER, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    samples, _ = say(SPEECH)
    words = [*SPEECH[:4], "hospital", *SPEECH[4:]]
    for cost, skipped in (({}, ["hospital"]), ({"alignment_skip_cost": 1000}, [])):
        (folder / "config.json").write_text(json.dumps(config | cost))
        segments = align(recording(samples), words, Inference(KeywordEncoder(folder), log=lambda line: None))
        assert [segment.name for segment in segments] == words
        assert [segment.name for segment in segments if segment.confidence == 0] == skipped
    for said in (-1, "high"):
        (folder / "config.json").write_text(json.dumps(config | {"alignment_skip_cost": said}))
        with pytest.raises(WeightsError, match=f"alignment_skip_cost in its config.json is {said!r}; it must be a num"):
            KeywordEncoder(folder)


def test_a_model_that_hears_nothing_right_takes_little_memory() -> None:
    generator = np.random.default_rng(8)
    words = ["".join(generator.choice(list("etaonihsr"), 6)) for _ in range(900)]
    aligner = Aligner(words, VOCABULARY, FRAME_SECONDS, lambda line: None, Costs())
    count = 15_000  # 5 minutes
    for first in range(0, count, 1000):
        noise = generator.gumbel(size=(1000, len(ALPHABET))).astype(np.float32) * 3
        [block] = cut_blocks(LETTERS, noise - np.log(np.exp(noise).sum(axis=1, keepdims=True)))
        aligner.add(replace(block, first=first, last=first + 1000 == count))
    tracemalloc.start()
    hits = aligner.finish()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [hit.name for hit in hits] == words
    assert peak < 60e6
