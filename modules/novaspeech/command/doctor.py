"""`novaspeech doctor`: what a machine has, whether the modules work on it, and what a bug report needs."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from novaspeech.errors import NovaspeechError, first_line
from novaspeech.terminal.arguments import new_command
from novaspeech.wording import COMMAND

# Name of each package → what it is for; of those that not everybody has, the extra that brings it before a colon.
_PACKAGES = {
    "novaspeech": "this",
    "torch": "runs the models",
    "transformers": "the models' architectures",
    "safetensors": "their weights",
    "huggingface-hub": "fetches them",
    "numpy": "arrays",
    "librosa": "filter banks",
    "scikit-learn": "keyword classifiers",
    "skops": "their files",
    "rapidfuzz": "words that are nearly a keyword",
    "soundfile": "reads WAV, FLAC, AIFF",
    "av": "reads MP3, M4A and the sound of videos",
    "soxr": "resamples",
    "praatio": "TextGrids of Praat",
    "pysubs2": "subtitles",
    "matplotlib": "pictures",
    "fsspec": "recordings and results at URLs",
    "filelock": "keeps processes out of each other's way",
    "tqdm": "bars",
    "argcomplete": "completion in shells",
    "typing-extensions": "types",
    "hcai-discover-utils": "classes of the server DISCOVER",
    "hcai-discover": "server: DISCOVER itself",
    "hcai-nova-server": "a server of its own: NOVA-Server, in place of DISCOVER",
    "pandas": "frames: tables in Python",
    "pyarrow": "formats: Parquet",
    "pympi-ling": "formats: files of ELAN",
    "bokeh": "view: pages to see and hear",
    "pillow": "view: pictures of videos in them",
    "onnxruntime": "onnx: backend=onnx, on CPUs",
    "ray": "corpus: runs on clusters",
    "onnx": "export: writes models for onnxruntime",
    "onnxscript": "export: the same",
}
_SECONDS = 5  # of sound, in a self-test
_RATE = 16_000


def add_command(commands: Any) -> None:
    """Adds `doctor` to the subparsers of `novaspeech`."""
    doctor = new_command(commands, "doctor", _doctor, help="see whether all works here")
    doctor.add_argument("module", nargs="*", help="names of those to test (default: all)")
    doctor.add_argument("--device", default="auto", help="of the tests: auto, cpu, cuda or mps")


def _doctor(given: argparse.Namespace) -> int:
    """Says what this machine has, and runs each module over five seconds of sound.

    A module whose published model is not here is tested with its small one, or one with random weights. Put what this
    prints into a bug report. Exit status: 0 if all tests pass, 1 otherwise.

    Examples:
        novaspeech doctor
        novaspeech doctor emow2v
        novaspeech doctor > report.txt
    """
    from novaspeech.module.catalogue import load_trainer, module_names

    names = given.module or module_names()
    for name in names:
        load_trainer(name)
    parts = {"machine": _machine(), "packages": _packages(), "devices": _devices(), "models": _models(names)}
    for title, lines in parts.items():
        print(title)
        for name, said in lines:
            print(f"  {name:<20} {said}", flush=True)
    works = True
    print("self-test: five seconds of sound")
    for name in names:
        ok, said = _tested(name, given.device)
        works &= ok
        print(f"  {name:<16} {'works' if ok else 'FAILS'}  {said}", flush=True)
    return int(not works)


def _machine() -> Iterator[tuple[str, str]]:
    from novaspeech.corpus.processes import cores

    yield "system", platform.platform()
    yield "python", f"{platform.python_version()} ({sys.executable})"
    yield "cores", f"{cores()} of {os.cpu_count()}, {platform.processor() or platform.machine()}"
    yield "encoding", f"{sys.stdout.encoding}, files {sys.getfilesystemencoding()}"
    yield "temporary files", f"{tempfile.gettempdir()}, {_free(Path(tempfile.gettempdir()))} free"
    for name in sorted(os.environ):
        if name.startswith(("NOVASPEECH_", "HF_", "OMP_", "MKL_", "CUDA_", "PYTORCH_")) and "TOKEN" not in name:
            yield name, os.environ[name]


def _packages() -> Iterator[tuple[str, str]]:
    import av
    import soundfile

    for name, purpose in _PACKAGES.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "–"
        yield name, f"{version:<12} {purpose}"
    yield "libsndfile", str(soundfile.__libsndfile_version__)
    yield "libavcodec", f"{'.'.join(map(str, av.library_versions['libavcodec']))} (PyAV {av.__version__})"
    yield "ffprobe", shutil.which("ffprobe") or "– (novaspeech needs none; the servers do)"


def _devices() -> Iterator[tuple[str, str]]:
    import torch

    yield "cpu", f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            free, size = torch.cuda.mem_get_info(number)
            name = torch.cuda.get_device_name(number)
            yield f"cuda:{number}", f"{name}, {free / 1e9:.1f} of {size / 1e9:.1f} GB free"
    else:
        yield "cuda", "–" if torch.version.cuda else "– (this torch is built without it)"
    yield "mps", "yes" if torch.backends.mps.is_available() else "–"


def _models(names: list[str]) -> Iterator[tuple[str, str]]:
    from novaspeech.models.hub import asset_cache, hub_cache
    from novaspeech.module.catalogue import published_is_here, published_name, published_place

    yield "cache", f"{hub_cache()}, {_free(hub_cache())} free"
    yield "other files", str(asset_cache())
    for name in names:
        here = published_is_here(name)
        place = str(published_place(name)) if here else f"not here: novaspeech download {name}"
        yield name, f"{published_name(name) or 'its own'}: {place}"


def _free(folder: Path) -> str:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return f"{shutil.disk_usage(there).free / 1e9:.1f} GB"


def _tested(name: str, device: str) -> tuple[bool, str]:
    """Whether a module works, and what came of it or what is wrong."""
    import numpy as np
    import torch

    from novaspeech.api import Model
    from novaspeech.models.weights import no_progress_bar
    from novaspeech.module.catalogue import load_trainer, published_is_here, standins

    standin, sound, known = standins().get(name), _sound(), load_trainer(name).options
    options: dict[str, object] = {"device": device} if "device" in known else {}
    options |= standin.options if standin else {}
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            what = "the published model" if standin else "no weights"
            if standin and not published_is_here(name):
                what, place = "its small model", standin.small
                if place is None:
                    what, place = "a small random model", Path(folder, "model")
                    with no_progress_bar():
                        standin.make(place, torch.from_numpy(sound))
                options["model"] = str(place)
            model = Model(name, options, {}, lambda line: None, COMMAND)
            loaded = time.monotonic()
            result = model((sound, _RATE))
            counts = ", ".join(f"{len(values)} {output}" for output, values in result.items())
            for output, values in result.items():
                if isinstance(values, np.ndarray) and not np.isfinite(values).all():
                    return False, f"{what}: {output} holds NaN"
            took = time.monotonic() - loaded
            return True, f"{what} on {model.encoder}: loaded in {loaded - began:.1f} s, {counts} in {took:.2f} s"
    except (NovaspeechError, OSError, RuntimeError, ValueError, ImportError) as error:
        return False, first_line(error)


def _sound() -> Any:
    """(n,) float32: noise that rises and falls four times a second."""
    import numpy as np

    times = np.arange(_SECONDS * _RATE) / _RATE
    noise = np.random.default_rng(0).standard_normal(len(times))
    return (0.1 * noise * np.sin(2 * np.pi * 2 * times) ** 2).astype(np.float32)
