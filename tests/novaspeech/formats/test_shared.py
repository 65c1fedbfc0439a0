"""A TextGrid and an EAF belong to a recording: processes that add tiers at the same moment keep each other's."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from novaspeech.formats.files import tiers_in
from novaspeech.formats.places import save_tracks
from novaspeech.formats.track import Track, Tracks
from novaspeech.segments import Segment

ROUNDS = 12


def add(folder: Path, form: str, who: str, barrier: "multiprocessing.synchronize.Barrier") -> None:
    """Adds a tier and a table of scores a round, under a name of its own."""
    for number in range(ROUNDS):
        words = Track.of_segments(f"{who}{number}", [Segment(0, 500, "yes", 0.5)])
        scores = Track(
            f"s{number}", "scores", np.array([[0.0, 0.04]]), np.zeros(1, np.float32), module=f"{who}{number}"
        )
        barrier.wait(60)
        save_tracks(Tracks("talk", None, 1.0, (words, scores)), form, folder)


@pytest.mark.parametrize("form", ["textgrid", "eaf"])
def test_processes_that_write_one_file_at_once_keep_each_others_tiers(form: str, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    processes = [context.Process(target=add, args=(tmp_path, form, who, barrier)) for who in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    own = {f"{who}{number}" for who in "ab" for number in range(ROUNDS)}
    [shared] = [file for file in tmp_path.iterdir() if file.suffix.lower() == f".{form}"]
    assert {tier for tier in tiers_in(shared) if "confidence" not in tier} == own
    if form == "eaf":
        series = (tmp_path / "talk_tsconf.xml").read_text(encoding="utf-8")
        assert all(f"talk.{name}.scores.csv" in series for name in own)
    assert {file.suffix for file in tmp_path.iterdir()} <= {".TextGrid", ".eaf", ".csv", ".xml"}
