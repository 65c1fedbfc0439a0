"""The layers of a model, as an option names them."""

from __future__ import annotations

from novaspeech.errors import OptionError


def layer_index(layer: int | str, last: int, *, otherwise: str = "") -> int:
    """Index of a layer from 0; negative numbers count from the last, which is -1.

    Args:
        layer: value of the option `layer`.
        last: index of the model's last layer.
        otherwise: other values that the option may have, for the message.

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
