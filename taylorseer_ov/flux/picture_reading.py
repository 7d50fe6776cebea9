"""Pictures of any form that are given: read, bounded, and brought to 8 bits.

A file is data of a stranger, whose decoders raise whatever a damaged one leads them to.
"""

from __future__ import annotations

import math
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import held_array

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 64 * 10**6  # of a picture that is read; its file may be small all the same
TOO_LARGE = f"has over {MOST_PIXELS // 10**6} million pixels; make the picture smaller first"

# the filters of warnings are all threads': two that change them at once leave them changed
_FILTERING = threading.Lock()


def read_picture(name: str, source: Any) -> Image:
    """Return a picture or mask, of any form that `initial_image` takes, as PIL's with 8 bits.

    Args:
        name: what errors call it.

    Raises:
        TypeError, ValueError, FileNotFoundError: as `initial_image` does.
    """
    from PIL import Image

    if isinstance(source, Image.Image):
        if 0 in source.size:
            raise ValueError(f"{name} is empty: it has {source.width}x{source.height} pixels")
        _check_size(name, source.size)
        return _in_8_bits(name, source)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            raise FileNotFoundError(f"{name}: {str(path)!r} is a folder, not a picture")
        if not path.is_file():
            raise FileNotFoundError(f"{name}: there is no file {str(path)!r}")
        return _read_file(f"{name}: {str(path)!r}", path)
    array = held_array(source)
    if not isinstance(array, np.ndarray):
        raise TypeError(
            f"{name} must be a uint8 array, an openvino.Tensor, a result, a PIL image or a path, "
            f"got {source!r}"
        )
    return Image.fromarray(_pixels(name, array))


def _read_file(name: str, path: Path) -> Image:
    from PIL import Image, ImageOps

    with _decoding(name):
        opened = Image.open(path)
    with opened:  # only its header is read yet
        _check_size(name, opened.size)
        if opened.format == "EPS":  # a program, which PIL would have Ghostscript run
            raise ValueError(f"{name} is PostScript; save it as PNG")
        with _decoding(name):
            # cameras write how a picture is to be turned instead of turning it
            turned = ImageOps.exif_transpose(opened)
    return _in_8_bits(name, turned)


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Say of whatever a decoder raises that this is no picture; what it warns of is not told."""
    from PIL import Image

    try:
        with _FILTERING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name} {TOO_LARGE}") from error
    except Exception as error:
        raise ValueError(f"{name} cannot be read as a picture") from error


def _in_8_bits(name: str, picture: Image) -> Image:
    """Bring grey of 16 bits to 8, which PIL cuts off at 255 instead."""
    from PIL import Image

    mode = picture.mode
    if mode == "F":
        raise ValueError(f"{name} has fractions for pixels; save it with 8 bits")
    if not mode.startswith("I"):
        return picture
    grey = np.asarray(picture).astype(np.int64)
    if not 0 <= grey.min() <= grey.max() < 1 << 16:
        raise ValueError(f"{name} has pixels of over 16 bits; save it with 8 bits")
    if mode == "I" and grey.max() < 256:
        return picture.convert("L")
    return Image.fromarray(np.rint(grey / 257).astype(np.uint8))


def _check_size(name: str, size: tuple[int, ...]) -> None:
    if math.prod(size) > MOST_PIXELS:
        raise ValueError(f"{name} {TOO_LARGE}; it has {'x'.join(map(str, size))}")


def _pixels(name: str, array: NDArray[Any]) -> NDArray[np.uint8]:
    """Check an array and return it as (height, width) or (height, width, 3)."""
    pixels = array[0] if array.ndim == 4 and len(array) == 1 else array
    is_mask = name == "mask_image"
    if is_mask and pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if is_mask and pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    shapes = "(height, width, 3) or (1, height, width, 3)" + ", or (height, width)" * is_mask
    if pixels.dtype != np.uint8:
        raise TypeError(f"{name} must be uint8, from 0 to 255, got {array.dtype}")
    coloured = pixels.ndim == 3 and pixels.shape[2] == 3
    if not (coloured or (is_mask and pixels.ndim == 2)) or pixels.size == 0:
        raise ValueError(f"{name} must have the shape {shapes}, got {array.shape}")
    _check_size(name, pixels.shape[1::-1])
    return pixels
