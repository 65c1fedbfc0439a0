from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Job
from tests.wav2vec2_sv.test_wav2vec2_sv import almost_silent

Run = Callable[..., Job]
Write = Callable[..., Path]


@pytest.mark.parametrize("frame", ["300ms", "312ms", "324ms"])  # 4,800 samples raise in transformers, 5,000 give NaN
def test_shorter_windows_are_refused_with_that_number(run_sv: Run, talk: Path, frame: str) -> None:
    job = run_sv(talk, frame_size=frame, left_context="0", right_context="0")
    assert job.code == 1
    assert f"windows of {frame[:3]} ms" in job.printed
    assert "are too short for this model, which needs 325 ms" in job.printed


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (
            {"0": {"name": "noise"}, "1": "speech"},
            "its scheme has no class 'same_speaker', only 'noise', 'speech'",
        ),
        ({"first": {"name": "same_speaker"}}, "classes must be numbers with names, such as"),
        ({"0": {"title": "same_speaker"}}, "classes must be numbers with names, such as"),
    ],
)
def test_classes_that_cannot_be_used(run_sv: Run, talk: Path, somebody: Path, classes: Any, message: str) -> None:
    job = run_sv(talk, ("same_speaker",), somebody, fields={"same_speaker": {"classes": classes}})
    assert job.code == 1
    assert f"output 'same_speaker': {message}" in job.printed


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.full(46400, 0.1), "somebody.wav has 2900 ms; to know a speaker by, 3000 ms are needed, one window"),
        (almost_silent("zeros", 4), "somebody.wav holds silence; to know a speaker by, some seconds of speech are"),
        (almost_silent("offset", 4), "somebody.wav holds silence"),
        (almost_silent("last bit", 4), "somebody.wav holds silence"),
        (np.full(64000, np.nan), "somebody.wav holds NaN or infinite samples in every window"),
    ],
    ids=["short", "zeros", "offset", "last bit", "nan"],
)
def test_references_that_cannot_be_used(
    run_sv: Run, talk: Path, mono: Write, samples: np.ndarray, message: str
) -> None:
    somebody = mono("somebody.wav", samples)
    job = run_sv(talk, ("similarity",), somebody)
    assert job.code == 1
    assert message in job.printed
    assert not job.outputs["similarity"].exists()
    assert run_sv(talk, ("embeddings",), somebody, name="not-needed").code == 0


def test_no_reference(run_sv: Run, talk: Path, tmp_path: Path) -> None:
    for output in ("similarity", "same_speaker"):
        job = run_sv(talk, (output,))
        assert job.code == 1
        assert "the request needs an audio input with the id 'reference'; its inputs are: 'audio'" in job.printed
    job = run_sv(talk, ("similarity",), tmp_path / "nobody.wav")
    assert "nobody.wav does not exist; give the path of an audio file" in job.printed


def test_a_reference_longer_than_the_recording_is_remarked(run_sv: Run, talk: Path, somebody: Path) -> None:
    job = run_sv(somebody, ("similarity",), talk)
    assert job.code == 0
    assert "the reference is longer than the recording: are they exchanged?" in job.printed
