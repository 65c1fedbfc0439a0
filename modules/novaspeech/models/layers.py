"""The layers of a model, as an option names them."""

from __future__ import annotations

from novaspeech.errors import OptionError


def layer_index(layer: int | str, last: int, *, otherwise: str = "") -> int:
    """The index from 0 of a layer that may be counted from the last, which is -1.

    Args:
        layer: what the option `layer` holds.
        last: index of the model's last layer.
        otherwise: what else the option may be, for the message.

    Raises:
        OptionError: the model has no such layer.
    """
    try:
        index = int(layer)
    except ValueError:
        index = last + 1  # no model has it
    if not -last - 1 <= index <= last:
        raise OptionError(
            f"option 'layer' is {layer!r}; this model has the layers 0 to {last}; -1 is its last{otherwise}"
        )
    return index % (last + 1)
