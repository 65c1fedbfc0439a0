"""Speech models over time: embeddings and annotations of recordings, from Python, a command or an annotation server.

>>> import novaspeech
>>> model = novaspeech.load("emow2v", device="cpu")
>>> result = model("interview.mp4", outputs=["arousal", "embedding"])
>>> result["arousal"]  # (n,) float32, one score every 40 ms
>>> result.save("out")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from novaspeech.errors import (
    ModelError,
    NovaspeechError,
    OptionError,
    PackageError,
    RecordingError,
    RequestError,
    SavingError,
    WeightsError,
)

if TYPE_CHECKING:
    from novaspeech.api import Model, load
    from novaspeech.audio.excerpt import Part
    from novaspeech.result import Result
    from novaspeech.segments import Segment
    from novaspeech.tables import table

# torch's threads read it when torch is loaded: those that wait for others sleep. While they spin, two jobs in processes
# of their own take 1.2 to 1.4 times as long as one after the other, and one is no faster.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
__all__ = [
    "Model",
    "ModelError",
    "NovaspeechError",
    "OptionError",
    "PackageError",
    "Part",
    "RecordingError",
    "RequestError",
    "Result",
    "SavingError",
    "Segment",
    "WeightsError",
    "load",
    "table",
]

# Imported on use, so that `import novaspeech` is quick and comes without torch.
_PLACES = {
    "Model": "api",
    "Part": "audio.excerpt",
    "Result": "result",
    "Segment": "segments",
    "load": "api",
    "table": "tables",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'novaspeech' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"novaspeech.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
