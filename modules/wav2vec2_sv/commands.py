"""`novaspeech verify`: do two recordings have the same speaker, and how often is such an answer wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from novaspeech.audio.buffer import FloatArray
from novaspeech.audio.recording import Recording
from novaspeech.errors import NovaspeechError, RequestError
from novaspeech.inference.encoder import choose_device
from novaspeech.models import weights
from wav2vec2_sv.encoder import SpeakerEncoder, speaker_of
from wav2vec2_sv.network import PUBLISHED, THRESHOLD
from wav2vec2_sv.trials import draw_det, equal_error_rate, error_rates, read_trials

WINDOW_MS = 3000  # as in the module's trainer


def load_encoder(model: str | None, device: str = "auto") -> SpeakerEncoder:
    """The encoder in a Hub id or folder; None for the published one.

    Raises:
        OptionError, WeightsError: no such device or model.
    """
    disable_progress_bar()  # of loading weights
    return SpeakerEncoder(weights.model_folder(model or PUBLISHED, "wav2vec2"), choose_device(device))


def verify(first: Sequence[Path], second: Sequence[Path], encoder: SpeakerEncoder, threshold: float | None) -> int:
    """Prints the cosine of two speakers, each known by one or several recordings, and what it means; gives 0.

    Args:
        threshold: from -1 to 1; None for the module's.

    Raises:
        RecordingError, RequestError: a recording that cannot be used.
    """
    threshold = THRESHOLD if threshold is None else threshold
    cosine = float(_vector(first, encoder) @ _vector(second, encoder))
    answer = "the same speaker" if cosine >= threshold else "different speakers"
    print(f"cosine {cosine:.4f}: {answer}")
    print(
        f"From {threshold:g} on two voices count as one. Microphone, room, language and model move that number: find "
        f"yours with --trials on recordings like these."
    )
    return 0


def verify_trials(file: Path, root: Path | None, encoder: SpeakerEncoder, picture: Path | None) -> int:
    """Scores a list of trials, prints the equal error rate and its threshold, and draws the DET curve.

    A recording that cannot be used is listed on standard error, and its trials are left out.

    Args:
        file, root: see `read_trials`.
        picture: the PNG; None for one beside the list.

    Returns:
        0, or 1 if trials were left out.

    Raises:
        RequestError: the list cannot be read, or too few trials are left.
    """
    trials = read_trials(file, root)
    picture = picture or file.with_suffix(".det.png")
    if picture.suffix != ".png" or not os.access(picture.parent, os.W_OK):
        raise RequestError(f"the DET curve cannot be written to {picture}; name a .png in a folder of yours with --out")
    vectors: dict[Path, FloatArray] = {}
    files = sorted({path for trial in trials for path in (trial.first, trial.second)})
    for path in tqdm(files, unit="recording", dynamic_ncols=True, disable=None):
        try:
            vectors[path] = _vector([path], encoder)
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
    return 0 if len(scored) == len(trials) else 1


def _vector(files: Sequence[Path], encoder: SpeakerEncoder) -> FloatArray:
    """(D,) of unit length: the mean of some recordings' vectors."""
    recordings = [Recording.open(file) for file in files]
    log = partial(print, file=sys.stderr)
    vectors = [speaker_of(one, encoder, min(WINDOW_MS, one.duration_ms), log=log) for one in recordings]
    mean = np.sum(vectors, axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)
