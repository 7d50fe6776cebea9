"""Latents of Flux: noise, packing into tokens, and the tokens' positions."""

from __future__ import annotations

import numpy as np

from ..arrays import Array


def pack_latents(latents: Array) -> Array:
    """Turn 2x2 patches into tokens: (N, C, H, W) to (N, H/2 * W/2, 4C)."""
    batch, channels, height, width = latents.shape
    patches = latents.reshape(batch, channels, height // 2, 2, width // 2, 2)
    tokens = patches.transpose(0, 2, 4, 1, 3, 5)
    return tokens.reshape(batch, (height // 2) * (width // 2), channels * 4)


def unpack_latents(tokens: Array, height: int, width: int) -> Array:
    """Undo `pack_latents`: (N, H/2 * W/2, 4C) to (N, C, H, W), with H and W of the latents."""
    batch, _, features = tokens.shape
    patches = tokens.reshape(batch, height // 2, width // 2, features // 4, 2, 2)
    return patches.transpose(0, 3, 1, 4, 2, 5).reshape(batch, features // 4, height, width)


def image_position_ids(rows: int, columns: int) -> Array:
    """Positions (0, row, column) of the image tokens in row-major order, shape (tokens, 3)."""
    ids = np.zeros((rows, columns, 3), np.float32)
    ids[..., 1] = np.arange(rows)[:, None]
    ids[..., 2] = np.arange(columns)
    return ids.reshape(-1, 3)
