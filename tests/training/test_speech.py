"""What the small checkpoints are trained on: letters, words, phonemes and voices, and what is taught beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.people_parts.emotions import AROUSAL
from benchmarks.people_parts.material import Utterance
from emow2v.standin import random_emotion_model
from novaspeech.arrays import FloatArray
from novaspeech.module.standin import SMALL_SIZES
from tests.wav2vec2_kws.conftest import TAKES
from training import alignment, emotion, keywords, listener
from training.alignment import words_of
from training.augment import degraded
from training.corpus import Speech, held_out_people, phrase_of
from training.emotion import held_out
from training.keywords import frames_of
from training.kokoro import phonemes_of, without_pause
from training.letters import BLANK, DELIMITER, HOP, LENGTH, VOCABULARY
from training.speech import RATE, WORDS
from training.texts import plain
from training.voices import speakers_of


def means_of_frames(signal: FloatArray) -> FloatArray:
    """In place of Whisper's encoder, which is in a package: each frame's mean 512 times."""
    padded = np.zeros(listener.FRAMES * HOP, np.float32)
    padded[: len(signal)] = signal
    return np.repeat(padded.reshape(-1, HOP).mean(axis=1, keepdims=True), listener.WIDTH, axis=1)


def test_the_head_tells_what_it_was_fitted_to() -> None:
    generator = torch.Generator().manual_seed(0)
    letters = "WLEAFTN" * 30
    model = random_emotion_model(**SMALL_SIZES)
    vectors = torch.randn(len(letters), 64, generator=generator)
    vectors[:, 5] += torch.tensor([3.0 * AROUSAL[letter] for letter in letters])
    spoken = [Utterance(np.zeros(0, np.float32), str(index % 4), letter) for index, letter in enumerate(letters)]
    assert held_out(model, vectors, spoken)["arousal"] > 0.5
    emotion.fit_head(model, vectors, spoken)
    with torch.inference_mode():
        arousal = model.classifier(vectors)[:, 0].numpy()
    assert np.corrcoef(arousal, [AROUSAL[letter] for letter in letters])[0, 1] > 0.8
    assert abs(arousal.mean() - np.mean([AROUSAL[letter] for letter in letters])) < 0.02


def test_letters_are_found_where_they_are_said_and_timed_words_stay_where_they_are() -> None:
    spelt = [0, 0, *VOCABULARY.spell("a"), DELIMITER, *VOCABULARY.spell("lll"), BLANK, *VOCABULARY.spell("lo"), 0]
    logged = np.full((len(spelt), 32), -9.0, np.float32)
    logged[np.arange(len(spelt)), spelt] = -0.1
    silent = np.zeros(RATE // 4, np.int16)
    frame = (np.arange(12) * HOP + (LENGTH - HOP) / 2) / RATE  # where each begins
    (first, *_), (word, *times, ends) = words_of(logged, Speech(silent, "somebody", [], "a llo"))
    assert (first, word) == ("a", "llo")
    assert times == pytest.approx([frame[4], frame[10]])
    assert ends == pytest.approx([frame[8], frame[9], frame[10]])
    timed = [("a", 0.0, 0.06, [0.06]), ("llo", 0.08, 0.2, [0.1, 0.2])]
    found = words_of(logged, Speech(silent, "somebody", timed, "a llo"))
    assert [(name, start, end) for name, start, end, _ in found] == [
        (name, start, end) for name, start, end, _ in timed
    ]
    assert found[1][3] == pytest.approx([frame[8], frame[9], 0.2])


def test_other_speech_is_aligned_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spelt = VOCABULARY.spell("lo")
    logged = np.full((2, 32), -9.0, np.float32)
    logged[[0, 1], spelt] = -0.1
    asked: list[object] = []
    monkeypatch.setattr(alignment, "log_probabilities", lambda model, signal: asked.append(model) or logged)
    one = Speech(np.zeros(720, np.int16), "somebody", [], "lo")
    for speech, count in (([one], 1), ([one], 1), ([one, one], 3)):
        found = alignment.aligned(torch.nn.Identity(), speech, tmp_path / "kept.jsonl")
        assert [[word for word, *_ in told.words] for told in found] == [["lo"]] * len(speech)
        assert len(asked) == count


def test_a_model_that_hears_letters_wrong_is_to_skip_words_less_easily(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(WORDS, 20)) for _ in range(6)]

    def cost(wrong: float) -> float:
        """Of a model that hears such a share of the letters as another one."""

        def heard(model: object, spoken: np.ndarray) -> np.ndarray:
            spelt = np.array(VOCABULARY.spell(texts[int(spoken[0])]))
            other = (generator.random(len(spelt)) < wrong) & (spelt != DELIMITER)
            spelt[other] = generator.choice(VOCABULARY.spell("etaoinshr"), other.sum())
            spelt = np.repeat(spelt, 2)
            logged = np.full((len(spelt), 32), -6.0, np.float32)
            logged[np.arange(len(spelt)), spelt] = -0.1
            return logged

        monkeypatch.setattr(alignment, "log_probabilities", heard)
        spoken = [Speech(np.array([32768.0 * index]), "somebody", [], text) for index, text in enumerate(texts)]
        return alignment.skip_cost(torch.nn.Identity(), spoken)

    assert cost(0.0) == 4.0
    assert cost(0.5) > 4.0


def test_each_frame_is_taught_what_is_heard_there(tmp_path: Path) -> None:
    # 0.25 to 9.25 s, more than is heard at once; each frame's level is the utterance's and its own.
    levels = [np.arange(frames) + 1000 * place for place, frames in enumerate((12, 450, 400, 350, 450, 40, 462))]
    speech = [Speech(np.repeat(level, HOP).astype(np.int16), "she", [], "so") for level in levels]
    found = listener.taught(means_of_frames, speech, tmp_path)
    everything = np.concatenate(levels)
    for one, level in zip(found, levels, strict=True):
        assert one.taught is not None
        assert one.taught == pytest.approx(
            np.repeat((level[:, None] - everything.mean()) / everything.std(), listener.WIDTH, axis=1), abs=2e-3
        )

    def fails(signal: FloatArray) -> FloatArray:
        raise AssertionError("it listened again")

    again = listener.taught(fails, speech, tmp_path)
    assert all(np.array_equal(one.taught, other.taught) for one, other in zip(found, again, strict=True))  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="again"):
        listener.taught(fails, speech[1:], tmp_path)


def test_who_is_held_out_does_not_depend_on_whose_text_is_sure(tmp_path: Path) -> None:
    rows = [{"file": f"{person}.flac", "speaker": f"{person:03d}", "text": "so"} for person in range(60)]
    for text in ("so", None):
        rows[7]["text"] = text
        (tmp_path / "people.jsonl").write_text("\n".join(map(json.dumps, rows)))
        assert held_out_people(tmp_path / "people.jsonl") == {"000", "025", "050"}


def test_what_is_taught_is_as_fast_as_what_is_said() -> None:
    rows = np.repeat(np.arange(100, dtype=np.float16)[:, None], listener.WIDTH, axis=1)
    found = keywords.rows_of([(0.5, 1.25, rows), (3.0, 1.0, None)], 200)[:, 0]
    # 100 frames of 20 ms at 1.25 times the speed take 1.6 s.
    known = np.flatnonzero(~np.isnan(found))
    assert (known[0], known[-1]) == (25, 104)
    assert found[known] == pytest.approx((known - 24.4) * 1.25, abs=1)


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
