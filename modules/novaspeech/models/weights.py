"""A model's files: from a folder, the Hub's cache or the Hub into objects of transformers."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from novaspeech.errors import WeightsError, first_line, quoted
from novaspeech.hooks import Log
from novaspeech.models import hub
from novaspeech.models.folder import check_type, is_complete, is_export, read_json
from novaspeech.wording import advice

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


def model_folder(model: str, model_types: Collection[str], log: Log = print, exported: bool = False) -> Path:
    """The folder that holds a transformers model.

    Args:
        model: a folder, or a Hub id such as "facebook/w2v-bert-2.0", of a certain commit "facebook/w2v-bert-2.0@…".
        exported: whether `novaspeech export` must have written the folder.

    Raises:
        WeightsError: the folder is missing, holds no model or another architecture, or the Hub's model cannot be had
            or must not be fetched here.
    """
    folder = local_path(model)
    if not model or not os.path.isdir(folder):  # noqa: PTH112 (Path.is_dir raises for names that are too long)
        if not HUB_ID.fullmatch(model):
            raise WeightsError(
                f"model {quoted(model)} is neither a folder on this machine nor a Hub id such as owner/name"
            )
        if exported:
            raise WeightsError(
                f"backend=onnx needs the folder of an export, which model {quoted(model)} is not; make one first: "
                f"novaspeech export MODULE --model {model} --out DIR, and {advice('model', 'DIR')}"
            )
        folder = hub.snapshot(model, lambda fetched: check_type(fetched, model_types), log)
    if not is_complete(folder):
        raise WeightsError(
            f"{folder} is no model folder: it needs config.json, preprocessor_config.json and model.safetensors "
            f"(or pytorch_model.bin), as save_pretrained() writes them"
        )
    check_type(folder, model_types)
    return folder


def local_path(model: str) -> Path:
    """The option `model` as a path on this machine, which need not exist."""
    return Path(os.path.expanduser(model))  # noqa: PTH111 (Path.expanduser raises for users who do not exist)


def own_number(config: Any, folder: Path, name: str, usual: float, bounds: tuple[float, float], meaning: str) -> float:
    """A number that a model may state for itself in its config.json.

    Args:
        bounds: lowest and highest permitted value.
        meaning: permitted values in words, for the message.

    Raises:
        WeightsError: the entry is not permitted.
    """
    stated = getattr(config, name, usual)
    if not isinstance(stated, (int, float)) or not bounds[0] <= stated <= bounds[1]:
        raise WeightsError(f"{folder}: {name} in its config.json is {stated!r}; it must be {meaning}")
    return float(stated)


def load_pretrained(model_class: Any, folder: Path, may_miss: tuple[str, ...] = ()) -> Any:
    """A transformers model from a folder, in float32, on the CPU, ready for inference.

    Args:
        may_miss: weights that inference does not use.

    Raises:
        WeightsError: the files cannot be read, or lack weights, which transformers would replace by random ones.
    """
    if is_export(folder):
        raise WeightsError(f"{folder} was written by `novaspeech export`, for onnxruntime: it needs backend=onnx")
    try:
        # transformers opens pickles with weights_only=True, all versions that we allow do.
        # Weights of another shape are listed in `info`, and refused below with their names.
        with no_progress_bar():
            model, info = model_class.from_pretrained(
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
    return model.eval().float()


@contextlib.contextmanager
def no_progress_bar() -> Iterator[None]:
    """Keeps transformers' own progress bars out of logs and terminals inside."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def load_extractor(extractor_class: Any, folder: Path) -> Any:
    """A transformers feature extractor from a model's folder; WeightsError if it is another one."""
    path = folder / "preprocessor_config.json"
    stated = read_json(path).get("feature_extractor_type", extractor_class.__name__)
    if stated != extractor_class.__name__:
        raise WeightsError(f"{path} is for {quoted(stated)}; this module needs {extractor_class.__name__!r}")
    return from_json(extractor_class, path)


def from_json(described: Any, path: Path) -> Any:
    """The object that a JSON file in a model's folder describes, as transformers makes it."""
    try:
        return described.from_pretrained(path.parent, local_files_only=True)
    except Exception as error:  # bad values raise many kinds
        raise WeightsError(f"{path} cannot be used: {first_line(error)}") from error
