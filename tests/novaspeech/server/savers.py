"""Outputs on their way to the disk, by each way there is, and what lies there afterwards."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from discover_utils.data.handler.file_handler import FileHandler
from discover_utils.data.provider.data_manager import SessionManager

from novaspeech.inference.engine import Windows
from novaspeech.module.output import Output
from novaspeech.module.results import build_outputs
from novaspeech.result import Result
from tests.novaspeech.module.test_outputs import manager, opened
from tests.novaspeech.server.conftest import DATASET, Nova, stream

STREAM, SCORES = Output("embeddings"), Output("valence", "annotation:Continuous")
OLD, NEW = (3000, 0.25), (40_000, 0.75)  # rows, and the value in each


def found(rows: int, value: float) -> dict[str, Windows]:
    usable = np.ones(rows, bool)
    return {
        "embeddings": Windows(np.full((rows, 64), value, np.float32), usable),
        "valence": Windows(np.full((rows, 1), value, np.float32), usable),
    }


class Place:
    """Where an output goes, and who saves it."""

    def __init__(self, save: Callable[[int, float], None], file: Path) -> None:
        self.save = save
        self.file = file
        self.data = Path(f"{file}~")

    def state(self) -> str | tuple[int, float]:
        """Rows and value of what lies there, "nothing" without a header; fails if it is a part or a mix."""
        if not self.file.exists():
            return "nothing"
        loaded = FileHandler().load(self.file)
        values = loaded.data["score"] if self.file.suffix == ".annotation" else loaded.data
        claimed = int(loaded.meta_data.chunks["num"][0]) if self.file.suffix == ".stream" else len(values)
        assert len(values) == claimed, f"the header claims {claimed} rows, {len(values)} are there"
        assert len(np.unique(values)) == 1, "rows of several outputs"
        return len(values), float(values.flat[0])

    def hidden(self) -> list[Path]:
        return list(self.file.parent.glob(".*"))


def through_host(session: SessionManager, output: Output, file: Path) -> Place:
    """As du-process does with what `to_output` gives."""
    state = opened(session, outputs=[output])

    def save(rows: int, value: float) -> None:
        session.output_data_templates.update(build_outputs(state, found(rows, value)))
        session.save()

    return Place(save, file)


def by_python(folder: Path, output: Output) -> Place:
    state = opened(manager(folder, {"id": output.id}), outputs=[output])

    def save(rows: int, value: float) -> None:
        Result("own", state, found(rows, value), named=True).save(folder, overwrite=True)

    return Place(save, folder / f"made.own.{output.id}.{output.kind}")


def to_database(nova: Nova) -> Place:
    context = {"db_host": "x", "db_port": 1, "db_user": "x", "db_password": "x", "data_dir": nova.data}
    session = SessionManager(DATASET, [stream("embeddings", "e")], "monday", {"db": context})
    return through_host(session, STREAM, nova.data / DATASET / "monday" / "room.e.stream")


def to_file(folder: Path, output: Output) -> Place:
    session = manager(folder, {"id": output.id})
    return through_host(session, output, Path(session.data_description[0]["uri"]))
