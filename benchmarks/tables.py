"""BENCHMARKS.md, made from what the benchmarks left in benchmarks/results: a table a question.

python -m benchmarks.tables            # writes BENCHMARKS.md
python -m benchmarks.tables --check    # ends with 1 if it is not what the results give
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.record import ROOT, Cell, Run, Table, Where, markdown, runs

PAGE = ROOT / "BENCHMARKS.md"
HEAD = """# Benchmarks

`python -m benchmarks.tables` makes this page of [benchmarks/results](benchmarks/results). Each file there is one run of
a script, with its versions and more columns than are shown here. Speeds are those of the published sizes with random
weights: they do not hang on what a model learnt.
"""
MODULES = ("emow2v", "speech_encoder", "w2v_bert_2", "wav2vec2_kws", "wav2vec2_sv", "byols, default")
CPU, GPU = runs("speed-cpu", "speed"), runs("speed-cuda", "speed")


def newest(found: Sequence[Run], module: str) -> tuple[Run | None, list[list[Cell]]]:
    """The newest run that has the module, and its rows (way, context, times real time); None and none without one."""
    for run in found:
        _, rows = run.table("speed", ["module", "way", "context", "× real time"])
        mine = [row[1:] for row in rows if str(row[0]).partition(" (")[0] == module]
        if mine:
            return run, mine
    return None, []


def speed(found: Sequence[Run], module: str, way: str, context: str) -> Cell:
    """Times real time of one way, in the newest run that has the module; None if it was not measured."""
    return next((speed for *how, speed in newest(found, module)[1] if how == [way, context]), None)


def hours_per_hour() -> Table:
    """Hours of recording in an hour: of each module on a CPU and on a GPU."""
    heads = ["module", "CPU, each window by itself", "CPU, the recording once", "the same in int8"]
    rows: list[list[Cell]] = []
    for module in MODULES:
        cells = [speed(CPU, module, "torch, float32", context) for context in ("window", "recording")]
        cells += [speed(CPU, module, "onnx, int8", "recording") or speed(CPU, module, "onnx, int8", "window")]
        context = "recording" if speed(GPU, module, "torch, auto", "recording") else "window"
        gpu = [speed(GPU, module, f"torch, {precision}", context) for precision in ("auto", "bfloat16")]
        rows.append([module, *cells, *gpu])
    return [*heads, "GPU", "GPU, bfloat16"], rows


def used(found: Sequence[Run], modules: Sequence[str] = MODULES) -> tuple[Run, ...]:
    """Those of the runs that `speed` looks at for some module."""
    firsts = [newest(found, module)[0] for module in modules]
    return tuple(run for run in found if run in firsts)


@dataclass(frozen=True)
class Section:
    """A question and its answer.

    Attributes:
        question: the heading.
        text: what the columns mean.
        runs: where the figures come from.
        table: made when the page is.
    """

    question: str
    text: str
    runs: tuple[Run, ...]
    table: Callable[[], Table]

    def lines(self) -> Iterator[str]:
        yield f"\n## {self.question}\n"
        yield f"{self.text}\n"
        yield markdown(*self.table())
        yield "\n" + "  \n".join(run.source for run in self.runs)


def _of(run: Run, title: str, *columns: str, where: Where | None = None) -> Callable[[], Table]:
    return lambda: run.table(title, columns, where)


def _is_shown(row: dict[str, Cell]) -> bool:
    return "random" not in str(next(iter(row.values())))


PATH, SCALE, FILES, CONTEXTS, KEYWORDS, ALIGNMENT, MANY = map(
    Run, ("path", "scale", "formats", "contexts", "keywords", "alignment", "many")
)
PEOPLE = {title: runs("people", title)[0] for title in ("speakers", "emotions", "keywords", "voices")}
FOUND = ("model", "said", "recall at 0.5", "false alarms", "recall at 1 false alarm")
SECTIONS = (
    Section(
        "How many hours of recording does an hour do?",
        "Times real time, a window every 40 ms (wav2vec2_sv 500 ms, byols 50 ms). \"The recording once\" is "
        "`context=recording`; wav2vec2_sv and byols have windows only. GPU: the recording once where there is that.",
        (*used(CPU), *used(GPU)),
        hours_per_hour,
    ),
    Section(
        "How much faster than transformers over windows?",
        "× public: transformers' own extractor and model over the same windows, in the same run. In brackets the "
        "windows in one batch, where they are not 250.",
        (CPU[0],),
        _of(
            CPU[0], "speed", "module", "way", "context", "windows/s", "× public", "% of peak",
            where=lambda row: row["way"] in ("torch, float32", "onnx, int8"),
        ),
    ),
    Section(
        "What does all but the model cost?",
        "Ten minutes of 48 kHz stereo from the file to the saved stream, a mean in place of the model. \"public\" is "
        "the way of the public modules.",
        (PATH,),
        _of(PATH, "the way around the model"),
    ),
    Section(
        "Does memory grow with the recording?",
        "emow2v's small stand-in, `context=recording`, each job a process of its own, as on a server.",
        (SCALE,),
        _of(SCALE, "emow2v, small model", "minutes", "seconds", "× real time", "peak memory, MB", "outputs, MB"),
    ),
    Section(
        "What does a format cost?",
        "23 minutes of emow2v's default outputs, its small model, `context=recording`, from the file to the results. "
        "CSV leaves out the embedding.",
        (FILES,),
        _of(FILES, "formats"),
    ),
    Section(
        "How far are the two contexts apart?",
        "Cosine between embeddings of the same windows in both contexts, small random models. \"edges\": the largest "
        "change of a value, as a share of the largest, when chunks begin elsewhere.",
        (CONTEXTS,),
        _of(CONTEXTS, "contexts", "module", "cosine, mean", "least", "of neighbours", "edges, overlap 2 s"),
    ),
    Section(
        "Who speaks: how often is the small model wrong?",
        "Equal error rate, and the least detection cost (target prior 0.05), of 540 trials of six LibriSpeech "
        "speakers. All recordings of a person are of one microphone, which the linear discriminant hears, too.",
        (PEOPLE["speakers"],),
        _of(PEOPLE["speakers"], "speakers", where=_is_shown),
    ),
    Section(
        "Emotions of people it never heard?",
        "Seven acted emotions, 64 clips by five actors, linear probes; the standard error of a recall of 60 % is 6.",
        (PEOPLE["speakers"],),
        _of(PEOPLE["speakers"], "emotions"),
    ),
    Section(
        "Keywords: what does the small model find in speech of people?",
        "Twelve words in 322 s by one woman whom it never heard. False alarms are per keyword and ten minutes.",
        (PEOPLE["keywords"],),
        _of(PEOPLE["keywords"], "keywords", *FOUND, where=_is_shown),
    ),
    Section(
        "And in that of a synthesiser's new voices?",
        "Twelve words in 780 s by four voices of Kokoro. They helped to choose the model: a little too good.",
        (PEOPLE["voices"],),
        _of(PEOPLE["voices"], "voices", *FOUND, where=_is_shown),
    ),
    Section(
        "Words and spoken examples, among words it does not know?",
        "Ten keywords, voices of espeak-ng, ten minutes each.",
        (KEYWORDS,),
        _of(KEYWORDS, "keywords", "method", "voices", "said", "recall", "false alarms", "recall at 1 false alarm"),
    ),
    Section(
        "A transcript with errors: are the times still right?",
        "Words of known times by two voices that the model of 106 words never heard. The last column forces every "
        "word, as forced alignment usually does.",
        (ALIGNMENT,),
        _of(
            ALIGNMENT, "alignment", "voices", "wrong words", "start: median, 95 %, ms", "within 50 ms",
            "within 50 ms, nothing skipped", where=lambda row: row["wrong words"] in ("0 %", "15 %", "30 %"),
        ),
    ),
    Section(
        "Thousands of short clips: is it faster to give them together?",
        "Clips of 2 s, small stand-ins, milliseconds a clip.",
        (MANY,),
        _of(MANY, "clips", "module", "windows of a clip", "one by one, ms a clip", "together", "ratio"),
    ),
    Section(
        "What does Ray cost beside plain processes?",
        "200 recordings, emow2v's small stand-in, two workers. Efficiency is processor time, plain by Ray.",
        (MANY,),
        _of(
            MANY, "ray", "seconds of a recording", "work, ms", "plain, CPU s", "Ray, CPU s", "efficiency",
            "without both starts",
        ),
    ),
)  # fmt: skip


def page() -> str:
    """The whole of BENCHMARKS.md."""
    return "\n".join([HEAD.rstrip(), *(line for section in SECTIONS for line in section.lines())]) + "\n"


def main() -> int:
    """Writes the page, or says whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        same = PAGE.read_text(encoding="utf-8") == page()
        print("BENCHMARKS.md is " + ("what the results give" if same else "older than the results"), file=sys.stderr)
        return not same
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
