"""The given picture laid over what was drawn of it, outside the mask.

Inpainting keeps the latents outside a mask, but a latent is decoded together with its neighbours
and stands for 8 x 8 pixels, so that the pixels there come back changed. They are put back as they
were, and inside the mask, d pixels from the nearest one outside,

    pixel = given + w(d) * (drawn - given)        w = 3 t^2 - 2 t^3,  t = min(d / 5, 1)

so that what is drawn fades in over four pixels and nothing outside changes.

Source: what `VaeImageProcessor.apply_overlay` of diffusers does for crops, and AUTOMATIC1111's web
UI by default ("Overlay original for inpaint", `overlay_inpaint`, with a `mask_blur` of 4), blending
to both sides of the edge; users of ComfyUI add an `ImageCompositeMasked`.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array, Pictures
from .initial_image import InitialImage

BLENDED = 4  # pixels inside the mask's edge


def overlay(drawn: Pictures, initial: InitialImage) -> Pictures:
    """Return drawn pictures (N, height, width, 3) with the given one's pixels outside its mask.

    Without a mask they are what they were.
    """
    if initial.mask_image is None:
        return drawn
    weights = _weights(initial.mask_image)[..., None]
    given = initial.pixels.astype(np.float32)
    return np.rint(given + weights * (drawn - given)).astype(np.uint8)


def _weights(mask: NDArray[np.bool_]) -> Array:
    """What share of each pixel is the drawn one: 0 outside the mask."""
    far = (BLENDED + 1) ** 2
    squares = np.where(mask, far, 0)
    for axis in (0, 1):
        squares = _nearest(squares, axis, far)
    way = (np.sqrt(squares) / (BLENDED + 1)).astype(np.float32)
    return way**2 * (3 - 2 * way)


def _nearest(squares: NDArray[np.int_], axis: int, far: int) -> NDArray[np.int_]:
    """Square distances over one more axis, at most `far`, from those over the others."""
    around = [(BLENDED, BLENDED) if k == axis else (0, 0) for k in range(squares.ndim)]
    padded = np.pad(squares, around, constant_values=far)
    size = squares.shape[axis]
    shifted = (
        np.take(padded, range(BLENDED + shift, BLENDED + shift + size), axis) + shift**2
        for shift in range(-BLENDED, BLENDED + 1)
    )
    return reduce(np.minimum, shifted)
