import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from transformers import Wav2Vec2CTCTokenizer

from novaspeech.audio.grid import WindowGrid
from novaspeech.errors import OptionError
from novaspeech.inference.pooling import FrameBlock
from tests.conftest import SPELLER
from tests.wav2vec2_kws.conftest import FRAME_SECONDS, cut_blocks, hits_in
from wav2vec2_kws.encoder import LETTERS, KeywordEncoder
from wav2vec2_kws.hits import Hit, best_hits, strongest
from wav2vec2_kws.scan import Scan, Timeline
from wav2vec2_kws.search.spelling import WordDetector
from wav2vec2_kws.standin import ALPHABET
from wav2vec2_kws.vocabulary import Vocabulary
from wav2vec2_kws.words import WordDecoder

TOKENIZER = Wav2Vec2CTCTokenizer.from_pretrained(SPELLER)
VOCABULARY = Vocabulary.of(TOKENIZER, len(ALPHABET))


def best_path(text: str, probability: float = 0.9) -> np.ndarray:
    """Log-probabilities (F, V) whose best path is a text of the alphabet's letters, "_" for the blank."""
    ids = [0 if letter == "_" else ALPHABET.index(letter) for letter in text]
    values = np.full((len(ids), len(ALPHABET)), (1 - probability) / (len(ALPHABET) - 1), np.float32)
    values[np.arange(len(ids)), ids] = probability
    return np.log(values)


def decode(blocks: Sequence[FrameBlock]) -> list[Hit]:
    return hits_in(blocks, WordDecoder(VOCABULARY))


def by_transformers(letters: np.ndarray) -> list[tuple[str, int, int]]:
    offsets = TOKENIZER.decode(letters.argmax(axis=1), output_word_offsets=True).word_offsets
    return [(str(one["word"]), int(one["start_offset"]), int(one["end_offset"])) for one in offsets]


@pytest.mark.parametrize("seed", range(8))
def test_random_paths_give_transformers_words_and_offsets(seed: int) -> None:
    generator = np.random.default_rng(seed)
    # Blank, delimiter and three letters, each for one to three frames.
    ids = np.repeat(generator.choice([0, 4, 5, 6, 7], 200, p=[0.3, 0.1, 0.2, 0.2, 0.2]), generator.integers(1, 4, 200))
    letters = np.full((len(ids), len(ALPHABET)), -9.0, np.float32)
    letters[np.arange(len(ids)), ids] = -0.1
    expected = by_transformers(letters)
    assert len(expected) > 5
    for edges in ((), (1, 2, 50, 51), tuple(range(1, len(ids)))):
        found = decode(cut_blocks(LETTERS, letters, edges))
        assert [(word.name, word.start, word.end) for word in found] == expected


def test_a_letter_said_twice_has_a_blank_between() -> None:
    found = decode(cut_blocks(LETTERS, best_path("__LLEE_TT_TE_R_|_NOON||NO_ON")))
    assert [(word.name, word.start, word.end) for word in found] == [
        ("LETTER", 2, 14),
        ("NON", 17, 21),
        ("NOON", 23, 28),
    ]


def test_confidence_is_the_mean_probability_of_the_words_frames() -> None:
    letters = np.concatenate([best_path("__|", 0.5), best_path("CA_T", 0.9), best_path("__|", 0.4)])
    [word] = decode(cut_blocks(LETTERS, letters))
    assert word.score == pytest.approx(0.9)


def test_unusable_frames_part_words() -> None:
    found = decode(cut_blocks(LETTERS, best_path("CCAATT"), bad=[2]))
    assert [(word.name, word.start, word.end) for word in found] == [("C", 0, 2), ("AT", 3, 6)]


def words(text: str) -> list[Hit]:
    return [Hit(word, 10 * place, 10 * place + 8, 0.9) for place, word in enumerate(text.split())]


def matches(text: str, keywords: dict[str, str], tolerance: int) -> list[tuple[str, int, int, float]]:
    matcher = WordDetector(keywords, tolerance, VOCABULARY, FRAME_SECONDS)
    hits = [hit for word in words(text) for hit in matcher.match(word)]
    return [(hit.name, hit.start, hit.end, round(hit.score, 3)) for hit in hits]


def test_recognised_words_within_some_edits() -> None:
    assert matches("THE MONEY", {"money": "MONEY"}, 0) == [("money", 10, 18, 0.9)]
    assert matches("THE MUNEY", {"money": "MONEY"}, 0) == []
    assert matches("THE MUNEY", {"money": "MONEY"}, 1) == [("money", 10, 18, 0.72)]
    assert matches("THE MUNY", {"money": "MONEY"}, 1) == []
    assert matches("THE MUNY MONEYS", {"money": "MONEY"}, 2) == [("money", 10, 18, 0.54), ("money", 20, 28, 0.72)]


def test_a_short_keyword_keeps_a_letter_at_any_tolerance() -> None:
    assert matches("A NO I", {"no": "NO"}, 3) == [("no", 10, 18, 0.9)]
    assert matches("A GO I", {"no": "NO"}, 3) == [("no", 10, 18, 0.45)]


def test_a_phrase_is_several_words() -> None:
    assert matches("OH THANK YOU", {"thank you": "THANK YOU"}, 0) == [("thank you", 10, 28, 0.9)]
    assert matches("THANKYOU YOU THANK", {"thank you": "THANK YOU"}, 0) == []


@pytest.mark.parametrize("seed", range(20))
def test_hits_compete_as_if_each_were_held_against_all(seed: int) -> None:
    generator = np.random.default_rng(seed)
    hits = [Hit(str(number), start, start + length, score) for number, (start, length, score) in enumerate(zip(
        generator.integers(0, 200, 60).tolist(), generator.integers(1, 40, 60).tolist(), generator.random(60).tolist(),
        strict=True,
    ))]  # fmt: skip
    expected: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: -hit.score):
        shared = [
            (min(hit.end, other.end) - max(hit.start, other.start)) / min(hit.end - hit.start, other.end - other.start)
            for other in expected
        ]
        if max(shared, default=0) <= 0.25:
            expected.append(hit)
    assert strongest(hits) == sorted(expected, key=lambda hit: hit.start)
    best = best_hits(hits)
    assert [hit.name for hit in best] == [hit.name for hit in strongest(hits)]
    assert all(hit.end <= following.start for hit, following in itertools.pairwise(best))


@pytest.mark.parametrize(
    ("keyword", "sentence"),
    [
        ("", "a keyword is empty"),
        ("naïve", "has 'ï', which the model does not write; it writes .* 'naive' would do"),
        ("route 66", "has '6', which the model does not write; .* spell it as it is spoken"),
        ("rock & roll", "has '&', .* 'rock roll' would do"),
        ("don’t à", "has 'à', .* \"don't a\" would do"),
        ("你好", "has '你', '好'.* spell it as it is spoken"),
    ],
)
def test_keywords_that_cannot_be_spelt(keyword: str, sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        VOCABULARY.spell(keyword)


@pytest.mark.parametrize(("gaps", "kept"), [((), (0, 200, 400)), (range(4, 7), (0, 400)), ((4, 5), (0, 200, 400))])
def test_words_and_keywords_that_lie_in_gaps_only_are_left_out(
    speller: KeywordEncoder, gaps: Sequence[int], kept: Sequence[int]
) -> None:
    """A model spells in silence, too. A word that touches sound stays as it is."""
    grid = WindowGrid(40, 40, 0, 0, count=14, gaps=np.isin(np.arange(14), gaps))
    detector = WordDetector({"no": "NO"}, 0, VOCABULARY, FRAME_SECONDS)
    found = Scan(Timeline(grid, speller), [detector], [WordDecoder(VOCABULARY)], 0.5, None)
    for block in cut_blocks(LETTERS, best_path("NNO_||____NNO_||____NNO_||__", 0.97), [15]):
        found.add(block, 28)
    assert [word.start_ms for word in found.words] == list(kept)
    assert [hit.start_ms for hit in found.keywords] == list(kept)
    marked = found.timeline.values.reshape(-1) > 0.5
    assert marked[[0, 5, 10]].tolist() == [True, 200 in kept, True]
