"""One file of the campaign: what kind, how damaged, what it is called and where it lies."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.hardships_parts.base import World
from benchmarks.hardships_parts.child import Ended, run_child
from benchmarks.hardships_parts.sounds import DAMAGES, FORMATS, NAMES, encoded, stated_once
from novaspeech.arrays import FloatArray

LIMIT = 60.0  # seconds for 12 s of sound


@dataclass(frozen=True)
class Case:
    """A recording that somebody might have."""

    index: int
    kind: str
    rate: int
    channels: int
    damage: str
    name: str
    place: str

    @classmethod
    def draw(cls, world: World, index: int) -> Case:
        """The same for the same number: kinds in turn, and after each round of kinds another damage."""
        chance = world.random("recordings", index)
        kinds, damages = list(FORMATS), list(DAMAGES)
        kind, damage = kinds[index % len(kinds)], damages[index // len(kinds) % len(damages)]
        channels = [number for number in (1, 2, 2, 6) if number <= FORMATS[kind].channels]
        return cls(
            index,
            kind,
            chance.choice(FORMATS[kind].rates),
            chance.choice(channels),
            damage,
            chance.choice(NAMES),
            chance.choice(("folder", "folder", "read-only folder", "link")),
        )

    def __str__(self) -> str:
        shape = f"{self.kind} {self.rate} Hz × {self.channels}"
        return f"{shape}, {self.damage}, called {self.name[:20]!r}, in {self.place}"

    def undamaged(self, folder: Path) -> Path:
        """The file before it came to harm."""
        return encoded(folder, self.kind, self.rate, self.channels)

    def make(self, world: World, sources: Path, folder: Path) -> str:
        """Writes it into a folder, or what it links to beside the folder, and gives its name there."""
        content = self._content(world, sources)
        name = f"{self.name}.{self.kind}"
        if self.place == "link":
            target = folder.parent / f"linked {self.index}.bin"
            target.write_bytes(content)
            (folder / name).symlink_to(target)
        else:
            (folder / name).write_bytes(content)
        return name

    def make_tellable(self, world: World, sources: Path, folder: Path) -> str | None:
        """The same with its damage taken back where no program can tell it; None if there is no such damage."""
        whole, content = self.undamaged(sources).read_bytes(), self._content(world, sources)
        spoilt = bytes(content)
        for field in stated_once(self.kind, whole):
            content[field] = whole[field]
        if content == spoilt:
            return None
        name = f"tellable.{self.kind}"
        (folder / name).write_bytes(content)
        return name

    def _content(self, world: World, sources: Path) -> bytearray:
        content = bytearray(self.undamaged(sources).read_bytes())
        DAMAGES[self.damage](content, world.random("damage", self.index))
        return content


class ReadOnly:
    """A second view of a folder in which nothing can be written; used in a `with` block."""

    def __init__(self, folder: Path) -> None:
        self.view = folder.with_name(f"{folder.name} read-only")
        self._folder = folder
        self._mounted = False

    def __enter__(self) -> ReadOnly:
        self.view.mkdir()
        bind = ["mount", "--bind", str(self._folder), str(self.view)]
        with suppress(OSError):
            self._mounted = not subprocess.run(bind, capture_output=True, check=False).returncode
        if self._mounted:
            subprocess.run(["mount", "-o", "remount,ro,bind", str(self.view)], capture_output=True, check=True)
        else:  # who may not mount is held by permissions
            self.view.rmdir()
            self.view.symlink_to(self._folder)
        return self

    def __exit__(self, *error: object) -> None:
        if self._mounted:
            subprocess.run(["umount", str(self.view)], check=True)

    def lock(self) -> None:
        """Makes the folder itself read-only where nothing could be mounted."""
        if not self._mounted:
            self._folder.chmod(0o555)

    def unlock(self) -> None:
        """Undoes `lock`."""
        self._folder.chmod(0o755)


def read(folder: str, name: str, target: str) -> str:
    """Reads a recording as novaspeech does and keeps its signal in a file; in a child. Gives the error's message."""
    from novaspeech.audio.recording import Recording
    from novaspeech.errors import NovaspeechError

    os.chdir(folder)
    try:
        blocks = list(Recording.open(Path(name)).blocks(16000))
    except NovaspeechError as error:
        return str(error) or "(no message)"
    np.save(target, np.concatenate(blocks) if blocks else np.zeros(0, np.float32))
    return ""


def read_in_child(folder: Path, name: str, scratch: Path) -> tuple[Ended, FloatArray | None]:
    """How the reading ended, and the signal (n,) if there is one."""
    target = scratch / "signal.npy"
    target.unlink(missing_ok=True)
    ended = run_child(read, str(folder), name, str(target), folder=scratch, limit=LIMIT)
    return ended, np.load(target) if target.exists() else None
