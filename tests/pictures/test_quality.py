"""PSNR and SSIM, against scikit-image."""

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from taylorseer_ov import psnr, ssim

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


def test_batches_are_averaged():
    batch = ssim(np.stack([PICTURE, PICTURE]), np.stack([PICTURE, OTHER]))
    assert batch == pytest.approx((1 + ssim(PICTURE, OTHER)) / 2)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="pictures of one shape"):
        psnr(PICTURE, PICTURE[:-1])
    with pytest.raises(ValueError, match="at least 11x11 pixels"):
        ssim(PICTURE[:8], PICTURE[:8])
