"""Noise, packing and positions."""

import numpy as np
import pytest

from taylorseer_ov.flux.latents import image_position_ids, pack_latents, unpack_latents
from taylorseer_ov.flux.noise import StandardNormalGenerator


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


def test_noise_of_a_known_seed():
    # drawn by openvino_genai.CppStdGenerator(42)
    noise = StandardNormalGenerator(42).randn_tensor((5,))
    np.testing.assert_allclose(noise, GOLDEN_42, rtol=3e-7)


GOLDEN_42 = [1.22192132, -0.51696414, 0.86963594, 0.72133267, 1.58855629]


@pytest.mark.native
@pytest.mark.parametrize("seed", [0, 42, 2**32 - 1])
def test_noise_equals_openvino_genai_to_the_last_bits(seed):
    import openvino as ov
    import openvino_genai

    shape = (2, 16, 32, 32)
    native = openvino_genai.CppStdGenerator(seed).randn_tensor(ov.Shape(shape)).data
    ours = StandardNormalGenerator(seed).randn_tensor(shape)
    assert ours.dtype == np.float32
    np.testing.assert_array_max_ulp(ours, native, maxulp=2)
    assert np.mean(ours == native) > 0.99


def test_a_generator_goes_on_where_it_stopped():
    whole = StandardNormalGenerator(7).randn_tensor((1000,))
    parts = StandardNormalGenerator(7)
    pieces = [parts.randn_tensor((count,)) for count in (1, 2, 333, 0, 664)]
    assert np.array_equal(np.concatenate(pieces), whole)


def test_noise_is_standard_normal():
    noise = StandardNormalGenerator(1).randn_tensor((100_000,))
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 1) < 0.01
    assert np.isfinite(noise).all()


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(ValueError, match=f"between 0 and 4294967295, got {seed}"):
        StandardNormalGenerator(seed)
