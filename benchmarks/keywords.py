"""How well wav2vec2_kws finds keywords, by each method, in speech whose every word's time is known.

Words that espeak-ng says one by one are put together to recordings, by voices that the small checkpoint was trained on
and by voices that it never heard, at speeds and pitches that it never heard. The classifier is trained on ten examples
of each keyword by training voices, the example is one take of another voice. A hit counts if its middle lies in the
keyword; each keyword counts once. False alarms are per keyword and ten minutes. All words of two recordings are those
that the small checkpoint learnt; of the third, twice as long, half are words that it never heard.

    python -m benchmarks.keywords [--minutes 30] [--model DIR] [--layer -1] [--out benchmarks/pictures]

Prints a table, and draws the ROC of each method: recall over false alarms.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from matplotlib.figure import Figure

import novaspeech
from benchmarks.record import Cell, Report, command_line
from novaspeech.audio.recording import Recording
from novaspeech.inference.engine import Inference
from novaspeech.inference.pooling import HIDDEN, FrameBlock
from training.recordings import Material, make_material
from training.speech import (
    HELD_OUT_VOICES,
    PITCHES,
    RATE,
    SPEEDS,
    TRAINING_PITCHES,
    TRAINING_SPEEDS,
    VOICES,
    WORDS,
    concatenate,
    speak,
)
from wav2vec2_kws.encoder import LETTERS, KeywordEncoder
from wav2vec2_kws.hits import Hit, best_hits
from wav2vec2_kws.search.classifier import BACKGROUND, load_classifier
from wav2vec2_kws.search.methods import THRESHOLD, Search, by_classifier, by_example, by_spelling
from wav2vec2_kws.standin import SMALL
from wav2vec2_kws.train.training import train_keywords

KEYWORDS = (
    "money", "question", "yesterday", "hospital", "seven", "understand", "telephone", "wonderful", "anxious", "water",
)  # fmt: skip
METHODS = ("words", "example", "classifier")
LOWEST = 0.05  # score of a hit that the ROC still looks at
ALLOWED = 1.0  # false alarms per keyword and ten minutes
EXAMPLE_VOICE = "en-us+f3"  # of the one example: a timbre that is in the recordings


def make_search(method: str, inference: Inference, folder: Path) -> list[Search]:
    """One search for all keywords, or of examples one for each."""
    encoder = inference.encoder
    assert isinstance(encoder, KeywordEncoder)
    if method == "words":
        return [by_spelling(KEYWORDS, encoder, 0)]
    if method == "example":
        examples = ((word, speak(word, EXAMPLE_VOICE, SPEEDS[1], PITCHES[1])) for word in KEYWORDS)
        return [by_example(word, [Recording.of_samples(sound, RATE, word)], inference) for word, sound in examples]
    for word in KEYWORDS:
        (folder / word).mkdir(parents=True)
        for number, voice in enumerate(VOICES[:10]):
            take = speak(word, voice, TRAINING_SPEEDS[number % 5], TRAINING_PITCHES[number % 4])
            soundfile.write(folder / word / f"{number}.wav", take, RATE)
    (folder / BACKGROUND).mkdir()
    generator = np.random.default_rng(7)
    others = [word for word in WORDS if word not in KEYWORDS]
    for number, voice in enumerate(VOICES):
        words = [str(word) for word in generator.choice(others, 40)]
        sounds = [speak(word, voice, TRAINING_SPEEDS[number % 5], TRAINING_PITCHES[number % 4]) for word in words]
        signal, _ = concatenate(words, sounds, (0.05 + generator.exponential(0.1, 41)).tolist())
        soundfile.write(folder / BACKGROUND / f"{number}.wav", signal, RATE)
    file = folder / "keywords.skops"
    train_keywords(folder, file, inference, "small", kind="svm", window_ms=800, copies=4)
    return [by_classifier(load_classifier(file, encoder))]


def hits_of(search: Search, blocks: Sequence[FrameBlock]) -> list[Hit]:
    """All hits of a recording whose frames are known, down to a score of `LOWEST`."""
    detectors = search.detectors()
    found = [hit for block in blocks for detector in detectors for hit in detector.add(block) if hit.score >= LOWEST]
    return best_hits(found)


@dataclass(frozen=True)
class Detections:
    """Hits against the truth.

    Attributes:
        scores: (n,) of all hits.
        right: (n,) whether each is a keyword that no better hit has found.
        errors_ms: (right, 2) start and end of right hits against the truth.
        total: how many keywords are spoken.
        trials: keywords times ten minutes.
    """

    scores: np.ndarray
    right: np.ndarray
    errors_ms: np.ndarray
    total: int
    trials: float

    def roc(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """False alarms, recall and threshold, from the highest score down."""
        order = np.argsort(-self.scores, kind="stable")
        right = self.right[order]
        return np.cumsum(~right) / self.trials, np.cumsum(right) / self.total, self.scores[order]


def judge(hits: Sequence[Hit], material: Material, frame_ms: float) -> Detections:
    """Which hits are right."""
    truth = [word for word in material.spoken if word.word in KEYWORDS]
    taken: set[int] = set()
    right, errors = [], []
    for hit in sorted(hits, key=lambda hit: -hit.score):
        start, end = hit.start * frame_ms, hit.end * frame_ms
        middle = (start + end) / 2 * RATE / 1000
        match = [index for index, word in enumerate(truth) if word.word == hit.name and word.start <= middle < word.end]
        right.append(bool(match) and match[0] not in taken)
        if right[-1]:
            taken.add(match[0])
            word = truth[match[0]]
            errors.append((start - word.start * 1000 / RATE, end - word.end * 1000 / RATE))
        else:
            errors.append((np.nan, np.nan))
    scores = np.array(sorted((hit.score for hit in hits), reverse=True))
    return Detections(scores, np.array(right), np.array(errors), len(truth), len(KEYWORDS) * material.seconds / 600)


def row(method: str, material: Material, found: Detections) -> list[Cell]:
    """A row of the table: at the usual threshold, and at the one that allows `ALLOWED` false alarms."""
    alarms, recall, thresholds = found.roc()
    own = found.scores >= THRESHOLD
    errors = np.abs(found.errors_ms[own & found.right])
    inside = np.flatnonzero(alarms <= ALLOWED)
    best = inside[-1] if len(inside) else 0
    return [
        *(method, material.name, found.total, round(float((own & found.right).sum() / found.total), 3)),
        round(float((own & ~found.right).sum() / found.trials), 2),
        f"{recall[best]:.3f} at {thresholds[best]:.2f}",
        f"{np.median(errors[:, 0]):.0f}, {np.median(errors[:, 1]):.0f}",
        f"{np.quantile(errors[:, 0], 0.9):.0f}, {np.quantile(errors[:, 1], 0.9):.0f}",
        round(float(np.mean(errors <= 150)), 3),
    ]


def draw(method: str, curves: dict[str, Detections], picture: Path) -> None:
    """Recall over false alarms, and misses over false alarms, of each set of voices."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(f"wav2vec2_kws, method={method}, small checkpoint")
    roc, det = figure.subplots(1, 2)
    for name, found in curves.items():
        alarms, recall, thresholds = found.roc()
        own = np.searchsorted(-thresholds, -THRESHOLD, side="right") - 1
        for axis, values in ((roc, recall), (det, 1 - recall)):
            [line] = axis.plot(np.maximum(alarms, 1e-2), np.maximum(values, 1e-3), drawstyle="steps-post", label=name)
            if own >= 0:
                axis.plot(max(alarms[own], 1e-2), max(values[own], 1e-3), "o", color=line.get_color())
    for axis, label in ((roc, "recall"), (det, "misses")):
        axis.axvline(ALLOWED, color="0.7", lw=1, zorder=0)
        axis.set(xscale="log", xlabel="false alarms per keyword and 10 minutes", ylabel=label, xlim=(1e-2, 1e2))
        axis.grid(alpha=0.3)
    roc.set_ylim(0, 1.02)
    det.set(yscale="log", ylim=(1e-3, 1.1))
    roc.legend(loc="lower right", title=f"● at the threshold {THRESHOLD}")
    figure.savefig(picture, dpi=110)


def main() -> None:
    """Runs the command line."""
    parser = command_line(__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="of speech by each set of voices")
    parser.add_argument("--model", default=str(SMALL), help="folder (default: the module's small one)")
    parser.add_argument("--layer", type=int, default=-1)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("pictures"), help="folder for pictures")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    inference = novaspeech.load("wav2vec2_kws", model=given.model, layer=given.layer).processor.inference()
    assert isinstance(inference.encoder, KeywordEncoder)
    frame_ms = 1000 * inference.encoder.frame_seconds
    sets = (
        make_material("voices it was trained on", VOICES, given.minutes, 11),
        make_material("voices it never heard", HELD_OUT_VOICES, given.minutes, 12),
        make_material("the same, half of the words unknown", HELD_OUT_VOICES, 2 * given.minutes, 13, 0.5),
    )
    columns = ["method", "voices", "said", "recall", "false alarms", "recall at 1 false alarm"]
    columns += ["start, end: median error, ms", "90 % within, ms", "within 150 ms"]
    report = Report("keywords", given.results)
    report.table("keywords", *columns)
    curves: dict[str, dict[str, Detections]] = {method: {} for method in given.methods}
    with tempfile.TemporaryDirectory() as folder:
        searches = {method: make_search(method, inference, Path(folder) / method) for method in given.methods}
        for material in sets:
            recording = Recording.of_samples(material.signal, RATE, material.name)
            blocks = list(inference.frames(recording, [HIDDEN, LETTERS]))
            for method, some in searches.items():
                hits = [hit for search in some for hit in hits_of(search, blocks)]
                curves[method][material.name] = judge(hits, material, frame_ms)
                report.row(*row(method, material, curves[method][material.name]))
    for method, found in curves.items():
        draw(method, found, given.out / f"keywords-{method}.png")


if __name__ == "__main__":
    main()
