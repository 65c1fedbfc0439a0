from __future__ import annotations

import pytest

from training.letters import VOCABULARY
from wav2vec2_kws.align.aligner import spell_word
from wav2vec2_kws.vocabulary import Vocabulary


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("Hello", "HELLO"),
        ("“Don’t!”", "DON'T"),
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
