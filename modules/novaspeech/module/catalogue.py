"""The modules that are here: their trainer files, processors, commands and stand-ins, each found by its folder."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaspeech.errors import RequestError, UnfetchedError, shortened
from novaspeech.hooks import Log
from novaspeech.wording import Wording

if TYPE_CHECKING:
    from novaspeech.module.options import Options
    from novaspeech.module.processor import SpeechProcessor
    from novaspeech.module.standin import StandIn, Weights

MODULES = Path(__file__).resolve().parents[2]
OWN_MODEL = "small"  # the option `model` for the module's own trained checkpoint, if there is one


@dataclass(frozen=True)
class Trainer:
    """A module's trainer file, read by the host's own class."""

    name: str
    content: Any

    @property
    def version(self) -> str:
        """The module's."""
        return str(importlib.import_module(f"{self.name}.version").__version__)

    @property
    def inputs(self) -> list[Any]:
        """The host's `ModelIO` of each input."""
        return [entry for entry in self.content.meta_io if entry.io_type == "input"]

    @property
    def outputs(self) -> list[Any]:
        """The host's `ModelIO` of each output."""
        return [entry for entry in self.content.meta_io if entry.io_type == "output"]

    @property
    def options(self) -> dict[str, str]:
        """Name of each option → its default; for a choice, all choices, the default first."""
        entries = [entry.strip("{}").split(":", 2) for entry in self.content.model_optstr.split(";") if entry]
        return {name: default for name, _, default in entries}


def module_names() -> list[str]:
    """Names of all modules."""
    return sorted(file.parent.name for file in MODULES.glob("*/*.trainer"))


def load_trainer(name: str) -> Trainer:
    """The trainer of one module; RequestError if there is no such module."""
    from novaspeech.server.package import module  # imports NumPy, which `novaspeech --help` has no use for

    if name not in module_names():
        raise RequestError(f"there is no module {name!r}; there are: {', '.join(module_names())}")
    content = module("utils.ssi_xml_utils").Trainer()
    content.load_from_file(MODULES / name / f"{name}.trainer")
    return Trainer(name, content)


def load_processor(trainer: Trainer, options: Mapping[str, object], log: Log, wording: Wording) -> SpeechProcessor:
    """The module's processor, as the server makes it; OptionError or WeightsError if options or model are wrong."""
    make, content = processor_class(trainer), trainer.content
    return make(model_io=content.meta_io, opts=options, trainer=content, log=log, wording=wording)


def processor_class(trainer: Trainer) -> type[SpeechProcessor]:
    """Class of a module's processor, which the server makes."""
    script = importlib.import_module(f"{trainer.name}.{Path(trainer.content.model_script_path).stem}")
    found: type[SpeechProcessor] = getattr(script, trainer.content.model_create)
    return found


def options_of(module: str) -> type[Options]:
    """Class of a module's options, which its `options.py` names: read without the model that they are for."""
    found: type[Options] = importlib.import_module(f"{module}.options").OPTIONS
    return found


def command_modules() -> list[Any]:
    """The `commands` of each module that has some: `add_commands(subparsers)` adds them to `novaspeech`."""
    names = [name for name in module_names() if (MODULES / name / "commands.py").is_file()]
    return [importlib.import_module(f"{name}.commands") for name in names]


def standins() -> dict[str, StandIn]:
    """Name of each module that has a stand-in → what takes its published model's place."""
    found = {name: weights_of(name) for name in module_names()}
    return {name: weights.stand_in for name, weights in found.items() if weights.stand_in}


def has_weights(module: str) -> bool:
    """Whether a module computes with a model: its `standin.py`, which is not imported, says where that comes from."""
    return (MODULES / module / "standin.py").is_file()


def weights_of(module: str) -> Weights:
    """Source of a module's weights; one without weights has all that it needs in its folder."""
    from novaspeech.module.standin import Weights

    if not has_weights(module):
        return Weights("folder")
    found: Weights = importlib.import_module(f"{module}.standin").WEIGHTS
    return found


def published_name(module: str) -> str:
    """Id of the published model of a module; "" if it has none."""
    weights = weights_of(module)
    return weights.name or (load_trainer(module).options.get("model", "") if weights.home == "hub" else "")


def published_uri(module: str) -> Any:
    """The trainer's `<uri>` of the published model of a module; None if that is no such file."""
    weights = weights_of(module)
    entries = load_trainer(module).content.meta_uri if weights.home == "uri" else []
    return next((entry for entry in entries if entry.uri_id == weights.uri), None)


def published_place(module: str) -> Path:
    """Place of the published model of a module on this machine, be it there or not."""
    from novaspeech.models import downloads, hub

    weights, uri = weights_of(module), published_uri(module)
    if uri is not None:
        return downloads.place_of(uri)
    if weights.home == "folder":
        return weights.place or MODULES / module
    name = published_name(module)
    return hub.cached_folder(name) or hub.hub_cache() / f"models--{name.replace('/', '--')}"


def published_is_here(module: str) -> bool:
    """Whether the published model of a module is on this machine, whole; a module without weights has all it needs."""
    from novaspeech.models import hub

    if weights_of(module).home == "hub":
        return hub.cached_folder(published_name(module)) is not None
    return published_place(module).exists()


@contextmanager
def advising(module: str, model: str, wording: Wording) -> Iterator[None]:
    """Adds to what is said of a model that cannot be fetched, inside, how it or another one can be had."""
    try:
        yield
    except UnfetchedError as error:
        other = (
            "" if model in ("", options_of(module).fields()["model"].default) else f" --set model={shortened(model)}"
        )
        said = f"{error}, which `novaspeech download {module}{other}` fills where there is a network (HF_HOME moves it)"
        stand_in = weights_of(module).stand_in
        if stand_in and stand_in.small:
            said += f"; or {wording.option('model', OWN_MODEL)}, which is {module}'s own small model"
        error.args = (said,)
        raise
