"""Where denoising starts, and how a given picture takes part in it.

A picture is encoded into latents z and noised up to the first noise level that is taken,

    x[0] = sigma[0] * noise + (1 - sigma[0]) * z

With a mask, an ordinary model has the latents outside of it set to the picture's own, noised to the
level that a step has come to, after every step. A Fill model does not need that: at every run of
its transformer it is given the latents of the picture without the masked part, and the mask.

Source: `FluxImg2ImgPipeline`, `FluxInpaintPipeline` and `FluxFillPipeline` of diffusers, whose
order of drawing noise this keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .initial_image import InitialImage
from .latents import pack_latents
from .noise import Draw
from .sampling import Constraint, Velocity, add_noise, unconstrained

Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class StartingPoint:
    """What a generation starts with.

    Attributes:
        latents: packed, (N, tokens, 4C).
        constrain: what becomes of the latents after each step.
        condition: packed features that a Fill transformer is given beside them.
    """

    latents: Array
    constrain: Constraint = unconstrained
    condition: Array | None = None

    def conditioned(self, velocity: Velocity) -> Velocity:
        """Give a velocity the condition, if there is one, at every call."""
        condition = self.condition
        if condition is None:
            return velocity
        return lambda latents, sigma: velocity(np.concatenate([latents, condition], -1), sigma)


def starting_point(
    initial: InitialImage | None,
    shape: Shape,
    sigma: np.float32,
    draw: Draw,
    encode: Callable[[Array], Array],
    is_fill: bool,
) -> StartingPoint:
    """Prepare the start at a noise level.

    Args:
        shape: of the latents, (N, C, h, w).
        draw: returns noise of a shape.
        encode: turns a picture (1, 3, height, width), from -1 to 1, into latents (1, C, h, w).
    """
    if initial is None:
        return StartingPoint(pack_latents(draw(shape)))
    pixels = initial.pixels.astype(np.float32).transpose(0, 3, 1, 2)
    # multiplied, not divided, as OpenVINO does it inside openvino_genai
    picture = pixels * np.float32(1 / 127.5) - np.float32(1)
    latents = encode(picture)
    noise = draw(shape)
    start = pack_latents(add_noise(latents, noise, sigma))
    if initial.mask_image is None:
        return StartingPoint(start)
    if is_fill:
        unmasked = pack_latents(encode(np.where(initial.mask_image, np.float32(0), picture)))
        condition = np.concatenate([unmasked, _mask_features(initial.mask_image, shape)], -1)
        return StartingPoint(start, condition=np.repeat(condition, shape[0], axis=0))
    return StartingPoint(start, _keep_outside(initial.mask_image, latents, noise))


def _keep_outside(mask: NDArray[np.bool_], latents: Array, noise: Array) -> Constraint:
    _, _, height, width = latents.shape
    nearest = mask[:: mask.shape[0] // height, :: mask.shape[1] // width]
    repaint = pack_latents(np.broadcast_to(nearest, latents.shape).astype(np.float32))
    latents, noise = pack_latents(latents), pack_latents(noise)

    def constrain(drawn: Array, sigma: np.float32) -> Array:
        return (1 - repaint) * add_noise(latents, noise, sigma) + repaint * drawn

    return constrain


def _mask_features(mask: NDArray[np.bool_], shape: Shape) -> Array:
    """The mask's pixels as features of the tokens they lie in, (1, tokens, 4 * pixels)."""
    _, _, height, width = shape
    rows, columns = mask.shape[0] // height, mask.shape[1] // width
    patches = mask.reshape(height, rows, width, columns).transpose(1, 3, 0, 2)
    return pack_latents(patches.reshape(1, rows * columns, height, width).astype(np.float32))
