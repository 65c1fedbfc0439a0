"""Makes the words that the tests put recordings together from: python -m training.takes tests/data/takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import soundfile

from novaspeech.arrays import FloatArray
from training.speech import HELD_OUT_VOICES, PITCHES, RATE, SPEEDS, speak

TAKEN = (
    "money", "question", "yesterday", "hospital", "seven", "water", "doctor", "children", "always", "summer", "letter",
    "river", "music", "remember", "sister", "tomorrow",
)  # fmt: skip
SPEAKERS = ("en-us+f1", "en-gb+m2", "en-gb+f3", "en-us+m1", *HELD_OUT_VOICES)


def main(name: str) -> None:
    """Writes NAME.flac, all takes one after the other, and NAME.json: word, voice, samples [first, end)."""
    sounds, index, position = list[FloatArray](), list[tuple[str, str, int, int]](), 0
    for place, (voice, word) in enumerate((voice, word) for voice in SPEAKERS for word in TAKEN):
        sounds.append(speak(word, voice, SPEEDS[place % len(SPEEDS)], PITCHES[place % len(PITCHES)]))
        index.append((word, voice, position, position + len(sounds[-1])))
        position += len(sounds[-1])
    soundfile.write(f"{name}.flac", np.concatenate(sounds), RATE, subtype="PCM_16")
    Path(f"{name}.json").write_text("[\n" + ",\n".join(map(json.dumps, index)) + "\n]\n")


if __name__ == "__main__":
    main(sys.argv[1])
