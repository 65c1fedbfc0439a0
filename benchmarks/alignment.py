"""How well wav2vec2_kws aligns a transcript that is there, in speech whose every word's time is known.

Words that espeak-ng says one by one are put together to recordings, as in benchmarks/keywords.py. In their transcripts
a share of the words is wrong: a third each are exchanged for others, left out, or put in though nobody says them; in
the last rows a passage of 250 words is left out besides, and another put in.
What is measured comes from two voices that the small checkpoint never heard (the second table has half of its words
unknown to it, too). The costs of leaving the transcript were chosen on other recordings (`--tune`): training voices,
other seeds, so other sentences and errors.

    python -m benchmarks.alignment [--minutes 30] [--model DIR] [--tune] [--long 120]

Prints a table: errors of starts and ends, of words that are said and in the transcript; the share of words that are
not said whose confidence is below 0.5, and the share of said ones for which that is so, too; and how many words are
right when none may be skipped, as forced alignment usually has it. With `--long` it aligns a
recording of so many minutes in one go, with 15 % of its words wrong and then with all in another order (no word is
where it should be, which is the most work), and compares with recognising its words, each in a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

import novaspeech
from benchmarks.peak import peak_mb
from benchmarks.record import Cell, Report, command_line
from novaspeech.audio.recording import Recording
from novaspeech.inference.engine import Inference
from novaspeech.inference.pooling import FrameBlock
from training.recordings import UNKNOWN, Material, make_material
from training.speech import HELD_OUT_VOICES, RATE, VOICES, WORDS
from wav2vec2_kws.align.aligner import Aligner
from wav2vec2_kws.align.trellis import Costs
from wav2vec2_kws.encoder import LETTERS, KeywordEncoder
from wav2vec2_kws.standin import SMALL

SHARES = (0.0, 0.05, 0.15, 0.30)  # of the spoken words that the transcript has wrong
SURE = 0.5  # confidence below which a word is doubted
STRICT = Costs(skip=1e6, filler=1e6, pause=0.0)  # all words and nothing else, as forced alignment usually has it


@dataclass(frozen=True)
class Transcript:
    """A transcript with errors.

    Attributes:
        words: what it says.
        spoken: (len(words),) index of the spoken word that each is, -1 if it is not said there.
    """

    words: list[str]
    spoken: np.ndarray


def with_errors(words: Sequence[str], share: float, seed: int) -> Transcript:
    """A transcript of spoken words in which a share is exchanged, left out or has another word put after it."""
    generator = np.random.default_rng(seed)
    others = [*WORDS, *UNKNOWN]
    written, spoken = list[str](), list[int]()
    for place, word in enumerate(words):
        error = generator.choice(["none", "wrong", "missing", "added"], p=[1 - share, *[share / 3] * 3])
        if error in ("none", "added"):
            written.append(word)
            spoken.append(place)
        if error in ("wrong", "added"):
            written.append(str(generator.choice([other for other in others if other != word])))
            spoken.append(-1)
    return Transcript(written, np.array(spoken, int))


def with_passages(transcript: Transcript, seed: int, length: int = 250) -> Transcript:
    """The same without so many words in its first third, and with as many more that nobody says in its last."""
    words, spoken = transcript.words, transcript.spoken.tolist()
    others = np.random.default_rng(seed).choice(WORDS, length).tolist()
    begin, end = len(words) // 3, 2 * len(words) // 3
    return Transcript(
        [*words[: begin - length], *words[begin:end], *others, *words[end:]],
        np.array([*spoken[: begin - length], *spoken[begin:end], *[-1] * length, *spoken[end:]]),
    )


@dataclass(frozen=True)
class Errors:
    """What is wrong with an alignment.

    Attributes:
        starts, ends: (n,) ms, of the words that are said.
        flagged: (m,) whether the confidence of each word that is not said is below `SURE`.
        doubted: (n,) the same of those that are said.
    """

    starts: np.ndarray
    ends: np.ndarray
    flagged: np.ndarray
    doubted: np.ndarray

    @property
    def close(self) -> float:
        """Share of words that start and end within 50 ms of the truth."""
        return float(np.mean((self.starts <= 50) & (self.ends <= 50)))

    def row(self) -> list[Cell]:
        """What the table says of it."""
        quantiles = (f"{np.median(errors):.0f}, {np.quantile(errors, 0.95):.0f}" for errors in (self.starts, self.ends))
        flagged = round(float(self.flagged.mean()), 3) if len(self.flagged) else None
        return [*quantiles, round(self.close, 3), flagged, round(float(self.doubted.mean()), 3)]


def judge(segments: np.ndarray, transcript: Transcript, material: Material) -> Errors:
    """An alignment (len(words), 3) of starts and ends in ms and confidences against the truth."""
    said = transcript.spoken >= 0
    truth = np.array([(word.start, word.end) for word in material.spoken])[transcript.spoken[said]] * 1000 / RATE
    starts, ends = np.abs(segments[said, :2] - truth).T
    doubtful = segments[:, 2] < SURE
    return Errors(starts, ends, doubtful[~said], doubtful[said])


def run(
    transcript: Transcript, material: Material, blocks: Sequence[FrameBlock], encoder: KeywordEncoder, costs: Costs
) -> Errors:
    """Aligns a recording whose frames are known."""
    aligner = Aligner(transcript.words, encoder.vocabulary, encoder.frame_seconds, lambda line: None, costs)
    for block in blocks:
        aligner.add(block)
    step = 1000 * encoder.frame_seconds
    found = np.array([(hit.start * step, hit.end * step, hit.score) for hit in aligner.finish()])
    return judge(found, transcript, material)


def frames_of(material: Material, inference: Inference) -> list[FrameBlock]:
    """All of a recording's letters."""
    return list(inference.frames(Recording.of_samples(material.signal, RATE, material.name), [LETTERS]))


def table(report: Report, inference: Inference, minutes: float) -> None:
    """What the alignment is worth on voices that the checkpoint never heard."""
    encoder = inference.encoder
    assert isinstance(encoder, KeywordEncoder)
    columns = ["voices", "wrong words", "words", "start: median, 95 %, ms", "end: median, 95 %, ms", "within 50 ms"]
    columns += ["not said: flagged", "said: flagged", "within 50 ms, nothing skipped"]
    report.table("alignment", *columns)
    for name, seed, unknown in (("never heard", 41, 0.0), ("the same, half of the words unknown", 42, 0.5)):
        material = make_material(name, HELD_OUT_VOICES, minutes, seed, unknown)
        blocks = frames_of(material, inference)
        said = [word.word for word in material.spoken]
        transcripts = {f"{100 * share:.0f} %": with_errors(said, share, seed) for share in SHARES}
        transcripts["15 %, and passages"] = with_passages(transcripts["15 %"], seed)
        for wrong, transcript in transcripts.items():
            errors, strict = (run(transcript, material, blocks, encoder, costs) for costs in (encoder.costs, STRICT))
            report.row(name, wrong, len(transcript.words), *errors.row(), round(strict.close, 3))


def tune(inference: Inference, minutes: float) -> None:
    """Prints how good each set of costs is on training voices, the best first."""
    encoder = inference.encoder
    assert isinstance(encoder, KeywordEncoder)
    sets = [make_material("tuning", VOICES[:9], minutes, seed, unknown) for seed, unknown in ((51, 0.0), (52, 0.5))]
    frames = [frames_of(material, inference) for material in sets]
    results = []
    for costs in itertools.starmap(Costs, itertools.product((1.0, 4.0, 8.0), (2.0, 4.0, 6.0), (0.0, 0.1, 0.3))):
        all_errors = [
            run(with_errors([word.word for word in one.spoken], share, 53), one, blocks, encoder, costs)
            for one, blocks in zip(sets, frames, strict=True)
            for share in SHARES[2:]
        ]
        merit = float(np.mean([one.close + one.flagged.mean() - one.doubted.mean() for one in all_errors]))
        results.append((merit, costs, " || ".join(str(one.row()) for one in all_errors)))
    for merit, costs, row in sorted(results, key=lambda result: -result[0]):
        print(f"{merit:.4f}  skip {costs.skip:g}  filler {costs.filler:g}  pause {costs.pause:g}  {row}")


def long(model: str, minutes: float) -> None:
    """Aligns one long recording, in processes of its own; prints how long each took, and its peak memory."""
    material = make_material("long", HELD_OUT_VOICES, minutes, 61)
    transcript = with_errors([word.word for word in material.spoken], 0.15, 62)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        soundfile.write(folder / "long.flac", material.signal, RATE)
        shuffled: list[str] = np.random.default_rng(63).permutation(transcript.words).tolist()
        texts: dict[str, list[str]] = {"words": [], "align": transcript.words, "none fits": shuffled}
        for what, words in texts.items():
            (folder / f"{what}.txt").write_text(" ".join(words))
            command = [sys.executable, "-m", "benchmarks.alignment", "--model", model, "--part", what, "--folder", name]
            subprocess.run(command, check=True)
        print(f"align: {judge(np.load(folder / 'align.npy'), transcript, material).row()}")


def part(model: str, what: str, folder: Path) -> None:
    """Recognises the words of long.flac, or aligns it with a text beside it, and prints seconds and peak memory."""
    loaded, recording = novaspeech.load("wav2vec2_kws", model=model), folder / "long.flac"
    start, cpu_start = time.perf_counter(), time.process_time()
    if what == "words":
        segments = loaded(recording, ["words"])["words"]
    else:
        segments = loaded(recording, ["alignment"], inputs={"transcript": folder / f"{what}.txt"})["alignment"]
        np.save(folder / f"{what}.npy", [(one.start_ms, one.end_ms, one.confidence) for one in segments])
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    minutes = soundfile.info(recording).duration / 60
    took = f"{seconds:.0f} s ({cpu:.0f} s of CPU)  peak {peak_mb():.0f} MB"
    print(f"{what:9}  {minutes:.0f} min  {len(segments)} words  {took}", flush=True)


def main() -> None:
    """Runs the command line."""
    parser = command_line(__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="of speech in each recording")
    parser.add_argument("--model", default=str(SMALL), help="folder (default: the module's small one)")
    parser.add_argument("--tune", action="store_true", help="compare costs instead")
    parser.add_argument("--long", type=float, default=0, help="minutes of a recording that is aligned in one go")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        part(given.model, given.part, given.folder)
        return
    if given.long:
        long(given.model, given.long)
        return
    inference = novaspeech.load("wav2vec2_kws", model=given.model).processor.inference(lambda line: None)
    if given.tune:
        tune(inference, given.minutes)
    else:
        table(Report("alignment", given.results), inference, given.minutes)


if __name__ == "__main__":
    main()
