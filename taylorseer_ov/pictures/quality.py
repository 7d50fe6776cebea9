"""How alike two pictures are.

    PSNR = 10 log10(L^2 / MSE)                                                        (decibels)
    SSIM = mean of (2 m_a m_b + c1)(2 s_ab + c2) / ((m_a^2 + m_b^2 + c1)(s_a^2 + s_b^2 + c2))

with L = 255, c1 = (0.01 L)^2, c2 = (0.03 L)^2 and means and (co)variances under a Gaussian window
of 11 pixels and standard deviation 1.5. Source: Wang, Bovik, Sheikh, Simoncelli, 2004.

    GMSD = standard deviation of (2 g_a g_b + c) / (g_a^2 + g_b^2 + c)

with c = 170 and g the magnitudes of the gradients, by Prewitt's filters, of the brightness at half
the size: 0 for equal pictures, and the larger, the more uneven the damage to edges and textures.
Source: Xue, Zhang, Mou, Bovik, 2014, https://arxiv.org/abs/1308.3052, and their program.

None of them needs a network's weights, as LPIPS does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

DATA_RANGE = 255.0
MOST_DB = 100.0  # stands for equal in figures: infinity has no mean and no place in JSON
WINDOW = 11
BRIGHTNESS = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
GRADIENT_CONSTANT = 170.0


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


def finite_psnr(a: ArrayLike, b: ArrayLike) -> float:
    """Return the peak signal-to-noise ratio in dB, at most 100, which stands for equal pictures."""
    return min(MOST_DB, psnr(a, b))


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


def gmsd(a: ArrayLike, b: ArrayLike) -> float:
    """Return the gradient magnitude similarity deviation of 8-bit pictures (H, W, 3), 0 if equal.

    Raises:
        ValueError: if the shapes differ, or are others.
    """
    first, second = _same_shape(a, b)
    if first.ndim != 3 or first.shape[2] != 3 or min(first.shape) < 2:
        raise ValueError(f"gmsd needs pictures (H, W, 3) of at least 2x2 pixels, got {first.shape}")
    gradient_a, gradient_b = (
        _gradient(_halved(picture @ BRIGHTNESS)) for picture in (first, second)
    )
    similarity = (2 * gradient_a * gradient_b + GRADIENT_CONSTANT) / (
        gradient_a**2 + gradient_b**2 + GRADIENT_CONSTANT
    )
    return float(np.std(similarity, ddof=min(1, similarity.size - 1)))


def _halved(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of 2x2 pixels; beyond an odd side there is black."""
    height, width = picture.shape
    padded = np.pad(picture, ((0, height % 2), (0, width % 2)))
    means: NDArray[np.float64] = padded.reshape(-(-height // 2), 2, -(-width // 2), 2).mean((1, 3))
    return means


def _gradient(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """The magnitude of Prewitt's gradient; outside the picture there is black."""
    padded = np.pad(picture, 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    columns = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    magnitude: NDArray[np.float64] = np.hypot(
        rows[:, 2:] - rows[:, :-2], columns[2:] - columns[:-2]
    )
    return magnitude / 3


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
        length = pictures.shape[axis] - WINDOW + 1
        moved = np.moveaxis(pictures, axis, 0)
        blurred = window[WINDOW // 2] * moved[WINDOW // 2 :][:length]
        for k in range(WINDOW // 2):  # twice as fast as a product with views of 11 pixels
            blurred += window[k] * (moved[k : k + length] + moved[WINDOW - 1 - k :][:length])
        pictures = np.moveaxis(blurred, 0, axis)
    return pictures
