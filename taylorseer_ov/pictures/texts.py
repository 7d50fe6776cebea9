"""Texts beside a picture in its file: their names, and how much of them is read from a stranger."""

from __future__ import annotations

import zlib

from ..warning import warn

# The first is read by many programs, the second is ours.
PARAMETERS_KEY, RECIPE_KEY = "parameters", "taylorseer_ov"
MOST_TEXT = 1 << 20  # bytes of one text
MOST_PARTS = 1 << 16  # of a file, such as the chunks of a PNG file, that are looked at


class RecipeLeftOutWarning(UserWarning):
    """A picture was written without its recipe, which was too long."""


def warn_left_out(size: int, what: str) -> None:
    """Warn that a recipe is not in the file of its picture.

    Args:
        size: of the recipe in bytes.
        what: has no room for it.
    """
    warn(
        f"this picture is kept without its recipe, whose {size} bytes are too many for {what}",
        RecipeLeftOutWarning,
    )


def inflate(data: bytes) -> bytes:
    """Decompress a text.

    Raises:
        ValueError: if it is longer than a megabyte.
        zlib.error: if it is damaged.
    """
    inflater = zlib.decompressobj()
    inflated = inflater.decompress(data, MOST_TEXT)
    if inflater.unconsumed_tail:
        raise ValueError("too long")
    return inflated
