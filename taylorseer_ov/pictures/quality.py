"""How alike two pictures are.

    PSNR = 10 log10(L^2 / MSE)                                                        (decibels)
    SSIM = mean of (2 m_a m_b + c1)(2 s_ab + c2) / ((m_a^2 + m_b^2 + c1)(s_a^2 + s_b^2 + c2))

with L = 255, c1 = (0.01 L)^2, c2 = (0.03 L)^2 and means and (co)variances under a Gaussian window
of 11 pixels and standard deviation 1.5. Source: Wang, Bovik, Sheikh, Simoncelli, 2004.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

DATA_RANGE = 255.0
WINDOW = 11


def psnr(a: ArrayLike, b: ArrayLike) -> float:
    """Return the peak signal-to-noise ratio of 8-bit pictures in dB; infinite if they are equal.

    Args:
        a, b: pictures of one shape, with values from 0 to 255.

    Raises:
        ValueError: if the shapes differ.
    """
    first, second = _same_shape(a, b)
    error = np.mean((first - second) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(DATA_RANGE**2 / error))


def ssim(a: ArrayLike, b: ArrayLike) -> float:
    """Return the structural similarity of 8-bit pictures (..., H, W, channels), 1 if equal.

    The mean over pixels whose window lies inside the picture, and over channels.

    Raises:
        ValueError: if the shapes differ, or a side is shorter than the window of 11 pixels.
    """
    first, second = _same_shape(a, b)
    if first.ndim < 3 or min(first.shape[-3:-1]) < WINDOW:
        raise ValueError(
            f"ssim needs pictures (..., H, W, channels) of at least {WINDOW}x{WINDOW} pixels, "
            f"got {first.shape}"
        )
    mean_a, mean_b = _blur(first), _blur(second)
    variance_a = _blur(first * first) - mean_a**2
    variance_b = _blur(second * second) - mean_b**2
    covariance = _blur(first * second) - mean_a * mean_b
    c1, c2 = (0.01 * DATA_RANGE) ** 2, (0.03 * DATA_RANGE) ** 2
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float(
        np.mean(likeness / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)))
    )


def _same_shape(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"pictures of one shape are compared, got {first.shape}, {second.shape}")
    return first, second


def _blur(pictures: NDArray[np.float64]) -> NDArray[np.float64]:
    offsets = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    for axis in (-3, -2):
        views = np.lib.stride_tricks.sliding_window_view(pictures, WINDOW, axis=axis)
        pictures = views @ window
    return pictures
