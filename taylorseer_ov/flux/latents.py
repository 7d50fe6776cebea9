"""Latents of Flux: packing into tokens, and the tokens' positions."""

from __future__ import annotations

import numpy as np

from ..arrays import Array


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


def image_position_ids(rows: int, columns: int) -> Array:
    """Return positions (0, row, column) of the image tokens, row by row, float32 (tokens, 3).

    Source: `FluxPipeline._prepare_latent_image_ids` of diffusers.
    """
    ids = np.zeros((rows, columns, 3), np.float32)
    ids[..., 1] = np.arange(rows)[:, None]
    ids[..., 2] = np.arange(columns)
    return ids.reshape(-1, 3)
