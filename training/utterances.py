"""Utterances that the small checkpoint learns from: speech, what it spells, and each frame's letter."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from novaspeech.arrays import FloatArray
from training.speech import WORDS, concatenate, speak, with_noise
from wav2vec2_kws.vocabulary import Vocabulary

# The letters of facebook/wav2vec2-base-960h, in its order.
LETTERS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")
BLANK, DELIMITER = LETTERS.index("<pad>"), LETTERS.index("|")
VOCABULARY = Vocabulary({letter: LETTERS.index(letter) for letter in LETTERS[5:]}, BLANK, DELIMITER)
IGNORED = -100
HOP, LENGTH = 320, 400  # samples from frame to frame, and of one frame
TAKES, SENTENCES = 6, 4000  # of each word by each voice; in all


@dataclass(frozen=True)
class Utterance:
    """Speech, what it spells, and each frame's letter where that is known.

    Attributes:
        signal: (N,) float32.
        letters: their ids, with delimiters between words.
        frames: (F,) ids, `IGNORED` throughout for fluent sentences.
    """

    signal: FloatArray
    letters: tuple[int, ...]
    frames: np.ndarray


class Speakers:
    """Takes of every word by every voice, and fluent sentences, made once.

    Args:
        voices, speeds, pitches: see `training.speech.speak`.
        takes: of each word by each voice.
        sentences: how many, of three to seven words.
        seed: of what is drawn.
    """

    def __init__(
        self,
        voices: tuple[str, ...],
        speeds: tuple[int, ...],
        pitches: tuple[int, ...],
        takes: int,
        sentences: int,
        seed: int,
    ) -> None:
        generator = np.random.default_rng(seed)

        def manner() -> tuple[int, int]:
            return int(generator.choice(speeds)), int(generator.choice(pitches))

        self.voices = voices
        keys = [(word, voice) for voice in voices for word in WORDS for _ in range(takes)]
        texts = [
            ([str(word) for word in generator.choice(WORDS, generator.integers(3, 8))], str(generator.choice(voices)))
            for _ in range(sentences)
        ]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            sounds = pool.map(speak, *zip(*((*key, *manner()) for key in keys), strict=True))
            self.takes: dict[tuple[str, str], list[FloatArray]] = {}
            for key, sound in zip(keys, sounds, strict=True):
                self.takes.setdefault(key, []).append(sound)
            made = pool.map(speak, *zip(*((" ".join(words), voice, *manner()) for words, voice in texts), strict=True))
            self.sentences = [(words, sound) for (words, _), sound in zip(texts, made, strict=True)]

    def draw(self, generator: np.random.Generator, fluent: float, most_words: int) -> Utterance:
        """A random utterance with a little noise.

        Args:
            fluent: share of sentences that are spoken in one go, without known frames.
            most_words: of the others.
        """
        if self.sentences and generator.random() < fluent:
            words, sound = self.sentences[generator.integers(len(self.sentences))]
            edges = [np.zeros(int(generator.integers(800, 8000)), np.float32) for _ in range(2)]
            signal = np.concatenate([edges[0], sound, edges[1]])
            spoken = None
        else:
            words = [str(word) for word in generator.choice(WORDS, generator.integers(1, most_words + 1))]
            voice = generator.choice(self.voices)
            takes = [self.takes[word, voice] for word in words]
            sounds = [take[generator.integers(len(take))] for take in takes]
            gaps = generator.exponential(0.12, len(words) + 1).clip(0.02, 0.8)
            signal, spoken = concatenate(words, sounds, gaps.tolist())
        frames = np.full((len(signal) - LENGTH) // HOP + 1, IGNORED)
        if spoken is not None:
            bounds = [(word.start, word.end) for word in spoken]
            frames = known_frames(words, bounds, len(frames))
        signal = with_noise(signal, generator.uniform(15, 50), generator)
        return Utterance(signal, VOCABULARY.spell(" ".join(words)), frames)


def known_frames(words: list[str], bounds: list[tuple[int, int]], count: int) -> np.ndarray:
    """Each frame's letter (count,): a word's letters spread evenly over it, with a blank between equal ones."""
    centres = np.arange(count) * HOP + LENGTH / 2
    frames = np.full(count, BLANK)
    for previous, following in pairwise(bounds):
        gap = (centres >= previous[1]) & (centres < following[0])
        if not gap.any():
            gap[np.abs(centres - (previous[1] + following[0]) / 2).argmin()] = True
        frames[gap] = DELIMITER
    for word, (start, end) in zip(words, bounds, strict=True):
        inside = np.flatnonzero((centres >= start) & (centres < end) & (frames != DELIMITER))
        places = ((np.arange(len(inside)) + 0.5) * len(word) / len(inside)).astype(int)
        letters = np.array(VOCABULARY.spell(word))
        frames[inside] = letters[places]
        for index in np.flatnonzero(letters[1:] == letters[:-1]):
            where = inside[places == index + 1]
            frames[where[: max(1, len(where) // 3)]] = BLANK
    return frames
