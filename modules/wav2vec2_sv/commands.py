"""`novaspeech verify`: whether two recordings have the same speaker, and how often such an answer is wrong."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaspeech.errors import NovaspeechError, OptionError, RequestError
from novaspeech.terminal.arguments import add_model_arguments, load_model, new_command, options_given

if TYPE_CHECKING:
    from novaspeech.arrays import FloatArray
    from novaspeech.audio.excerpt import Audio
    from novaspeech.module.processor import SpeechProcessor

    VectorOf = Callable[[Sequence[Audio]], FloatArray]

_COLUMNS = ("file", "against", "cosine", "same")
WINDOW_MS = 3000  # length of a window, the same as in the module's trainer


def add_commands(commands: Any) -> None:
    """Adds `verify` to the subparsers of `novaspeech`."""
    verify = new_command(commands, "verify", _verify, module="wav2vec2_sv", help="compare speakers")
    verify.add_argument(
        "audio", nargs="*", help="two recordings; with --against as many as you like, also folders and patterns"
    )
    verify.add_argument("--against", nargs="+", metavar="AUDIO", help="recordings of the other speaker")
    verify.add_argument("--trials", type=Path, metavar="FILE", help="a list, lines as `1 a.wav b.wav` (1: the same)")
    verify.add_argument("--root", type=Path, metavar="DIR", help="where the list's paths start (default: its folder)")
    verify.add_argument("--out", type=Path, metavar="PNG", help="the DET curve of a list (default: beside it)")
    verify.add_argument(
        "--threshold", type=float, help="cosine from which on it is the same speaker (default: the model's)"
    )
    verify.add_argument("--csv", action="store_true", help="a row for each pair, comma-separated, for other programs")
    add_model_arguments(verify)


def _verify(given: argparse.Namespace) -> int:
    """Says whether two recordings have the same speaker, or with --trials how often such an answer is wrong.

    Examples:
        novaspeech verify a.wav b.wav
        novaspeech verify talks --against anna1.wav anna2.wav --csv
        novaspeech verify --trials list.txt --root voices
    """
    from wav2vec2_sv.encoder import SpeakerEncoder

    first, second = (given.audio, given.against) if given.against else (given.audio[:1], given.audio[1:])
    pair = bool(first and second) and (given.against is not None or len(second) == 1)
    listed = given.trials is not None and not (given.audio or given.against or given.threshold is not None)
    if not listed and (not pair or given.trials or given.root or given.out):
        raise RequestError(
            "verify takes two recordings, or some --against some, and --threshold; or --trials FILE, --root and --out"
        )
    if given.threshold is not None and not -1 <= given.threshold <= 1:
        raise OptionError(f"--threshold is {given.threshold}; it must be a cosine, from -1 to 1")
    files, against = _files(first or []), _files(second or [])
    model = load_model("wav2vec2_sv", **options_given(given))
    vector_of = partial(_vector, model.processor)
    if listed:
        return verify_trials(given.trials, given.root, vector_of, given.out, as_csv=given.csv)
    threshold: float | None = given.threshold
    if threshold is None:
        assert isinstance(model.encoder, SpeakerEncoder)
        threshold = model.encoder.threshold
    if len(files) > 1 or given.csv:
        return _compare(files, against, vector_of, threshold, as_csv=given.csv)
    cosine = float(vector_of(list(files.values())) @ vector_of(list(against.values())))
    answer = "the same speaker" if cosine >= threshold else "different speakers"
    print(f"cosine {cosine:.4f}: {answer}")
    print(
        f"From {threshold:g} on two voices count as one. Microphone, room, language and model move that number: find "
        f"yours with --trials on recordings like these."
    )
    return 0


def _files(entries: Sequence[str]) -> dict[str, Audio]:
    """The recordings that are meant, by what tables call them, in the order of these; parts of one by their ids."""
    from novaspeech.corpus.rows import read_rows
    from novaspeech.corpus.store import is_url
    from novaspeech.corpus.worker import audio_of

    rows = read_rows(entries, partial(print, file=sys.stderr))
    if distant := next((row.place for row in rows if is_url(row.place)), None):
        raise RequestError(f"{distant} is at a URL; verify compares files on this machine")
    named = {row.id if row.is_part else row.file: audio_of(row, Path(row.place)) for row in rows}
    return dict(sorted(named.items()))


def _compare(
    files: Mapping[str, Audio], against: Mapping[str, Audio], vector_of: VectorOf, threshold: float, *, as_csv: bool
) -> int:
    """Lists for each recording whether it is the speaker of others; those that cannot be used are said."""
    other, name, failed = vector_of(list(against.values())), " + ".join(against), False
    layout = f"{{:<{max(map(len, [*files, 'file']))}}}  {{:<{max(len(name), 7)}}}  {{:>7}}  {{}}"
    write = csv.writer(sys.stdout, lineterminator="\n").writerow if as_csv else lambda row: print(layout.format(*row))
    write(_COLUMNS)
    for file, audio in files.items():
        try:
            cosine = float(vector_of([audio]) @ other)
        except NovaspeechError as error:
            print(f"novaspeech: {error}", file=sys.stderr)
            failed = True
            continue
        write((file, name, f"{cosine:.4f}", cosine >= threshold))
    return int(failed)


def verify_trials(
    file: Path, root: Path | None, vector_of: VectorOf, picture: Path | None, *, as_csv: bool = False
) -> int:
    """Scores a list of trials, prints the equal error rate and its threshold, and draws the DET curve.

    A recording that cannot be used is listed on standard error. Its trials are left out, and the exit status is 1.

    Args:
        vector_of: gives the mean (D,) of some recordings' vectors.
        as_csv: lists the score of each trial, `same` as the list has it, and says the rest on standard error.
    """
    import numpy as np
    from tqdm import tqdm

    from novaspeech.saving import takes_files
    from wav2vec2_sv.trials import draw_det, equal_error_rate, error_rates, read_trials

    trials = read_trials(file, root)
    picture = picture or file.with_suffix(".det.png")
    if picture.suffix != ".png" or not takes_files(picture.parent):
        raise RequestError(f"the DET curve cannot be written to {picture}; name a .png in a folder of yours with --out")
    vectors: dict[Path, FloatArray] = {}
    files = sorted({path for trial in trials for path in (trial.first, trial.second)})
    for path in tqdm(files, unit="recording", dynamic_ncols=True, disable=None):
        try:
            vectors[path] = vector_of([path])
        except NovaspeechError as error:
            print(f"novaspeech: left out: {error}", file=sys.stderr)
    scored = [trial for trial in trials if trial.first in vectors and trial.second in vectors]
    scores = np.array([vectors[trial.first] @ vectors[trial.second] for trial in scored], np.float64)
    thresholds, misses, alarms = error_rates(scores, np.array([trial.same for trial in scored], bool))
    rate, threshold = equal_error_rate(thresholds, misses, alarms)
    if as_csv:
        rows = ((one.first, one.second, f"{score:.4f}", one.same) for one, score in zip(scored, scores, strict=True))
        csv.writer(sys.stdout, lineterminator="\n").writerows([_COLUMNS, *rows])
    say = partial(print, file=sys.stderr if as_csv else sys.stdout)
    say(f"{len(scored)} of {len(trials)} trials, {sum(trial.same for trial in scored)} of the same speaker")
    say(f"equal error rate {100 * rate:.2f} % at the threshold {threshold:.4f}")
    draw_det(misses, alarms, rate, picture)
    say(picture)
    return int(len(scored) < len(trials))


def _vector(processor: SpeechProcessor, audio: Sequence[Audio]) -> FloatArray:
    """The mean (D,) of some recordings' vectors, at unit length."""
    import numpy as np

    from wav2vec2_sv.encoder import speaker_of

    inference = processor.inference(partial(print, file=sys.stderr))
    recordings = [processor.open_audio(one, "the recording", processor.options.channel) for one in audio]
    vectors = [speaker_of(one, inference, min(WINDOW_MS, one.duration_ms)) for one in recordings]
    mean = np.sum(vectors, axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)
