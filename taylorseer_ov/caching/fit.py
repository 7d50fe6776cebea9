"""Fit the weights of a cache plan by least squares, and search its schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Matrix
from .plan import CachePlan
from .rows import noise_levels
from .schedule import Schedule


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


def search_mask(
    gram_full: Matrix,
    sigmas: NDArray[np.floating],
    start: Sequence[bool],
    *,
    longest_gap: int = 8,
    ridge: float = 1e-6,
) -> Schedule:
    """Find a schedule with as many transformer runs as `start`, moving one run at a time.

    The objective is the displacement's error after a fit on full runs: at the end, and in the
    latents that each transformer run is given. It never ends worse than `start`.

    Args:
        gram_full: inner products of full runs' outputs, (n, n).
        sigmas: falling noise levels, (n + 1,).
        start: the schedule that is changed, (n,).
        longest_gap: between two runs, or the last one and the end, in steps.
        ridge: as in `fit`.
    """
    inner = Inner.of_full_runs(gram_full)

    def error(mask: Schedule) -> float:
        left_over = fit(mask, sigmas, inner, ridge=ridge)[1]
        given_to_a_run = np.append(mask[1:], True)
        return float(left_over @ given_to_a_run)

    best: Schedule = tuple(bool(computed) for computed in start)
    lowest = error(best)
    while True:
        for candidate in _exchanges(best, longest_gap):
            tried = error(candidate)
            if tried < lowest * (1 - 1e-6):
                best, lowest = candidate, tried
                break
        else:
            return best


def _exchanges(mask: Schedule, longest_gap: int) -> Iterator[Schedule]:
    """All schedules with one run moved elsewhere, near moves first; the first step always runs."""
    steps = len(mask)
    runs = [i for i, computed in enumerate(mask) if computed and i > 0]
    moves = [(abs(i - j), i, j) for i in runs for j in range(1, steps) if not mask[j]]
    for _, taken, given in sorted(moves):
        moved = tuple(i == given or (computed and i != taken) for i, computed in enumerate(mask))
        gaps = np.diff([i for i, computed in enumerate(moved) if computed] + [steps])
        if gaps.max() <= longest_gap:
            yield moved
