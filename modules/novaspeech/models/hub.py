"""Models on the Hub: its cache on this machine, what may be fetched, and fetching: the configuration first."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from novaspeech.errors import UnfetchedError, WeightsError, first_line, quoted
from novaspeech.hooks import Log
from novaspeech.models.folder import is_complete
from novaspeech.wording import advice

LARGEST_GB = 20  # of a model's files (1 GB is 1e9 bytes); the largest speech encoders known have 10
MAY_FETCH = "NOVASPEECH_MODELS"  # environment variable: "any", "published", or ids with commas

_CONFIGURATION = ["*.json"]
_SAFETENSORS = ["model*.safetensors"]
_PICKLES = ["pytorch_model*.bin"]

_published: ContextVar[str] = ContextVar("published", default="")


def hub_cache() -> Path:
    """Folder of the Hub's files: below the user's HF_HOME, the server's cache folder, or the Hub's own default."""
    return _cache("HF_HUB_CACHE", "hub")


def asset_cache() -> Path:
    """Folder of other files that are fetched: `novaspeech` in the Hub's folder for such, chosen as `hub_cache`."""
    return _cache("HF_ASSETS_CACHE", "assets") / "novaspeech"


def _cache(variable: str, name: str) -> Path:
    if variable in os.environ:
        return Path(os.environ[variable]).expanduser()
    if "HF_HOME" in os.environ:
        return Path(os.environ["HF_HOME"]).expanduser() / name
    # du-process sets CACHE_DIR to the server's folder.
    return Path(os.environ.get("CACHE_DIR") or Path.home() / ".cache") / "huggingface" / name


def split_revision(model: str) -> tuple[str, str]:
    """Name and revision of "owner/name@revision", a commit, tag or branch of it; of "owner/name" its branch main."""
    name, _, revision = model.partition("@")
    return name, revision or "main"


def cached_revision(model: str) -> str:
    """The commit of a Hub model in the Hub's cache, which is what would be loaded; "" if there is none."""
    folder = cached_folder(model)
    return folder.name if folder else ""


def pinned(model: str) -> str:
    """A Hub model with the commit that is in the Hub's cache, else the one that the Hub has now: "owner/name@commit".

    Raises:
        WeightsError: the Hub has no such model, or cannot be asked.
    """
    commit = cached_revision(model)
    if not commit:
        with _fetching(model):
            commit = str(_about(model).sha)
    return f"{split_revision(model)[0]}@{commit}"


@contextlib.contextmanager
def publishing(model: str) -> Iterator[None]:
    """Makes `model` the published model that `MAY_FETCH` means, inside."""
    before = _published.set(model)
    try:
        yield
    finally:
        _published.reset(before)


def snapshot(model: str, check: Callable[[Path], None], log: Log) -> Path:
    """The snapshot of a Hub model, from the cache if it is there whole, else fetched.

    Args:
        check: raises WeightsError for the config.json of a model that nobody wants, before weights are fetched.

    Raises:
        WeightsError: it cannot be had, must not be fetched here, is larger than `LARGEST_GB`, or `check` refused it.
    """
    cached = cached_folder(model)
    if cached:
        return cached
    _refuse_if_not_allowed(model)
    with _fetching(model):
        return _fetch(model, check, log)


@contextlib.contextmanager
def _fetching(model: str) -> Iterator[None]:
    """Turns the many errors of a network, inside, into one: the model cannot be had now."""
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:  # noqa: BLE001 - the Hub's client and what it is built on have dozens
        from huggingface_hub import constants

        cache = hub_cache()
        raise UnfetchedError(
            f"model {quoted(model)} is not in {cache} and cannot be fetched from {constants.ENDPOINT} "
            f"({first_line(error)}); copy the model's folder to this machine and {advice('model', 'FOLDER')}, or "
            f"copy a cache that has it to {cache}"
        ) from None  # pages of the network's own calls


def gigabytes(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _refuse_if_not_allowed(model: str) -> None:
    entries = [entry.strip() for entry in os.environ.get(MAY_FETCH, "").split(",") if entry.strip()]
    if not entries or "any" in entries:
        return
    allowed = [_published.get() if entry == "published" else entry for entry in entries]
    if not {model, split_revision(model)[0]} & set(allowed):
        listed = ", ".join(filter(None, allowed)) or "none"
        raise WeightsError(
            f"model {quoted(model)} must not be fetched on this machine, whose {MAY_FETCH} allows {listed}; choose one "
            f"of these, or a folder on this machine: {advice('model', 'FOLDER')}"
        )


def _fetch(model: str, check: Callable[[Path], None], log: Log) -> Path:
    from huggingface_hub import snapshot_download

    name, revision = split_revision(model)
    place: dict[str, Any] = {"revision": revision, "cache_dir": hub_cache()}
    sizes = {file.rfilename: file.size or 0 for file in _about(model).siblings or []}  # a mirror may state none
    log(f"{model} is not in {hub_cache()}, or not whole: fetching it from the Hub")

    def get(patterns: list[str]) -> Path:
        size = sum(sizes[file] for file in _matching(sizes, patterns))
        if size > LARGEST_GB * 1e9:
            raise WeightsError(
                f"model {quoted(model)} has {gigabytes(size)} on the Hub, more than the {LARGEST_GB} GB that are "
                f"fetched; copy the model's folder to this machine, if it is meant, and {advice('model', 'FOLDER')}"
            )
        log(f"{model} has {gigabytes(size)}")
        return Path(snapshot_download(name, **place, allow_patterns=patterns))

    if "config.json" not in sizes:
        raise WeightsError(f"model {quoted(model)} has no config.json on the Hub: it is none of transformers")
    check(Path(snapshot_download(name, **place, allow_patterns=["config.json"])))
    folder = None
    for weights in (_SAFETENSORS, _PICKLES):
        if _matching(sizes, weights):
            folder = get(_CONFIGURATION + weights)
            if is_complete(folder):
                break
    return folder or get(_CONFIGURATION)


def _about(model: str) -> Any:
    """The Hub's description of a model and its files."""
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set")
    name, revision = split_revision(model)
    return HfApi().model_info(name, revision=revision, files_metadata=True)


def _matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]


def cached_folder(model: str) -> Path | None:
    """The snapshot of a model in the Hub's cache; None if it is not there, or not whole."""
    from huggingface_hub import try_to_load_from_cache

    name, revision = split_revision(model)
    with contextlib.suppress(ValueError):  # no Hub id
        found = try_to_load_from_cache(name, "config.json", cache_dir=hub_cache(), revision=revision)
        if isinstance(found, str) and is_complete(Path(found).parent):
            return Path(found).parent
    return None
