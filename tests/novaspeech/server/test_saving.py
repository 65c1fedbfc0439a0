"""Outputs appear whole or not at all: killed writers, full and read-only disks, folders that vanish, long names."""

import errno
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from novaspeech.errors import NovaspeechError
from novaspeech.module.output import Output
from tests.conftest import small_disk
from tests.novaspeech.server.savers import NEW, OLD, SCORES, STREAM, Place, by_python, to_database, to_file

# Forked: it starts at once, has all this loaded, and may be killed without ending the tests.
FORK = multiprocessing.get_context("fork")


@pytest.fixture(params=["stream", "annotation", "database", "python", "python, annotation"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "database":
        return to_database(request.getfixturevalue("nova"))
    output = SCORES if "annotation" in request.param else STREAM
    return (by_python if "python" in request.param else to_file)(tmp_path, output)


def test_a_writer_that_is_killed_at_any_moment_leaves_old_or_new(place: Place) -> None:
    """Each is killed somewhere in its first writes; what it leaves is what the next finds."""

    def write() -> None:
        while True:
            place.save(*NEW)
            place.save(*OLD)

    place.save(*OLD)
    before = time.monotonic()
    place.save(*NEW)
    once = time.monotonic() - before
    chance, states = random.Random(1), set()  # noqa: S311
    for _ in range(10):
        writer = FORK.Process(target=write)
        writer.start()
        time.sleep(0.01 + chance.random() * 2 * once)
        assert writer.is_alive()
        writer.kill()
        writer.join()
        states.add(place.state())
    assert states <= {OLD, NEW, "nothing"}
    assert states & {OLD, NEW}, "the moment without a header is a short one"
    place.save(*NEW)
    assert place.state() == NEW


@pytest.mark.parametrize(("moves", "left"), [(0, OLD), (1, "nothing"), (2, "nothing"), (3, "nothing"), (4, NEW)])
def test_a_writer_that_is_killed_between_its_moves(tmp_path: Path, moves: int, left: Any) -> None:
    place = to_file(tmp_path, STREAM)
    place.save(*OLD)

    def write() -> None:
        break_after(moves, lambda: os.kill(os.getpid(), signal.SIGKILL))
        place.save(*NEW)

    writer = FORK.Process(target=write)
    writer.start()
    writer.join()
    assert writer.exitcode == (0 if moves == 4 else -signal.SIGKILL)
    assert place.state() == left
    place.save(*NEW)
    assert place.state() == NEW


def break_after(moves: int, end: Callable[[], None], patch: Any = setattr) -> None:
    """Calls `end` in place of the move after so many."""
    replace, done = Path.replace, []

    def counted(self: Path, target: Path) -> Path:
        done.append(target)
        if len(done) == moves + 1:
            end()
        return replace(self, target)

    patch(Path, "replace", counted)


@pytest.mark.parametrize("moves", range(4))
def test_a_move_that_fails_is_undone(tmp_path: Path, moves: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error")

    place = to_file(tmp_path, STREAM)
    place.save(*OLD)
    break_after(moves, fail, monkeypatch.setattr)
    with pytest.raises(NovaspeechError, match=r"embeddings.stream cannot be written \(Input/output error\): mend that"):
        place.save(*NEW)
    assert place.state() == OLD
    assert not place.hidden()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A real refusal of the kernel's, without a disk of one's own; Python ignores the signal that goes with it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_file_that_grows_too_large(place: Place) -> None:
    place.save(*OLD)
    with files_of_at_most(place.data.stat().st_size + 1000), pytest.raises(NovaspeechError) as refused:
        place.save(*NEW)
    assert f"{place.file} cannot be written (" in str(refused.value)
    reason = "only a part of it fitted" if place.file.suffix == ".stream" else "File too large"  # NumPy; Python
    assert f"({reason}): " in str(refused.value)
    assert "(ulimit -f)" in str(refused.value)
    assert str(refused.value).endswith("; an earlier one is unchanged")
    assert place.state() == OLD
    assert not place.hidden()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    with small_disk(tmp_path / "disk", "2m") as folder:
        yield folder


@pytest.mark.parametrize("make", [to_file, by_python])
@pytest.mark.parametrize("output", [STREAM, SCORES], ids=["stream", "annotation"])
def test_a_full_disk(disk: Path, make: Any, output: Output) -> None:
    place = make(disk, output)
    place.save(*OLD)
    (disk / "filler").write_bytes(bytes(2**20 if output is STREAM else 2**21 - 2**17))
    with pytest.raises(NovaspeechError) as refused:
        place.save(*NEW)
    assert str(refused.value).startswith(f"{place.file} cannot be written (")
    assert "): make room on the disk" in str(refused.value)
    assert place.state() == OLD
    assert not place.hidden()
    (disk / "filler").unlink()
    place.save(5000, 0.5)
    assert place.state() == (5000, 0.5)


def test_a_full_disk_on_which_numpy_says_nothing(disk: Path) -> None:
    """The last block that it writes is lost without a word."""
    place = to_file(disk, STREAM)
    filler = (disk / "filler").open("wb")
    with filler, suppress(OSError):
        while True:
            os.write(filler.fileno(), bytes(4096))
    os.truncate(disk / "filler", (disk / "filler").stat().st_size - 4096)  # room for the header alone
    with pytest.raises(NovaspeechError, match=r"cannot be written \(only a part of it fitted\): make room on the d"):
        place.save(2, 0.5)
    assert place.state() == "nothing"
    assert [file.name for file in disk.iterdir()] == ["filler"]


def test_a_disk_that_became_read_only(disk: Path) -> None:
    place = to_file(disk, STREAM)
    place.save(*OLD)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(NovaspeechError, match=rf"{place.file} cannot be written \(Read-only file system\): make"):
        place.save(5000, 0.5)
    assert place.state() == OLD


def test_a_folder_that_vanished(place: Place) -> None:
    shutil.rmtree(place.file.parent)
    if place.file.name.startswith("made."):  # Result.save makes it
        place.save(*OLD)
        assert place.state() == OLD
        return
    with pytest.raises(NovaspeechError, match=rf"{place.file} cannot be written \(No such .*\): its folder is gone"):
        place.save(*OLD)
