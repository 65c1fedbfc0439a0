"""Where a model's files come from: a folder, the Hub's cache, or the Hub."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

from novaspeech.errors import WeightsError, first_line
from novaspeech.hooks import Log

T = TypeVar("T")

_CONFIGURATION = ["*.json"]
_SAFETENSORS = ["model*.safetensors"]
_PICKLES = ["pytorch_model*.bin"]
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def hub_cache() -> Path:
    """Where the Hub's files are kept: below the user's HF_HOME, else below the server's cache folder.

    Without either, it is the Hub's own default, `~/.cache/huggingface/hub`.
    """
    return _cache("HF_HUB_CACHE", "hub")


def asset_cache() -> Path:
    """Where other files that are fetched are kept: `novaspeech` in the Hub's folder for such, chosen as `hub_cache`."""
    return _cache("HF_ASSETS_CACHE", "assets") / "novaspeech"


def _cache(variable: str, name: str) -> Path:
    if variable in os.environ:
        return Path(os.environ[variable]).expanduser()
    if "HF_HOME" in os.environ:
        return Path(os.environ["HF_HOME"]).expanduser() / name
    # du-process sets CACHE_DIR to the server's folder.
    return Path(os.environ.get("CACHE_DIR") or Path.home() / ".cache") / "huggingface" / name


def model_folder(model: str, model_types: Collection[str], log: Log = print) -> Path:
    """The folder that holds a transformers model.

    Args:
        model: a folder, or a Hub id such as "facebook/w2v-bert-2.0".
        model_types: one of these is the `model_type` that its config.json must state.
        log: takes a line when something is fetched.

    Raises:
        WeightsError: no such folder, not a model, another architecture, or a Hub id that cannot be had.
    """
    folder = local_path(model)
    if not model or not folder.is_dir():
        if not _HUB_ID.fullmatch(model):
            raise WeightsError(f"model {model!r} is neither a folder on this machine nor a Hub id such as owner/name")
        folder = _from_hub(model, log)
    if not _is_complete(folder):
        raise WeightsError(
            f"{folder} is no model folder: it needs config.json, preprocessor_config.json and model.safetensors "
            f"(or pytorch_model.bin), as save_pretrained() writes them"
        )
    found = _read_json(folder / "config.json").get("model_type")
    if found not in model_types:
        listed = " or ".join(map(repr, model_types))
        raise WeightsError(f"{folder} holds a {found!r} model; this module needs one of type {listed}")
    return folder


def local_path(model: str) -> Path:
    """The option `model` as a path on this machine; whether something is there is not said."""
    with contextlib.suppress(RuntimeError):  # ~somebody who is not there
        return Path(model).expanduser()
    return Path(model)


def load_config(config_class: type[T], folder: Path) -> T:
    """A transformers configuration from a model's folder.

    Raises:
        WeightsError: config.json does not make sense to transformers.
    """
    return _from_json(config_class, folder / "config.json")


def is_cached(model: str) -> bool:
    """Whether the Hub's cache holds all files of a model."""
    return _cached_folder(model) is not None


def load_pretrained(model_class: type[T], folder: Path, may_miss: tuple[str, ...] = ()) -> T:
    """A transformers model from a folder, in float32, on the CPU, ready for inference.

    Args:
        model_class: a class with `from_pretrained`.
        may_miss: weights that inference does not use.

    Raises:
        WeightsError: the files cannot be read, or lack weights, which transformers would replace by random ones.
    """
    loader: Any = model_class
    try:
        # transformers opens pickles with weights_only=True, all versions that we allow do.
        # Weights of another shape are listed in `info`, and refused below with their names.
        with _no_progress_bar():
            model, info = loader.from_pretrained(
                folder, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True
            )
    except Exception as error:  # safetensors, pickle, json and transformers each have their own
        raise WeightsError(f"the model in {folder} cannot be loaded: {first_line(error)}") from error
    missing = sorted(set(info["missing_keys"]) - set(may_miss))
    wrong = [str(entry[0]) for entry in info.get("mismatched_keys", [])]
    if missing or wrong:
        names = ", ".join((missing + wrong)[:3])
        raise WeightsError(
            f"the weights in {folder} do not fit its config.json: {len(missing)} are missing and {len(wrong)} have "
            f"another shape ({names}, …)"
        )
    loaded: T = model.eval().float()
    return loaded


@contextlib.contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Inside, transformers draws no bar of its own into logs and terminals."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def load_extractor(extractor_class: type[T], folder: Path) -> T:
    """A transformers feature extractor from a model's folder.

    Raises:
        WeightsError: preprocessor_config.json cannot be read, or is that of another extractor.
    """
    path = folder / "preprocessor_config.json"
    stated = _read_json(path).get("feature_extractor_type", extractor_class.__name__)
    if stated != extractor_class.__name__:
        raise WeightsError(f"{path} is for {stated!r}; this module needs {extractor_class.__name__!r}")
    return _from_json(extractor_class, path)


def load_tokenizer(tokenizer_class: type[T], folder: Path) -> T:
    """A transformers tokenizer from a model's folder.

    Raises:
        WeightsError: its files are missing or cannot be read.
    """
    if not (folder / "vocab.json").is_file():
        raise WeightsError(f"{folder} has no vocab.json, which says the letters that the model writes")
    return _from_json(tokenizer_class, folder / "vocab.json")


def _from_json(described: type[T], path: Path) -> T:
    """The object that a JSON file in a model's folder describes, as transformers makes it."""
    loader: Any = described
    try:
        made: T = loader.from_pretrained(path.parent, local_files_only=True)
    except Exception as error:  # whatever its values lead to
        raise WeightsError(f"{path} cannot be used: {first_line(error)}") from error
    return made


def _from_hub(model: str, log: Log) -> Path:
    """The snapshot of a Hub model, from the cache if it is there whole, else fetched."""
    from huggingface_hub import snapshot_download

    cache = hub_cache()
    cached = _cached_folder(model)
    if cached:
        return cached
    log(f"{model} is not in {cache}, or not whole: fetching it from the Hub")
    try:
        folder = Path(snapshot_download(model, cache_dir=cache, allow_patterns=_CONFIGURATION + _SAFETENSORS))
        if not _is_complete(folder):
            snapshot_download(model, cache_dir=cache, allow_patterns=_PICKLES)
    except Exception as error:  # the network has many: each means that the model cannot be had now
        raise WeightsError(
            f"model {model!r} is not in {cache} and cannot be fetched ({first_line(error)}); copy the model's folder "
            f"to this machine and name it in the option 'model', or copy a cache that has it to {cache}"
        ) from error
    return folder


def _cached_folder(model: str) -> Path | None:
    from huggingface_hub import snapshot_download

    with contextlib.suppress(OSError, ValueError):
        folder = Path(snapshot_download(model, cache_dir=hub_cache(), local_files_only=True))
        if _is_complete(folder):
            return folder
    return None


def _is_complete(folder: Path) -> bool:
    """Whether the folder has its configuration and every file of weights."""
    if not all((folder / name).is_file() for name in ("config.json", "preprocessor_config.json")):
        return False
    for weights in ("model.safetensors", "pytorch_model.bin"):
        index = folder / f"{weights}.index.json"
        if (folder / weights).is_file():
            return True
        if index.is_file():
            return all((folder / part).is_file() for part in _read_json(index)["weight_map"].values())
    return False


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} must hold a JSON object")
    return content
