"""Cut latents into overlapping tiles, and blend what was decoded from them into one picture.

Along each axis the picture is covered by as few equal tiles of at most `LARGEST_TILE` latents as
overlap by `OVERLAP` or more. A tile counts with the weight

    w(x) = min(1, ramp(x - start), ramp(end - x))
    ramp(d) = clip((d - MARGIN) / (OVERLAP - 2 * MARGIN), 0, 1)

along each axis, a border of the picture being no border of a tile, and the weights at a pixel are
divided by their sum. In the margin a decoder's convolutions have seen the padding instead of the
neighbour, so it is left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array

# in latents, of 8 pixels each
LARGEST_TILE, OVERLAP, MARGIN = 64, 16, 4
SAMPLE_RUN = 6


@dataclass(frozen=True)
class Tiles:
    """The tiles along one axis of `size` latents: where they start, and how long they all are."""

    size: int
    length: int
    starts: tuple[int, ...]

    @classmethod
    def cover(cls, size: int) -> Tiles:
        """Cover an axis by as few tiles as possible; one, if it is not longer than a tile."""
        if size <= LARGEST_TILE:
            return cls(size, size, (0,))
        count = math.ceil((size - OVERLAP) / (LARGEST_TILE - OVERLAP))
        length = math.ceil((size + (count - 1) * OVERLAP) / count)
        starts = (k * (size - length) // (count - 1) for k in range(count))
        return cls(size, length, tuple(starts))

    def weights(self, scale: int) -> list[Array]:
        """Return each tile's weight for its own pixels, `scale` of them to a latent."""
        inside = np.arange(self.length * scale) + 0.5
        blended = (OVERLAP - 2 * MARGIN) * scale
        ramp = np.clip((inside - MARGIN * scale) / blended, 0, 1)
        weights = []
        for start in self.starts:
            weight = np.ones(inside.size)
            if start > 0:
                weight = np.minimum(weight, ramp)
            if start + self.length < self.size:
                weight = np.minimum(weight, ramp[::-1])
            weights.append(weight)
        total = np.zeros(self.size * scale)
        places = [slice(start * scale, start * scale + inside.size) for start in self.starts]
        for place, weight in zip(places, weights, strict=True):
            total[place] += weight
        return [
            (weight / total[place]).astype(np.float32)
            for place, weight in zip(places, weights, strict=True)
        ]

    def sample(self) -> NDArray[np.intp]:
        """Return `length` indices of latents: short runs from all along the axis, in order."""
        places = np.arange(self.length)
        runs = max(self.length // SAMPLE_RUN, 2)
        run = places * runs // self.length
        return places + run * (self.size - self.length) // (runs - 1)


def fits_a_tile(height: int, width: int) -> bool:
    """Whether latents of this size are decoded whole."""
    return max(height, width) <= LARGEST_TILE


def tile_size(height: int, width: int) -> tuple[int, int]:
    """Return the one size of all tiles of latents (height, width)."""
    return Tiles.cover(height).length, Tiles.cover(width).length


def sample_tile(latents: Array) -> Array:
    """Put together one tile of latents (N, C, h, w) that stands for all of them."""
    rows, columns = (Tiles.cover(size).sample() for size in latents.shape[2:])
    return latents[:, :, rows[:, None], columns]


def decode_by_tiles(decode: Callable[[Array], Array], latents: Array, scale: int) -> Array:
    """Decode latents (1, C, h, w) tile by tile into a picture (1, H, W, channels), float32.

    Args:
        decode: the same for one tile; what it returns may be overwritten by its next call.
        scale: pixels to a latent.
    """
    rows, columns = (Tiles.cover(size) for size in latents.shape[2:])
    picture: Array | None = None
    row_tiles = zip(rows.starts, rows.weights(scale), strict=True)
    column_tiles = list(zip(columns.starts, columns.weights(scale), strict=True))
    for (top, row_weight), (left, column_weight) in itertools.product(row_tiles, column_tiles):
        tile = decode(latents[:, :, top : top + rows.length, left : left + columns.length])
        if picture is None:
            shape = (1, rows.size * scale, columns.size * scale, tile.shape[-1])
            picture = np.zeros(shape, np.float32)
        height, width = tile.shape[1:3]
        weight = row_weight[:, None, None] * column_weight[:, None]
        y, x = top * scale, left * scale
        picture[:, y : y + height, x : x + width] += weight * tile
    assert picture is not None
    return picture
