"""Pictures and masks that a generation starts from: read, checked and brought to size.

As diffusers' `VaeImageProcessor` does it: the size that is not given is the picture's, rounded down
to whole tokens, and what has another size is resized with a Lanczos filter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .picture_reading import read_picture

if TYPE_CHECKING:
    from PIL.Image import Image

MULTIPLE = 16  # pixels that a token is wide


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
