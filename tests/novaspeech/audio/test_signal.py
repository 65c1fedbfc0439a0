import errno
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from novaspeech.audio import signal as module
from novaspeech.audio.signal import Signal
from novaspeech.errors import RecordingError
from tests.conftest import ROOT

RATE = 1000
SAMPLES = np.random.default_rng(0).standard_normal(40 * RATE).astype(np.float32)


@pytest.fixture(params=["memory", "file"])
def signal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Signal:
    monkeypatch.setattr(module, "SECONDS_IN_MEMORY", 30 if request.param == "file" else 300)
    return Signal(RATE, np.array_split(SAMPLES.copy(), 7))


def test_any_part_can_be_read_in_any_order(signal: Signal) -> None:
    assert signal.samples == len(SAMPLES)
    for start, stop in ((0, 40_000), (39_999, 40_000), (5, 5), (0, 1), (17_000, 33_333), (100, 200)):
        np.testing.assert_array_equal(signal.read(start, stop), SAMPLES[start:stop])
    np.testing.assert_array_equal(np.concatenate(list(signal.blocks())), SAMPLES)
    assert max(len(block) for block in signal.blocks()) == 5 * RATE


def test_what_is_read_is_the_callers_own(signal: Signal) -> None:
    signal.read(0, 10)[:] = 7
    np.testing.assert_array_equal(signal.read(0, 10), SAMPLES[:10])


def test_a_begin_can_be_blanked_and_all_be_divided(signal: Signal) -> None:
    signal.settle(divisor=2, blank=100)
    assert np.isnan(signal.read(0, 100)).all()
    np.testing.assert_array_equal(signal.read(100, 300), SAMPLES[100:300] / 2)


def test_threads_do_not_disturb_each_other(signal: Signal) -> None:
    same: list[bool] = []

    def read(seed: int) -> None:
        starts = np.random.default_rng(seed).integers(0, 39_000, 200).tolist()
        same.extend(np.array_equal(signal.read(start, start + 1000), SAMPLES[start : start + 1000]) for start in starts)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * 800


def test_of_a_killed_process_nothing_is_left(tmp_path: Path) -> None:
    code = (
        "import numpy as np, os, signal\n"
        "from novaspeech.audio.signal import Signal\n"
        "kept = Signal(16000, (np.zeros(80000, np.float32) for _ in range(100)))\n"
        "assert kept.samples == 8_000_000\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {"PYTHONPATH": str(ROOT / "modules"), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == -9
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mock: no disk of a test machine may be filled."""

    class Full:
        def write(self, data: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("TMP_DIR", str(tmp_path))
    monkeypatch.setattr(module.tempfile, "TemporaryFile", lambda **more: Full())
    monkeypatch.setattr(module, "SECONDS_IN_MEMORY", 10)
    with pytest.raises(RecordingError, match=r"^talk.wav does not fit into .* \(No space left on device\): an hour"):
        Signal(RATE, [SAMPLES], "talk.wav")
