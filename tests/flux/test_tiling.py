"""Decoding by tiles: the tiles cover, the weights add up, and no seam is left."""

import numpy as np
import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.flux import tiled_vae
from taylorseer_ov.flux.folder import FluxFolder
from taylorseer_ov.flux.parts import Place
from taylorseer_ov.flux.tiled_vae import TiledVaeDecoder
from taylorseer_ov.flux.tiling import (
    LARGEST_TILE,
    MARGIN,
    OVERLAP,
    Tiles,
    decode_by_tiles,
    fits_a_tile,
    sample_tile,
    tile_size,
)
from taylorseer_ov.flux.vae import VaeDecoder
from tests.common import F32, PROMPT

SIZES = st.integers(2, 600)


@given(SIZES)
@pytest.mark.once
def test_tiles_cover_and_overlap(size):
    tiles = Tiles.cover(size)
    assert tiles.length <= LARGEST_TILE
    assert tiles.starts[0] == 0
    assert tiles.starts[-1] + tiles.length == size
    for start, following in zip(tiles.starts, tiles.starts[1:], strict=False):
        assert 0 < following - start <= tiles.length - OVERLAP
    # as few as possible: one less of the largest would not do
    fewer = len(tiles.starts) - 1
    assert fewer == 0 or fewer * (LARGEST_TILE - OVERLAP) + OVERLAP < size


@given(SIZES, st.sampled_from([1, 8]))
@pytest.mark.once
def test_weights_sum_to_one_and_spare_the_margins(size, scale):
    tiles = Tiles.cover(size)
    weights = tiles.weights(scale)
    total = np.zeros(size * scale)
    for start, weight in zip(tiles.starts, weights, strict=True):
        assert weight.dtype == np.float32
        assert weight.min() >= 0
        total[start * scale : start * scale + weight.size] += weight
        if start > 0:
            assert not weight[: MARGIN * scale].any()
        if start + tiles.length < size:
            assert not weight[-MARGIN * scale :].any()
    assert np.abs(total - 1).max() < 1e-6


@pytest.mark.once
def test_two_tiles_are_blended_linearly():
    left, right = Tiles.cover(112).weights(1)
    assert Tiles.cover(112) == Tiles(112, 64, (0, 48))
    ramp = (np.arange(8) + 0.5) / 8
    assert np.allclose(right[:16], [0, 0, 0, 0, *ramp, 1, 1, 1, 1])
    assert np.allclose(left[-16:], right[:16][::-1])


@given(SIZES)
@pytest.mark.once
def test_the_sample_has_the_length_of_a_tile_and_comes_from_all_over(size):
    tiles = Tiles.cover(size)
    sample = tiles.sample()
    assert sample.size == tiles.length
    assert sample[0] == 0
    assert sample[-1] == size - 1
    steps = np.diff(sample)
    assert steps.min() >= 1
    # runs of some latents, then a jump, all about equally far
    jumps = steps[steps > 1]
    assert jumps.size == 0 or jumps.max() - jumps.min() <= 1


@pytest.mark.once
def test_latents_that_fit_a_tile_are_their_own_sample():
    latents = np.random.default_rng(0).standard_normal((1, 16, 48, 64))
    assert fits_a_tile(48, 64)
    assert tile_size(48, 64) == (48, 64)
    assert np.array_equal(sample_tile(latents), latents)
    assert not fits_a_tile(48, 65)
    assert sample_tile(np.zeros((1, 16, 48, 200))).shape == (1, 16, 48, tile_size(48, 200)[1])


@given(st.integers(8, 150), st.integers(8, 150), st.integers(0, 9))
@pytest.mark.once
def test_a_decoder_that_sees_no_farther_than_the_margin_is_exact(height, width, seed):
    """A zero-padded convolution as wide as that, then enlargement: a decoder, but for its size."""
    kernel = np.random.default_rng(seed).standard_normal(2 * MARGIN + 1).astype(np.float32)
    latents = np.random.default_rng(seed).standard_normal((1, 2, height, width), np.float32)

    def decode(part):
        for axis in (2, 3):
            part = np.apply_along_axis(np.convolve, axis, part, kernel)
            part = np.delete(part, [*range(MARGIN), *range(-MARGIN, 0)], axis)
        return part.repeat(2, 2).repeat(2, 3).transpose(0, 2, 3, 1).astype(np.float32)

    whole = decode(latents)
    tiled = decode_by_tiles(decode, latents, 2)
    assert tiled.shape == whole.shape == (1, 2 * height, 2 * width, 2)
    assert np.abs(tiled - whole).max() < 1e-4 * np.abs(whole).max()


# --- on the demo model's decoder ---


@pytest.fixture(scope="module")
def latents(pipeline):
    """Latents of two pictures of 576x640, as the model's own encoder makes them."""
    encoder = ov.Core().compile_model(
        demo_model_path() / "vae_encoder" / "openvino_model.xml", "CPU", F32
    )
    prompts = (PROMPT, "a green star left of a yellow square on a white background")
    encoded = []
    for prompt in prompts:
        picture = pipeline.generate(prompt, cache="fast").images[0]
        large = np.asarray(picture.resize((640, 576), Image.Resampling.BICUBIC), np.float32)
        moments = encoder((large / 127.5 - 1).transpose(2, 0, 1)[None])[0]
        encoded.append(moments[:, :16].copy())
    return np.concatenate(encoded)


def compiled(part, *shape):
    decoder = part(FluxFolder.read(demo_model_path()), Place(ov.Core(), "CPU", F32))
    if shape:
        decoder.reshape(*shape)
    decoder.compile()
    return decoder


@pytest.fixture(scope="module")
def whole(latents):
    return compiled(VaeDecoder)(latents).astype(int)


@pytest.fixture(scope="module")
def tiled(latents):
    return compiled(TiledVaeDecoder)(latents).astype(int)


@pytest.mark.once
def test_tiles_differ_little_from_the_whole(whole, tiled):
    """In grey levels of 255, on these pictures: at most 15, 1 on average.

    At 1024x1024, maximum and mean were 8 and 0.8, 5 and 0.4 for two scenes of the demo model's
    kind, 51 and 1.1 for 64 scenes in one picture, 25 and 0.8 for noise; tiles normalized on their
    own had up to 48 and 4.9, 58 and 1.0, 72 and 2.1. A random-weight decoder of FLUX.1's layout,
    with its attention, had 7 and 0.8 for noise at 768x768.
    """
    difference = np.abs(tiled - whole)
    assert tiled.shape == (2, 576, 640, 3)
    assert difference.max() <= 15
    assert difference.mean() <= 1


@pytest.mark.once
def test_no_seam_is_left(whole, tiled):
    """Where tiles blend, the error's slope is that of anywhere else."""
    error = tiled - whole
    for axis, size in ((1, 72), (2, 80)):
        slope = np.abs(np.diff(error, axis=axis)).max(axis=(0, 3 - axis, 3))
        length = tile_size(72, 80)[axis - 1]
        blended = slice((size - length) * 8, length * 8)
        outside = np.concatenate([slope[: blended.start], slope[blended.stop :]])
        assert slope[blended].mean() <= outside.mean() + 1


@pytest.mark.once
def test_with_the_statistics_of_the_whole_picture_tiles_are_exact(latents, whole, monkeypatch):
    monkeypatch.setattr(tiled_vae, "sample_tile", lambda latents: latents)
    exact = compiled(TiledVaeDecoder)(latents[:1])
    assert np.abs(exact - whole[:1]).max() <= 1


@pytest.mark.once
def test_white_stays_white_where_tiles_blend():
    decoder = compiled(TiledVaeDecoder)
    run = decoder._run
    decoder._run = lambda tile: np.full_like(run(tile), 255)
    assert (decoder(np.zeros((1, 16, 16, 200), np.float32)) == 255).all()


@pytest.mark.once
def test_static_tiles_draw_the_same_picture(latents, tiled):
    static = compiled(TiledVaeDecoder, 16, 72, 80)(latents)
    assert np.abs(static - tiled).max() <= 1


# --- in the pipeline ---

SHORT = {"num_inference_steps": 1}


def test_pictures_not_larger_than_a_tile_are_decoded_whole(pipeline):
    tiling = Text2ImagePipeline(demo_model_path(), vae_tiling=True, **F32)
    drawn = tiling.generate(PROMPT, **SHORT)
    assert drawn.report.backend_reason == "openvino_genai decodes pictures whole"
    assert np.array_equal(drawn.data, pipeline.generate(PROMPT, **SHORT).data)
    assert "tiled_vae_decoder" not in tiling._backends.load_python().models.parts


@pytest.mark.parametrize("reshaped", [False, True])
def test_larger_pictures_are_decoded_by_tiles(pipeline, reshaped):
    settings = {"height": 64, "width": 528, **SHORT}
    tiling = Text2ImagePipeline(demo_model_path(), vae_tiling=True, low_memory=True, **F32)
    if reshaped:
        tiling.reshape(1, 64, 528, 3.5)
    drawn = tiling.generate(PROMPT, **settings).data
    assert list(tiling._backends.load_python().models.parts) == ["tiled_vae_decoder"]
    whole = pipeline.generate(PROMPT, **settings).data
    assert drawn.shape == whole.shape
    assert 0 < np.abs(drawn.astype(int) - whole).mean() < 2


def test_native_cannot_tile():
    with pytest.raises(RuntimeError, match="openvino_genai decodes pictures whole"):
        Text2ImagePipeline(demo_model_path(), backend="native", vae_tiling=True)
