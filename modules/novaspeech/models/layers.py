"""The layers of a model, as an option names them."""

from __future__ import annotations

from novaspeech.errors import OptionError


def layer_index(layer: int | str, last: int, *, otherwise: str = "") -> int:
    """Index from 0 of the layer that an option names; -1 is the last. `otherwise` are other values that it may have."""
    try:
        index = int(layer)
    except ValueError:
        index = last + 1  # no model has it
    if not -last - 1 <= index <= last:
        raise OptionError(
            f"option 'layer' is {layer!r}; this model has the layers 0 to {last}; -1 is its last{otherwise}"
        )
    return index % (last + 1)
