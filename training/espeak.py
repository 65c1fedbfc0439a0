"""Sentences by espeak-ng's voices: another kind of speech to learn from; made once, kept in the folder."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from training.corpus import Speech
from training.speech import RATE, TRAINING_PITCHES, TRAINING_SPEEDS, VOICES, WORDS, speak
from training.texts import Texts, plain

_SENTENCES = 2400


def espeak_voices(folder: Path, sentences: int = _SENTENCES) -> list[Speech]:
    """Sentences of any words, and as many of the words that the tests' recordings are made of."""
    table, sound = folder / "espeak.json", folder / "espeak.flac"
    if not table.exists():
        texts = Texts(folder)
        generator = np.random.default_rng(3)
        rows = []
        for index in range(sentences):
            words = [str(word) for word in generator.choice(WORDS, generator.integers(1, 8))]
            text = " ".join(words) if index % 2 else texts.draw(generator)
            voice, speed, pitch = (generator.choice(some) for some in (VOICES, TRAINING_SPEEDS, TRAINING_PITCHES))
            rows.append((text, str(voice), int(speed), int(pitch)))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            sounds = list(pool.map(speak, *zip(*rows, strict=True)))
        soundfile.write(sound, np.concatenate(sounds).clip(-1, 1), RATE, subtype="PCM_16")
        lines = [
            {"speaker": f"espeak {voice}", "samples": len(one), "text": plain(text)}
            for (text, voice, *_), one in zip(rows, sounds, strict=True)
        ]
        table.write_text("\n".join(map(json.dumps, lines)))
    samples, _ = soundfile.read(sound, dtype="int16")
    found, position = [], 0
    for line in table.read_text().splitlines():
        row = json.loads(line)
        found.append(Speech(samples[position : position + row["samples"]], row["speaker"], [], row["text"]))
        position += row["samples"]
    return found
