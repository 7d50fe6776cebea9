"""Fit the weights of a cache plan by least squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Matrix
from .plan import CachePlan
from .rows import noise_levels


@dataclass(frozen=True)
class Inner:
    """Inner products, summed over prompts, that a fit needs.

    Attributes:
        basis: of a cached run's outputs among themselves, (n, n); zero where nothing was computed.
        cross: of a cached run's outputs with a full run's, (n, n).
        full: of a full run's outputs among themselves, (n, n).
    """

    basis: Matrix
    cross: Matrix
    full: Matrix

    @classmethod
    def of_full_runs(cls, gram: Matrix) -> Inner:
        """What a cached run would be if its outputs were those of the full run."""
        return cls(gram, gram, gram)


def gram(outputs: NDArray[np.float32], others: NDArray[np.float32] | None = None) -> Matrix:
    """Return the inner products (n, n) of outputs (n, size), summed in float64.

    Args:
        others: what they are multiplied with, of the same shape; themselves if None.
    """
    left = outputs.astype(np.float64)
    right = left if others is None else others.astype(np.float64)
    product: Matrix = left @ right.T
    return product


def fit(
    mask: Sequence[bool], sigmas: NDArray[np.floating], inner: Inner, *, ridge: float = 1e-6
) -> tuple[CachePlan, NDArray[np.float64]]:
    """Fit the weights of a schedule, as `calibration.py` states it.

    Args:
        mask: the schedule, (n,).
        sigmas: falling noise levels, (n + 1,).
        inner: inner products of outputs, of the same n steps.
        ridge: how firmly to stay with the repaired order-1 plan, as a share of the mean square of
            the outputs known.

    Returns:
        The plan, and what remains of the latents' displacement after each step: squared norms (n,).
    """
    levels = noise_levels(sigmas, len(mask))
    dsigma = np.diff(levels)
    prior = CachePlan.from_mask(mask, levels, abscissa="sigma", corrector=True).weights
    steps = len(mask)
    weights = np.zeros((steps, steps))
    before = np.zeros(steps)
    left_over = np.zeros(steps)
    computed = np.flatnonzero(mask)
    for i in range(steps):
        known = computed[computed <= i]
        target = np.where(np.arange(steps) <= i, dsigma, 0.0)
        expected = before + dsigma[i] * prior[i]
        gram_known = inner.basis[np.ix_(known, known)]
        wanted = inner.cross[known] @ target - gram_known @ expected[known]
        scale = ridge * np.trace(gram_known) / len(known)
        now = expected.copy()
        now[known] += np.linalg.solve(gram_known + scale * np.eye(len(known)), wanted)
        weights[i] = (now - before) / dsigma[i]
        coefficients = now[known]
        left_over[i] = (
            target @ inner.full @ target
            - 2 * coefficients @ inner.cross[known] @ target
            + coefficients @ gram_known @ coefficients
        )
        before = now
    return CachePlan(mask, weights, levels), np.maximum(left_over, 0)
