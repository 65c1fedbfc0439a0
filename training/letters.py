"""What wav2vec2_kws/small spells with, and the frames in which it does."""

from __future__ import annotations

from wav2vec2_kws.vocabulary import Vocabulary

# The letters of facebook/wav2vec2-base-960h, in its order.
LETTERS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")
BLANK, DELIMITER = LETTERS.index("<pad>"), LETTERS.index("|")
VOCABULARY = Vocabulary({letter: LETTERS.index(letter) for letter in LETTERS[5:]}, BLANK, DELIMITER)
IGNORED = -100
HOP, LENGTH = 320, 400  # samples from frame to frame, and of one frame
