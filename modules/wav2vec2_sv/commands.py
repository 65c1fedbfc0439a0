"""`novaspeech verify`: whether two recordings have the same speaker, and how often such an answer is wrong."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaspeech.errors import NovaspeechError, OptionError, RequestError
from novaspeech.terminal.arguments import add_model_arguments, load_model, new_command

if TYPE_CHECKING:
    from novaspeech.arrays import FloatArray
    from novaspeech.inference.engine import Inference

WINDOW_MS = 3000  # length of a window, the same as in the module's trainer


def add_commands(commands: Any) -> None:
    """Adds `verify` to the subparsers of `novaspeech`."""
    verify = new_command(commands, "verify", _verify, help="compare speakers")
    verify.add_argument("audio", nargs="*", type=Path, help="two recordings; with --against as many as you like")
    verify.add_argument("--against", nargs="+", type=Path, metavar="AUDIO", help="recordings of the other speaker")
    verify.add_argument("--trials", type=Path, metavar="FILE", help="a list, lines as `1 a.wav b.wav` (1: the same)")
    verify.add_argument("--root", type=Path, metavar="DIR", help="where the list's paths start (default: its folder)")
    verify.add_argument("--out", type=Path, metavar="PNG", help="the DET curve of a list (default: beside it)")
    verify.add_argument(
        "--threshold", type=float, help="cosine from which on it is the same speaker (default: the model's)"
    )
    add_model_arguments(verify)


def _verify(given: argparse.Namespace) -> int:
    """Says whether two recordings have the same speaker, or with --trials how often such an answer is wrong.

    Examples:
        novaspeech verify a.wav b.wav
        novaspeech verify a.wav --against b.wav c.wav
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
    model = load_model("wav2vec2_sv", model=given.model, device=given.device)
    inference = model.processor.inference(partial(print, file=sys.stderr))
    if listed:
        return verify_trials(given.trials, given.root, inference, given.out)
    threshold: float | None = given.threshold
    if threshold is None:
        assert isinstance(inference.encoder, SpeakerEncoder)
        threshold = inference.encoder.threshold
    cosine = float(_vector(first, inference) @ _vector(second, inference))
    answer = "the same speaker" if cosine >= threshold else "different speakers"
    print(f"cosine {cosine:.4f}: {answer}")
    print(
        f"From {threshold:g} on two voices count as one. Microphone, room, language and model move that number: find "
        f"yours with --trials on recordings like these."
    )
    return 0


def verify_trials(file: Path, root: Path | None, inference: Inference, picture: Path | None) -> int:
    """Scores a list of trials, prints the equal error rate and its threshold, and draws the DET curve.

    A recording that cannot be used is listed on standard error. Its trials are left out, and the exit status is 1.
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
            vectors[path] = _vector([path], inference)
        except NovaspeechError as error:
            print(f"novaspeech: left out: {error}", file=sys.stderr)
    scored = [trial for trial in trials if trial.first in vectors and trial.second in vectors]
    scores = np.array([vectors[trial.first] @ vectors[trial.second] for trial in scored], np.float64)
    thresholds, misses, alarms = error_rates(scores, np.array([trial.same for trial in scored], bool))
    rate, threshold = equal_error_rate(thresholds, misses, alarms)
    print(f"{len(scored)} of {len(trials)} trials, {sum(trial.same for trial in scored)} of the same speaker")
    print(f"equal error rate {100 * rate:.2f} % at the threshold {threshold:.4f}")
    draw_det(misses, alarms, rate, picture)
    print(picture)
    return int(len(scored) < len(trials))


def _vector(files: Sequence[Path], inference: Inference) -> FloatArray:
    """The mean (D,) of some recordings' vectors, at unit length."""
    import numpy as np

    from novaspeech.audio.recording import Recording
    from wav2vec2_sv.encoder import speaker_of

    recordings = [Recording.open(file) for file in files]
    vectors = [speaker_of(one, inference, min(WINDOW_MS, one.duration_ms)) for one in recordings]
    mean = np.sum(vectors, axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)
