"""The modules on speech of people, beside random weights, simple baselines, and public packages.

    python benchmarks/people.py SPEECH [speakers] [keywords] [voices] [times] [digits] [emotions] [robustness]
        [--model MODULE=PLACE …] [--packages DIR] [--voices DIR]

SPEECH is a folder with asterisk-allison, mfa, fsdd, emodb, librispeech and librispeech_train-clean-100; what is in each
is said in benchmarks/people_parts/material.py. A model is the one named, else the small one of the project where there
is one. Public packages run in processes of their own, if they are there:

    pip install --target DIR --no-deps resemblyzer webrtcvad-wheels pocketsphinx

speakers: equal error rate, and in brackets the least detection cost (target prior 0.05, its best trivial answer is 1),
of the trials of six LibriSpeech speakers; one side of each is changed, cuts are of both. keywords: twelve words in
prompts by one woman. voices: twelve words that Kokoro's held-out voices say, in what `training.voices DIR --test` left.
times: starts and ends of words against those that people marked, and of those of `voices`. digits: across speakers.
emotions: seven, acted, and where they lie, by linear probes that never heard the speaker. robustness:
benchmarks/robustness.py on them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "modules"))

from benchmarks.machine import describe_machine
from benchmarks.people_parts import digits, emotions, keywords, speakers
from benchmarks.people_parts.encoders import Embed, by_module, mfcc_statistics, resemblyzer
from benchmarks.people_parts.material import Talk, asterisk, mfa, synthetic
from novaspeech.module.catalogue import standins

_PROBED = ("byols", "emow2v", "wav2vec2_sv", "w2v_bert_2")  # modules whose embeddings are asked for emotions


class People:
    """What is measured.

    Args:
        speech: the folder of recordings.
        named: module → its model, for those whose model is named.
        packages: folder of public packages, if they are there.
        voices: folder of held-out voices, if they are there.
    """

    def __init__(self, speech: Path, named: dict[str, str], packages: str | None, voices: Path | None) -> None:
        self._speech, self._named, self._packages, self._voices = speech, named, packages, voices
        self._models = {**small_models(), **named}

    def speakers(self) -> list[str]:
        encoders: dict[str, Embed] = {name: speakers.by_verify(place) for name, place in self._of("wav2vec2_sv")}
        encoders["MFCC mean and deviation"] = speakers.standardised(self._speech)
        encoders["linear discriminant of these"] = speakers.discriminant(self._speech)
        return speakers.report(self._speech, encoders | self._resemblyzer())

    def keywords(self) -> list[str]:
        return self._keywords(asterisk(self._speech), keywords.KEYWORDS)

    def voices(self) -> list[str]:
        if self._voices is None:
            return ["not measured: --voices names no folder"]
        talk = synthetic(self._voices)
        words = keywords.frequent(talk)
        return [f"{talk.seconds:.0f} s; {', '.join(words)}", "", *self._keywords(talk, words)]

    def _keywords(self, talk: Talk, words: Sequence[str]) -> list[str]:
        return keywords.report(talk, words, dict(self._of("wav2vec2_kws")), self._packages)

    def times(self) -> list[str]:
        marked = mfa(self._speech)
        groups = {"all that people marked": marked, **{talk.name: [talk] for talk in marked}}
        if self._voices:
            groups["held-out voices"] = [synthetic(self._voices)]
        return keywords.times(groups, dict(self._of("wav2vec2_kws")))

    def digits(self) -> list[str]:
        frames = {
            f"{name}, layer {layer}": digits.by_keywords(place, layer)
            for name, place in self._of("wav2vec2_kws")
            for layer in (-1, -2)
        }
        return digits.report(self._speech, {**frames, "MFCC": digits.by_mfcc})

    def emotions(self) -> list[str]:
        encoders = {name: by_module(module, place) for module in _PROBED for name, place in self._of(module)}
        encoders["MFCC mean and deviation"] = mfcc_statistics
        rows = emotions.report(self._speech, encoders | self._resemblyzer())
        # The small model's own scores were fitted to these recordings, and say nothing here.
        judged = {name: place for name, place in self._of("emow2v") if place != small_models().get("emow2v")}
        return [*rows, "", *emotions.positions(self._speech, judged)]

    def robustness(self) -> list[str]:
        recording = min((self._speech / "librispeech" / "wav").rglob("*.flac"))
        script = Path(__file__).with_name("robustness.py")
        models = [word for name, place in self._named.items() for word in ("--model", f"{name}={place}")]
        command = [sys.executable, str(script), "--audio", str(recording), *models]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()

    def _of(self, module: str) -> list[tuple[str, str]]:
        """Name and place of each model of a module that is measured."""
        named = (
            [(f"{module}, {Path(self._models[module]).name}", self._models[module])] if module in self._models else []
        )
        return [*named, (f"{module}, random weights", "random")]

    def _resemblyzer(self) -> dict[str, Embed]:
        return {"Resemblyzer": resemblyzer(self._packages)} if self._packages else {}


QUESTIONS: dict[str, Callable[[People], list[str]]] = {
    name: getattr(People, name)
    for name in ("speakers", "keywords", "voices", "times", "digits", "emotions", "robustness")
}


def small_models() -> dict[str, str]:
    """The project's own trained models."""
    return {module: str(standin.small) for module, standin in standins().items() if standin.small}


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path, help="folder of recordings")
    parser.add_argument("questions", nargs="*", choices=[*QUESTIONS, []], help="all, if none is named")
    parser.add_argument("--model", action="append", default=[], metavar="MODULE=PLACE")
    parser.add_argument("--packages", help="folder of public packages")
    parser.add_argument("--voices", type=Path, help="folder of Kokoro's held-out voices")
    given = parser.parse_args()
    named = dict(model.split("=", 1) for model in given.model)
    people = People(given.speech, named, given.packages, given.voices)
    print(describe_machine())
    for name in given.questions or QUESTIONS:
        print(f"\n{name}\n")
        print("\n".join(QUESTIONS[name](people)), flush=True)


if __name__ == "__main__":
    main()
