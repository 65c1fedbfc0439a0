"""Fixtures: a small model, speech in many formats, and jobs run by the host's own du-process in this process."""

import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest
import soundfile
from discover_utils.data.handler.file_handler import FileHandler
from discover_utils.scripts import process

from demo.standins import make_standin
from emow2v.network import SCORES
from novaspeech.command.main import main
from novaspeech.module.catalogue import Trainer, load_trainer, standins
from novaspeech.module.output import Output
from tasks import PROGRAMS

ROOT = Path(__file__).resolve().parents[1]
SYNTHETIC = ROOT / "tests" / "data" / "synthetic"  # two voices of espeak-ng
SPEECH = SYNTHETIC / "recording.flac"
SPELLER = ROOT / "tests" / "data" / "speller"  # knows the words that the tests' recordings are made of


# What takes longest: one process of pytest begins with the servers, the other with clusters and exports.
SLOW = (
    ("tests/real_servers/test_discover_venv", "tests/real_servers", "tests/test_demo"),
    ("tests/repository/test_wheel", "tests/novaspeech/corpus/test_ray", "tests/novaspeech/test_export"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts what takes longest first in either half: each process begins with one, and takes from the other's end."""
    groups: list[list[pytest.Item]] = [
        sorted(
            (item for item in items if item.nodeid.startswith(names)),
            key=lambda item: next(rank for rank, name in enumerate(names) if item.nodeid.startswith(name)),
        )
        for names in SLOW
    ]
    others = [item for item in items if not item.nodeid.startswith((*SLOW[0], *SLOW[1]))]
    middle = max(0, len(items) // 2 - len(groups[0]))
    items[:] = [*groups[0], *others[:middle], *groups[1], *others[middle:]]


def only_listed_programs(event: str, arguments: tuple[Any, ...]) -> None:
    """Python's audit hook: a test fails that starts a program which `tasks.py` does not install for tests."""
    if event != "subprocess.Popen":
        return
    program = os.fsdecode(arguments[0] or arguments[1][0])
    caller = sys._getframe(1)
    while caller.f_back and caller.f_code.co_filename == subprocess.__file__:
        caller = caller.f_back
    ours = Path(caller.f_code.co_filename).is_relative_to(ROOT) and ".venv" not in caller.f_code.co_filename
    if ours and program == Path(program).name and "tests" not in PROGRAMS.get(program, ("", ""))[1].replace(":", " "):
        raise AssertionError(f"{program} is started here, and PROGRAMS in tasks.py has it not for tests")


sys.addaudithook(only_listed_programs)


def outputs_of(trainer: Trainer) -> tuple[Output, ...]:
    """What a module can give, as its class says."""
    script = importlib.import_module(f"{trainer.name}.{trainer.name}")
    found: tuple[Output, ...] = getattr(script, trainer.content.model_create).outputs
    return found


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A name and what writes a place → the place; the first of pytest's processes that asks makes it for all."""
    base = tmp_path_factory.getbasetemp()
    base = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    base.mkdir(exist_ok=True)

    def place(name: str, make: Callable[[Path], object]) -> Path:
        with filelock.FileLock(base / f"{name}.lock"):
            if not (base / f"{name}.made").exists():
                make(base / name)
                (base / f"{name}.made").touch()
        return base / name

    return place


@pytest.fixture(scope="session")
def models(shared: Callable[..., Path]) -> dict[str, Path]:
    """Name of each module with weights → its small model."""
    return {name: shared(name, partial(make_standin, name)) for name in standins()}


@pytest.fixture(scope="session")
def small_model(models: dict[str, Path]) -> Path:
    return models["w2v_bert_2"]


@pytest.fixture(scope="session")
def small_emow2v(models: dict[str, Path]) -> Path:
    return models["emow2v"]


@pytest.fixture(scope="session")
def exported(shared: Callable[..., Path]) -> Callable[[str, Path, str], Path]:
    """Module, its model's folder and a precision → the folder that `novaspeech export` writes."""

    def export(module: str, model: Path, precision: str = "float32") -> Path:
        def make(out: Path) -> None:
            words = ["export", module, "--model", str(model), "--precision", precision, "--out", str(out)]
            assert main(words) == 0

        digest = hashlib.sha256(str(model).encode()).hexdigest()[:8]
        return shared(f"{module}-{precision}-{digest}", make)

    return export


@pytest.fixture
def speech(tmp_path: Path) -> Callable[..., Path]:
    """Writes some seconds of the demo's recording in a format that ffmpeg knows."""

    def write(name: str, *arguments: str, seconds: float = 2.0) -> Path:
        path = tmp_path / name
        command = ["ffmpeg", "-v", "error", "-y", "-t", str(seconds), "-i", str(SPEECH), *arguments, str(path)]
        subprocess.run(command, check=True)
        return path

    return write


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Inside, a new folder is a disk of so much, such as "2m"; skips the test where none may be made."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    may = shutil.which("mount") and not os.geteuid()
    if not may or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk, by mount; without: test_a_file_that_grows_too_large")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def mono(tmp_path: Path) -> Callable[..., Path]:
    """Writes an array as a 16 kHz float WAV."""

    def write(name: str, samples: np.ndarray, rate: int = 16000) -> Path:
        path = tmp_path / name
        soundfile.write(path, samples, rate, subtype="FLOAT")
        return path

    return write


class Site(BaseHTTPRequestHandler):
    """Serves `files`; of paths that contain `cut`, half."""

    cut: str
    files: dict[str, bytes]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = self.files.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write((body or b"")[: len(body or b"") // 2 if self.cut in self.path else None])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    """Address of a `Site` on loopback."""
    Site.files, Site.asked, Site.cut = {}, [], "cut"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


class Job:
    """A job run by the host's script in this process."""

    def __init__(self, code: int, printed: str, outputs: dict[str, Path]) -> None:
        self.code = code
        self.printed = printed
        self.outputs = outputs

    def load(self, output: str = "embeddings") -> Any:
        """The host's object of an output."""
        return FileHandler().load(self.outputs[output])


@pytest.fixture
def run_module(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Job]:
    """Runs a module; further keyword arguments are those of du-process, such as frame_size="40ms".

    `inputs` are further ones by id, `fields` what an output's entry says besides, by id.
    """

    def run(
        module: str,
        audio: Path | None,
        options: dict[str, Any],
        outputs: Collection[str],
        name: str,
        inputs: Mapping[str, Path] | None = None,
        fields: Mapping[str, dict[str, Any]] | None = None,
        **arguments: str,
    ) -> Job:
        data: list[dict[str, Any]] = [
            {"src": "file:stream:audio", "type": "input", "id": key, "uri": str(path)}
            for key, path in {"audio": audio, **(inputs or {})}.items()
            if path is not None
        ]
        files = {}
        kinds = {entry.io_id: entry.io_data for entry in load_trainer(module).outputs}
        for output in outputs:
            kind = kinds.get(output, "stream:SSIStream")
            files[output] = tmp_path / f"{name}.{output}.{kind.split(':')[0]}"
            entry = {"src": f"file:{kind}", "type": "output", "id": output, "uri": str(files[output])}
            data.append(entry | (fields or {}).get(output, {}))
        words = ["--trainer_file_path", f"modules\\{module}\\{module}.trainer", "--data", json.dumps(data)]
        words += ["--cml_dir", str(ROOT), "--cache_dir", str(tmp_path), "--tmp_dir", str(tmp_path)]
        words += ["--options", json.dumps(options), *(f"--{key}={value}" for key, value in arguments.items())]
        capfd.readouterr()
        code = 0
        try:
            process.main(words)
        except SystemExit as end:
            code = int(end.code or 0)
        return Job(code, capfd.readouterr().out, files)

    return run


@pytest.fixture
def run_job(run_module: Callable[..., Job], small_model: Path) -> Callable[..., Job]:
    """Runs w2v_bert_2 with the small model."""

    def run(audio: Path, options: dict[str, Any] | None = None, name: str = "out", **arguments: str) -> Job:
        options = {"model": str(small_model)} | (options or {})
        return run_module("w2v_bert_2", audio, options, ["embeddings"], name, **arguments)

    return run


@pytest.fixture
def run_emow2v(run_module: Callable[..., Job], small_emow2v: Path) -> Callable[..., Job]:
    """Runs emow2v with the small model."""

    def run(
        audio: Path,
        options: dict[str, Any] | None = None,
        name: str = "out",
        outputs: Collection[str] = ("embedding", *SCORES),
        **arguments: str,
    ) -> Job:
        return run_module("emow2v", audio, {"model": str(small_emow2v)} | (options or {}), outputs, name, **arguments)

    return run
