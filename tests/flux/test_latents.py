"""Packing and positions."""

import numpy as np

from taylorseer_ov.flux.latents import image_position_ids, pack_latents, unpack_latents


def test_packing_order():
    latents = np.arange(2 * 4 * 4, dtype=np.float32).reshape(1, 2, 4, 4)
    tokens = pack_latents(latents)
    assert tokens.shape == (1, 4, 8)
    # feature 4 c + 2 dy + dx of token (row, column)
    assert tokens[0, 0].tolist() == [0, 1, 4, 5, 16, 17, 20, 21]
    assert tokens[0, 1].tolist() == [2, 3, 6, 7, 18, 19, 22, 23]
    assert tokens[0, 2, 0] == 8


def test_unpacking_undoes_packing():
    latents = np.random.default_rng(0).standard_normal((2, 16, 6, 10)).astype(np.float32)
    assert np.array_equal(unpack_latents(pack_latents(latents), 6, 10), latents)


def test_image_positions():
    ids = image_position_ids(2, 3)
    assert ids.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 0], [0, 1, 1], [0, 1, 2]]
