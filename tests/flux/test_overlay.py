"""The given picture over the drawn one: exact outside the mask, blended inside its edge."""

import numpy as np
import pytest

from taylorseer_ov.flux.initial_image import InitialImage, initial_image
from taylorseer_ov.flux.overlay import BLENDED, overlay

GENERATOR = np.random.default_rng(0)
GIVEN = GENERATOR.integers(0, 256, (1, 48, 64, 3), np.uint8)
DRAWN = GENERATOR.integers(0, 256, (2, 48, 64, 3), np.uint8)
BLACK, WHITE = np.zeros((1, 48, 64, 3), np.uint8), np.full((1, 48, 64, 3), 255, np.uint8)


def distances(mask):
    """Pixels to the nearest one outside, by looking at all of them."""
    outside = np.argwhere(~mask)
    places = np.argwhere(np.ones_like(mask))
    return np.sqrt(((places[:, None] - outside) ** 2).sum(-1).min(-1)).reshape(mask.shape)


def blob(height=48, width=64):
    rows, columns = np.mgrid[:height, :width]
    return (rows - 20) ** 2 + (columns - 25) ** 2 < 14**2


@pytest.mark.parametrize(
    "mask", [blob(), blob() | (GENERATOR.random((48, 64)) < 0.02), np.eye(48, 64, dtype=bool)]
)
def test_outside_nothing_changes_and_deep_inside_all_is_drawn(mask):
    laid = overlay(DRAWN, InitialImage(GIVEN, mask))
    assert (laid.shape, laid.dtype) == (DRAWN.shape, np.uint8)
    deep = distances(mask) >= BLENDED + 1
    for picture, drawn in zip(laid, DRAWN, strict=True):
        assert np.array_equal(picture[~mask], GIVEN[0, ~mask])
        assert np.array_equal(picture[deep], drawn[deep])


def test_what_is_drawn_fades_in_with_the_distance_from_the_edge():
    mask = blob()
    share = overlay(WHITE, InitialImage(BLACK, mask))[0, ..., 0] / 255
    way = np.minimum(distances(mask) / (BLENDED + 1), 1)
    assert np.abs(share - way**2 * (3 - 2 * way)).max() < 1 / 255


def test_the_edge_of_the_picture_is_none_of_the_mask_s():
    left = np.zeros((48, 64), bool)
    left[:, :32] = True
    row = overlay(WHITE, InitialImage(BLACK, left))[0, 0, :, 0]
    assert (row[: 32 - BLENDED] == 255).all()
    assert (row[32:] == 0).all()
    assert (np.diff(row[32 - BLENDED - 1 : 33].astype(int)) < 0).all()


def test_a_mask_for_all_or_none_of_it_and_no_mask():
    assert np.array_equal(overlay(DRAWN, InitialImage(GIVEN, np.ones((48, 64), bool))), DRAWN)
    assert np.array_equal(overlay(DRAWN, InitialImage(GIVEN)), DRAWN)
    kept = overlay(DRAWN, InitialImage(GIVEN, np.zeros((48, 64), bool)))
    assert np.array_equal(kept, np.repeat(GIVEN, 2, axis=0))


def test_a_soft_mask_ends_where_it_is_half_bright():
    soft = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    initial = initial_image(GIVEN, soft, height=None, width=None)
    outside = soft < 128
    assert np.array_equal(overlay(DRAWN, initial)[0, outside], GIVEN[0, outside])
    assert not np.array_equal(overlay(DRAWN, initial)[0, ~outside], GIVEN[0, ~outside])
