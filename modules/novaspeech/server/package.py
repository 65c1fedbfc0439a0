"""The package of the server that loaded us: discover_utils (DISCOVER) or nova_utils (NOVA-Server).

Nothing else in novaspeech imports either one.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

_PACKAGES = ("discover_utils", "nova_utils")


def _find_package() -> str:
    running = [name for name in _PACKAGES if f"{name}.scripts.process" in sys.modules]
    installed = [name for name in _PACKAGES if importlib.util.find_spec(name)]
    for name in running + installed:
        return name
    raise ImportError("neither discover_utils nor nova_utils is installed; pip install hcai-discover-utils")


PACKAGE = _find_package()


def module(name: str) -> Any:
    """The host's module `name`, e.g. "data.stream"."""
    return importlib.import_module(f"{PACKAGE}.{name}")
