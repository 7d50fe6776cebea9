"""Latents of Flux: packing into tokens, and the tokens' positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, held_array
from .folder import FluxFolder


def pack_latents(latents: Array) -> Array:
    """Turn 2x2 patches into tokens: (N, C, H, W), both even, to (N, H/2 * W/2, 4C).

    Source: `FluxPipeline._pack_latents` of diffusers.
    """
    batch, channels, height, width = latents.shape
    patches = latents.reshape(batch, channels, height // 2, 2, width // 2, 2)
    tokens = patches.transpose(0, 2, 4, 1, 3, 5)
    return tokens.reshape(batch, (height // 2) * (width // 2), channels * 4)


def unpack_latents(tokens: Array, height: int, width: int) -> Array:
    """Undo `pack_latents`: (N, H/2 * W/2, 4C) to (N, C, H, W), with H and W of the latents.

    Source: `FluxPipeline._unpack_latents` of diffusers.
    """
    batch, _, features = tokens.shape
    patches = tokens.reshape(batch, height // 2, width // 2, features // 4, 2, 2)
    return patches.transpose(0, 3, 1, 4, 2, 5).reshape(batch, features // 4, height, width)


def packed_latents(values: Any, folder: FluxFolder, height: int, width: int) -> Array:
    """Read packed latents, float32 (N, tokens, 4C), of pictures of a size in pixels.

    Args:
        values: an array, an `openvino.Tensor`, or anything else that numpy makes an array of.

    Raises:
        TypeError, ValueError: for what has no numbers or another shape.
    """
    array = np.asarray(held_array(values))
    if array.dtype.kind not in "fiu":
        raise TypeError(f"latents must be an array of numbers or a tensor, got {values!r:.200}")
    expected = height * width // (2 * folder.vae_scale) ** 2, 4 * folder.latent_channels
    if array.ndim != 3 or not len(array) or array.shape[1:] != expected:
        raise ValueError(
            f"latents of pictures of {width}x{height} have the shape "
            f"(N, {expected[0]}, {expected[1]}), got {array.shape}; those of another size need "
            "its height and width"
        )
    return array.astype(np.float32, copy=False)


def image_position_ids(rows: int, columns: int) -> Array:
    """Return positions (0, row, column) of the image tokens, row by row, float32 (tokens, 3).

    Source: `FluxPipeline._prepare_latent_image_ids` of diffusers.
    """
    ids = np.zeros((rows, columns, 3), np.float32)
    ids[..., 1] = np.arange(rows)[:, None]
    ids[..., 2] = np.arange(columns)
    return ids.reshape(-1, 3)
