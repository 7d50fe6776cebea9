"""Pictures and masks that a generation starts from: read, checked and brought to size.

As diffusers' `VaeImageProcessor` does it: the size that is not given is the picture's, rounded down
to whole tokens, and what has another size is resized with a Lanczos filter.
"""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import held_array

if TYPE_CHECKING:
    from PIL.Image import Image

MULTIPLE = 16  # pixels that a token is wide
MOST_PIXELS = 64 * 10**6  # of a picture that is read; its file may be small all the same


TOO_LARGE = f"has over {MOST_PIXELS // 10**6} million pixels; make the picture smaller first"


@dataclass(frozen=True, eq=False)
class InitialImage:
    """The picture that a generation starts from, in the size that is drawn.

    Attributes:
        pixels: uint8 (1, height, width, 3).
        mask_image: bool (height, width), True where it is drawn anew; None for everywhere.
    """

    pixels: NDArray[np.uint8]
    mask_image: NDArray[np.bool_] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        _, height, width, _ = self.pixels.shape
        return height, width

    def digests(self) -> dict[str, str]:
        """Return the sha256 of the picture and of the mask, as they are used."""
        arrays = {"image": self.pixels, "mask": self.mask_image}
        return {
            name: hashlib.sha256(array.tobytes()).hexdigest()
            for name, array in arrays.items()
            if array is not None
        }


def initial_image(
    image: Any, *mask_image: Any, height: int | None, width: int | None
) -> InitialImage:
    """Read a picture, and a mask if one is given, and bring them to a size.

    Args:
        image: uint8 array (height, width, 3) or (1, height, width, 3), an `openvino.Tensor` or a
            `GenerationResult` of such a shape, a PIL image, or the path of a file.
        mask_image: the same, grey or coloured; arrays may also be bool or (height, width). What is
            at least half bright is True.
        height, width: multiples of 16; those of the picture, rounded down, where None.

    Raises:
        TypeError, ValueError: for what is no picture, is too small, or has over 64 million pixels,
            which are not decoded.
        FileNotFoundError: if there is no such file.
    """
    from PIL import Image

    picture = read_picture("image", image).convert("RGB")
    sizes = []
    for name, given, own in (
        ("height", height, picture.height),
        ("width", width, picture.width),
    ):
        if given is None and own < MULTIPLE:
            raise ValueError(
                f"the image has a {name} of {own}, less than {MULTIPLE} pixels; give {name}"
            )
        sizes.append(given if given is not None else own - own % MULTIPLE)
    size = sizes[1], sizes[0]

    def resized(drawn: Image.Image) -> NDArray[np.uint8]:
        return np.asarray(drawn.resize(size, Image.Resampling.LANCZOS))

    pixels = resized(picture)[None]
    masks = [resized(read_picture("mask_image", mask).convert("L")) >= 128 for mask in mask_image]
    return InitialImage(pixels, *masks)


def read_picture(name: str, source: Any) -> Image:
    """Return a picture or mask, of any form that `initial_image` takes, as PIL's.

    Args:
        name: what errors call it.

    Raises:
        TypeError, ValueError, FileNotFoundError: as `initial_image` does.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if isinstance(source, Image.Image):
        if 0 in source.size:
            raise ValueError(f"{name} is empty: it has {source.width}x{source.height} pixels")
        _check_size(name, source.size)
        return source
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"{name}: there is no file {str(path)!r}")
        try:
            # cameras write how a picture is to be turned instead of turning it
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                opened = Image.open(path)
            with opened:  # only its header is read yet
                _check_size(f"{name}: {str(path)!r}", opened.size)
                return ImageOps.exif_transpose(opened)
        except Image.DecompressionBombError as error:
            raise ValueError(f"{name}: {str(path)!r} {TOO_LARGE}") from error
        except (UnidentifiedImageError, OSError) as error:
            raise ValueError(f"{name}: {str(path)!r} cannot be read as a picture") from error
    array = held_array(source)
    if not isinstance(array, np.ndarray):
        raise TypeError(
            f"{name} must be a uint8 array, an openvino.Tensor, a result, a PIL image or a path, "
            f"got {source!r}"
        )
    return Image.fromarray(_pixels(name, array))


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
