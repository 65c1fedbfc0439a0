"""The modules on speech of people, beside random weights, simple baselines, and public packages.

    python -m benchmarks.people SPEECH [speakers] [keywords] [voices] [times] [digits] [emotions]
        [--model MODULE=PLACE …] [--packages DIR] [--voices DIR]

SPEECH is a folder with asterisk-allison, mfa, fsdd, emodb, librispeech and librispeech_train-clean-100; what is in each
is said in benchmarks/people_parts/material.py. A model is the one named, else the small one of the project where there
is one. Public packages run in processes of their own, if they are there:

    pip install --target DIR --no-deps resemblyzer webrtcvad-wheels pocketsphinx

speakers: equal error rate, and in brackets the least detection cost (target prior 0.05, its best trivial answer is 1),
of the trials of six LibriSpeech speakers; one side of each is changed, cuts are of both. keywords: twelve words in
prompts by one woman. voices: twelve words that Kokoro's held-out voices say, in what `training.voices DIR --test` left.
times: starts and ends of words against those that people marked, and of those of `voices`. digits: across speakers.
emotions: seven, acted, and where they lie, by linear probes that never heard the speaker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.people_parts import digits, emotions, keywords, speakers
from benchmarks.people_parts.encoders import Embed, by_module, mfcc_statistics, resemblyzer
from benchmarks.people_parts.material import Talk, asterisk, mfa, synthetic
from benchmarks.record import Cell, Report, command_line
from novaspeech.module.catalogue import standins

Table = list[list[Cell]]  # heads first
Tables = dict[str, Table]
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

    def speakers(self) -> Tables:
        encoders: dict[str, Embed] = {name: speakers.by_verify(place) for name, place in self._of("wav2vec2_sv")}
        encoders["MFCC mean and deviation"] = speakers.standardised(self._speech)
        encoders["linear discriminant of these"] = speakers.discriminant(self._speech)
        return {"speakers": speakers.report(self._speech, encoders | self._resemblyzer())}

    def keywords(self) -> Tables:
        return {"keywords": self._keywords(asterisk(self._speech), keywords.KEYWORDS)}

    def voices(self) -> Tables:
        if self._voices is None:
            return {}
        talk = synthetic(self._voices)
        return {"voices": self._keywords(talk, keywords.frequent(talk))}

    def _keywords(self, talk: Talk, words: Sequence[str]) -> Table:
        return keywords.report(talk, words, dict(self._of("wav2vec2_kws")), self._packages)

    def times(self) -> Tables:
        marked = mfa(self._speech)
        groups = {"all that people marked": marked, **{talk.name: [talk] for talk in marked}}
        if self._voices:
            groups["held-out voices"] = [synthetic(self._voices)]
        return {"times": keywords.times(groups, dict(self._of("wav2vec2_kws")))}

    def digits(self) -> Tables:
        frames = {
            f"{name}, layer {layer}": digits.by_keywords(place, layer)
            for name, place in self._of("wav2vec2_kws")
            for layer in (-1, -2)
        }
        return {"digits": digits.report(self._speech, {**frames, "MFCC": digits.by_mfcc})}

    def emotions(self) -> Tables:
        encoders = {name: by_module(module, place) for module in _PROBED for name, place in self._of(module)}
        encoders["MFCC mean and deviation"] = mfcc_statistics
        rows = emotions.report(self._speech, encoders | self._resemblyzer())
        # The small model's own scores were fitted to these recordings, and say nothing here.
        judged = {name: place for name, place in self._of("emow2v") if place != small_models().get("emow2v")}
        return {"emotions": rows, "positions": emotions.positions(self._speech, judged)}

    def _of(self, module: str) -> list[tuple[str, str]]:
        """Name and place of each model of a module that is measured."""
        named = (
            [(f"{module}, {Path(self._models[module]).name}", self._models[module])] if module in self._models else []
        )
        return [*named, (f"{module}, random weights", "random")]

    def _resemblyzer(self) -> dict[str, Embed]:
        return {"Resemblyzer": resemblyzer(self._packages)} if self._packages else {}


QUESTIONS: dict[str, Callable[[People], Tables]] = {
    name: getattr(People, name) for name in ("speakers", "keywords", "voices", "times", "digits", "emotions")
}


def small_models() -> dict[str, str]:
    """The project's own trained models."""
    return {module: str(standin.small) for module, standin in standins().items() if standin.small}


def main() -> None:
    """Prints the tables."""
    parser = command_line(__doc__)
    parser.add_argument("speech", type=Path, help="folder of recordings")
    parser.add_argument("questions", nargs="*", choices=[*QUESTIONS, []], help="all, if none is named")
    parser.add_argument("--model", action="append", default=[], metavar="MODULE=PLACE")
    parser.add_argument("--packages", help="folder of public packages")
    parser.add_argument("--voices", type=Path, help="folder of Kokoro's held-out voices")
    given = parser.parse_args()
    named = dict(model.split("=", 1) for model in given.model)
    people = People(given.speech, named, given.packages, given.voices)
    report = Report("people", given.results)
    for name in given.questions or QUESTIONS:
        for title, (heads, *rows) in QUESTIONS[name](people).items():
            report.table(title, *map(str, heads))
            for row in rows:
                report.row(*row)


if __name__ == "__main__":
    main()
