"""What the small checkpoints are trained on: letters, words, phonemes and voices, and what is taught beside them."""

import json
from pathlib import Path

import numpy as np
import pytest

from novaspeech.arrays import FloatArray
from tests.wav2vec2_kws.conftest import TAKES
from training import listener
from training.augment import degraded
from training.corpus import Speech, held_out_people, phrase_of
from training.keywords import frames_of
from training.kokoro import phonemes_of, without_pause
from training.letters import BLANK, DELIMITER, HOP, VOCABULARY
from training.speech import RATE
from training.texts import plain
from training.voices import speakers_of


def means_of_frames(signal: FloatArray) -> FloatArray:
    """In place of Whisper's encoder, which is in a package: each frame's mean 512 times."""
    padded = np.zeros(listener.FRAMES * HOP, np.float32)
    padded[: len(signal)] = signal
    return np.repeat(padded.reshape(-1, HOP).mean(axis=1, keepdims=True), listener.WIDTH, axis=1)


def test_who_is_held_out_does_not_depend_on_whose_text_is_sure(tmp_path: Path) -> None:
    rows = [{"file": f"{person}.flac", "speaker": f"{person:03d}", "text": "so"} for person in range(60)]
    for text in ("so", None):
        rows[7]["text"] = text
        (tmp_path / "people.jsonl").write_text("\n".join(map(json.dumps, rows)))
        assert held_out_people(tmp_path / "people.jsonl") == {"000", "025", "050"}


def test_words_end_where_they_are_heard_last() -> None:
    signal = np.zeros(RATE, np.float32)
    signal[4000:8000] = 0.5
    assert without_pause(signal, "yes", 0.2, 0.9, [0.4, 0.8, 0.9]) == ("yes", 0.2, 0.5, [0.4, 0.5, 0.5])


def test_the_letters_of_frames_follow_the_phonemes_of_a_word() -> None:
    words = [("money", 0.2, 0.7, [0.3, 0.5, 0.6, 0.7]), ("all", 0.8, 1.1, [0.9, 1.1])]
    frames = frames_of(words, 60).tolist()
    spelt = "".join(VOCABULARY.write([letter]) if letter != DELIMITER else "|" for letter in frames if letter != BLANK)
    squeezed = "".join(letter for place, letter in enumerate(spelt) if not place or letter != spelt[place - 1])
    assert squeezed.lower() == "money|al"  # a blank parts the two l's
    assert frames.index(DELIMITER) * 0.02 == pytest.approx(0.7, abs=0.03)
    l_frames = [place for place, letter in enumerate(frames) if letter == VOCABULARY.spell("l")[0]]
    assert BLANK in frames[l_frames[0] : l_frames[-1]]


def test_a_phrase_holds_its_words_where_they_are_said() -> None:
    samples = np.zeros(RATE, np.int16)
    words = [("one", 0.1, 0.2, [0.15, 0.2]), ("two", 0.3, 0.5, [0.5]), ("three", 0.5, 0.9, [0.6, 0.9])]
    for level, (_, start, end, _) in enumerate(words, 1):
        samples[int(start * RATE) : int(end * RATE)] = 1000 * level
    speech = Speech(samples, "he", words, "one two three", exact=True)
    phrases = [phrase_of(speech, np.random.default_rng(seed)) for seed in range(40)]
    assert {phrase.text for phrase in phrases} == {
        "one", "two", "three", "one two", "two three", "one two three"
    }  # fmt: skip
    for phrase in phrases:
        assert phrase.exact
        assert " ".join(word for word, *_ in phrase.words) == phrase.text
        for word, start, end, ends in phrase.words:
            level = 1 + [known for known, *_ in words].index(word)
            assert phrase.samples[round((start + end) / 2 * RATE)] == 1000 * level
            assert start < ends[0] <= ends[-1] == pytest.approx(end)
        assert not phrase.samples[[0, -1]].any()  # no click
    assert (speech.samples == samples).all()


@pytest.mark.parametrize("seed", range(12))
def test_what_is_done_to_speech_moves_nothing(seed: int) -> None:
    generator = np.random.default_rng(seed)
    signal = np.concatenate([np.zeros(4000), TAKES["money", "en-us+f1"], np.zeros(4000)]).astype(np.float32)
    changed = degraded(signal, [signal[::-1]], generator)
    assert len(changed) == len(signal)
    both = np.fft.irfft(np.fft.rfft(changed, 65536) * np.conj(np.fft.rfft(signal, 65536)))
    lag = int(np.argmax(np.abs(both)))
    assert min(lag, 65536 - lag) <= 8  # samples


def test_phonemes_are_told_apart_by_words_where_espeak_runs_them_together() -> None:
    [sentence] = phonemes_of(["He was in the house, and of the others none."], "en-us")
    assert sentence is not None
    assert " ".join(sentence.words) == "He was in the house and of the others none"
    owners = [owner for group in sentence.of_marks for owner, _ in group if owner >= 0]
    assert owners == sorted(owners)
    assert set(owners) == set(range(len(sentence.words)))


def test_voices_that_are_held_out_are_in_no_mixture() -> None:
    names = [f"{sex}_{index}" for sex in ("af", "am", "bf", "bm") for index in range(8)]
    known = speakers_of((*names, "af_sarah", "bm_lewis"))
    assert not any("af_sarah" in name or "bm_lewis" in name for name in known)
    assert any("+" in name for name in known)


def test_a_text_is_letters_and_apostrophes() -> None:
    assert plain("“Don’t,” she said; wait--!") == "don't she said wait"
