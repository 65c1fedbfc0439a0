"""What is refused before the work, and what else lies where an output goes."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from discover_utils.data.handler.file_handler import FileHandler
from discover_utils.data.provider.data_manager import SessionManager
from discover_utils.data.stream import SSIStream

from novaspeech.errors import NovaspeechError, RequestError
from novaspeech.module.checks import requested_outputs
from novaspeech.server.request import Request
from tests.novaspeech.module.test_outputs import manager
from tests.novaspeech.server.conftest import DATASET, Nova, stream
from tests.novaspeech.server.savers import NEW, OLD, STREAM, through_host, to_file


def test_an_output_that_is_protected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root may write everything, what the system would say to others is put in its mouth."""
    place = to_file(tmp_path, STREAM)
    place.save(*OLD)
    opened_as_ever = Path.open

    def refuse(path: Path, mode: str = "r", *more: Any, **others: Any) -> Any:
        if path == place.file and mode == "r+b":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened_as_ever(path, mode, *more, **others)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RequestError, match="output 'embeddings': .*embeddings.stream cannot be written"):
        requested_outputs(Request(manager(tmp_path, {"id": "embeddings"})), [STREAM], 25)
    with pytest.raises(NovaspeechError, match=r"cannot be written \(Permission denied\): it or its folder may not be"):
        place.save(*NEW)
    assert place.state() == OLD


def test_a_folder_in_the_datas_place(tmp_path: Path) -> None:
    place = to_file(tmp_path, STREAM)
    place.data.mkdir()
    (place.data / "kept").touch()
    with pytest.raises(NovaspeechError, match="there is a folder of that name; move it away"):
        place.save(*NEW)
    assert (place.data / "kept").exists()


def test_what_others_save_is_saved_as_ever(tmp_path: Path) -> None:
    """In place, in the same thread, by the handler that is ours by now."""
    to_file(tmp_path, STREAM).save(*OLD)
    theirs, file = SSIStream(data=np.zeros((3, 2), np.float32), sample_rate=1), tmp_path / "theirs.stream"
    FileHandler().save(theirs, file)
    before = file.stat().st_ino
    FileHandler().save(theirs, file)
    assert file.stat().st_ino == before
    handler = FileHandler.save
    to_file(tmp_path, STREAM).save(*OLD)
    assert FileHandler.save is handler, "patched once"


def test_folders_of_writers_killed_long_ago_are_removed(tmp_path: Path) -> None:
    place = to_file(tmp_path, STREAM)
    for name, age_h in ((".novaspeech-long", 25), (".novaspeech-now", 1), (".of-others", 25)):
        left = tmp_path / name
        left.mkdir()
        (left / "x.stream~").touch()
        os.utime(left, (time.time() - age_h * 3600,) * 2)
    place.save(*OLD)
    assert sorted(file.name for file in place.hidden()) == [".novaspeech-now", ".of-others"]


@pytest.mark.parametrize(("length", "refused"), [(254, False), (255, True), (256, True)])
def test_a_name_too_long_is_said_before_the_work(tmp_path: Path, length: int, refused: bool) -> None:
    """The data's file has one letter more."""
    file = tmp_path / f"{'é' * 10}{'x' * (length - 27)}.stream"
    assert len(os.fsencode(file.name)) == length
    session = manager(tmp_path, {"id": "embeddings", "uri": str(file)})
    if not refused:
        place = through_host(session, STREAM, file)
        place.save(*OLD)
        assert place.state() == OLD
        return
    with pytest.raises(RequestError, match=r"output 'embeddings': the name of /.*\.stream is too long; give a shorter"):
        requested_outputs(Request(session), [STREAM], 25)


def test_the_databases_streams_are_checked_before_the_work(nova: Nova) -> None:
    def ask(name: str, **context: Any) -> None:
        asked = SessionManager(DATASET, [stream("embeddings", name)], "monday", {"db": context})
        requested_outputs(Request(asked), [STREAM], 25)

    login = {"db_host": "x", "db_port": 1, "db_user": "x", "db_password": "x"}
    ask("e", data_dir=nova.data, **login)
    with pytest.raises(RequestError, match=r"the name of /.*/monday/room\.xx*\.stream is too long"):
        ask("x" * 243, data_dir=nova.data, **login)
    with pytest.raises(RequestError, match=r"the server was started without a folder for its data \(--data_dir\)"):
        ask("e", data_dir=None, **login)
    shutil.rmtree(nova.data / DATASET / "monday")
    with pytest.raises(RequestError, match=r"output 'embeddings': there is no folder /.*/lessons/monday; make it"):
        ask("e", data_dir=nova.data, **login)
