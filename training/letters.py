"""What wav2vec2_kws/small spells with, and the frames in which it does."""

from __future__ import annotations

from wav2vec2_kws.standin import ALPHABET
from wav2vec2_kws.vocabulary import Vocabulary

BLANK, DELIMITER = ALPHABET.index("<pad>"), ALPHABET.index("|")
VOCABULARY = Vocabulary({letter: ALPHABET.index(letter) for letter in ALPHABET[5:]}, BLANK, DELIMITER)
IGNORED = -100
HOP, LENGTH = 320, 400  # samples from frame to frame, and of one frame
