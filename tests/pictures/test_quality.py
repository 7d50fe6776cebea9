"""PSNR and SSIM, against scikit-image; GMSD, against the formula of its authors' program."""

import math

import numpy as np
import pytest
from scipy.signal import convolve2d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from taylorseer_ov import psnr, ssim
from taylorseer_ov.pictures import gmsd

pytestmark = pytest.mark.once

RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.integers(0, 256, (40, 56, 3), np.uint8)
OTHER = np.clip(PICTURE + RANDOM.normal(0, 20, PICTURE.shape), 0, 255).astype(np.uint8)


def test_equal_pictures():
    assert psnr(PICTURE, PICTURE) == math.inf
    assert ssim(PICTURE, PICTURE) == pytest.approx(1)


def test_psnr_equals_scikit_image():
    assert psnr(PICTURE, OTHER) == pytest.approx(peak_signal_noise_ratio(PICTURE, OTHER))


def test_ssim_equals_scikit_image():
    reference = structural_similarity(
        PICTURE,
        OTHER,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert ssim(PICTURE, OTHER) == pytest.approx(reference, rel=1e-9)


def published_gmsd(a, b):
    """The steps of its authors' program, with scipy's convolution.

    Source: https://www4.comp.polyu.edu.hk/~cslzhang/IQA/GMSD/GMSD.htm
    """
    prewitt = np.array([[1, 0, -1]] * 3) / 3
    maps = []
    for picture in (a, b):
        brightness = picture @ np.array([0.299, 0.587, 0.114])
        mean = convolve2d(brightness, np.ones((2, 2)) / 4)[1:, 1:][::2, ::2]
        across, down = (convolve2d(mean, k, mode="same") for k in (prewitt, prewitt.T))
        maps.append(np.sqrt(across**2 + down**2))
    similarity = (2 * maps[0] * maps[1] + 170) / (maps[0] ** 2 + maps[1] ** 2 + 170)
    return np.std(similarity, ddof=1)


@pytest.mark.parametrize("crop", [(40, 56), (39, 56), (40, 55), (11, 13)])
def test_gmsd_equals_its_definition(crop):
    a, b = (picture[: crop[0], : crop[1]] for picture in (PICTURE, OTHER))
    assert gmsd(a, b) == pytest.approx(published_gmsd(a, b), rel=1e-9)
    assert gmsd(a, a) == 0


def test_gmsd_grows_with_the_damage_to_edges():
    """Of two damages of the same PSNR, noise is worse than a change of brightness."""
    ramp = np.linspace(60, 180, 64)[None, :, None] + 30 * (np.arange(64) // 8 % 2)[:, None, None]
    picture = np.repeat(ramp, 3, axis=2)
    noise = RANDOM.choice((-8.0, 8.0), (64, 64, 1))
    brighter, noisy = picture + 8, picture + noise
    assert psnr(picture, brighter) == pytest.approx(psnr(picture, noisy))
    assert gmsd(picture, brighter) < gmsd(picture, noisy) / 3


def test_batches_are_averaged():
    batch = ssim(np.stack([PICTURE, PICTURE]), np.stack([PICTURE, OTHER]))
    assert batch == pytest.approx((1 + ssim(PICTURE, OTHER)) / 2)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="pictures of one shape"):
        psnr(PICTURE, PICTURE[:-1])
    with pytest.raises(ValueError, match="at least 11x11 pixels"):
        ssim(PICTURE[:8], PICTURE[:8])
    with pytest.raises(ValueError, match=r"gmsd needs pictures \(H, W, 3\)"):
        gmsd(PICTURE[None], PICTURE[None])
