"""Make the rows of a Taylor plan: what a predicted step is forecast from, what a gap is mended by.

**Predictor.** The row of a predicted step holds the Newton (equivalently Lagrange) interpolation
weights of the last `max_order + 1` computed outputs,

    weights[i, j] = product over the other nodes m of  (x[i] - x[m]) / (x[j] - x[m])

with the abscissa x being the step index or sigma. At order 1 in the step index, with the last two
computed steps p < u, that is 1 + k/g and -k/g for k = i - u, g = u - p: TaylorSeer Lite.

**Corrector.** The row of a computed step is a unit row. With the corrector, one that ends a gap
also mends what the gap has left: over predicted steps l the state moved by the sum of
(sigma[l+1] - sigma[l]) * predicted[l], and now that output[i] is known the same steps can be
interpolated instead,

    weights[i] = unit[i] + sum over l of  dsigma[l] / dsigma[i] * (interpolated[l] - predicted[l])

It is exact, in any sampler whose step is Euler's, for velocities that are polynomials of degree
`max_order` in the abscissa.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import Matrix
from .config import Abscissa
from .schedule import Schedule


def taylor_rows(
    schedule: Schedule,
    levels: NDArray[np.float64],
    *,
    max_order: int,
    abscissa: Abscissa,
    corrector: bool,
    damping: float,
) -> Matrix:
    """Return the weights of a schedule that begins with a run, (n, n).

    Args:
        levels: falling noise levels, (n + 1,).
        max_order, abscissa, corrector: as in `TaylorSeerCacheConfig`.
        damping: how much of a forecast's change from the last output is believed, 0 to 1.
    """
    steps = len(schedule)
    x = np.arange(steps, dtype=np.float64) if abscissa == "step" else levels[:-1]
    weights = np.zeros((steps, steps))
    computed: list[int] = []
    for i, runs in enumerate(schedule):
        if runs:
            weights[i, i] = 1.0
            if corrector and computed and computed[-1] < i - 1:
                nodes = [*computed[-max(max_order, 1) :], i]
                weights[i] += _repair(weights, nodes, x, np.diff(levels))
            computed.append(i)
        else:
            nodes = computed[-(max_order + 1) :]
            weights[i, nodes] = damping * interpolation_weights(x[nodes], x[i])
            weights[i, nodes[-1]] += 1 - damping
    return weights


def interpolation_weights(nodes: ArrayLike, x: float) -> NDArray[np.float64]:
    """Return the weights of values at distinct `nodes` in their polynomial's value at `x`."""
    # floats of Python's, the same numbers: arrays of two or three cost twenty times as much
    at, point = np.asarray(nodes, dtype=np.float64).tolist(), float(x)
    return np.array(
        [
            math.prod((point - other) / (node - other) for m, other in enumerate(at) if m != j)
            for j, node in enumerate(at)
        ],
        np.float64,
    )


def _repair(
    weights: Matrix, nodes: list[int], x: NDArray[np.float64], dsigma: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights that replace the forecasts between the last two nodes by interpolations."""
    last, i = nodes[-2:]
    repair = np.zeros(len(x))
    for step in range(last + 1, i):
        interpolated = np.zeros(len(x))
        interpolated[nodes] = interpolation_weights(x[nodes], x[step])
        repair += dsigma[step] / dsigma[i] * (interpolated - weights[step])
    return repair


def noise_levels(sigmas: ArrayLike, steps: int | None = None) -> NDArray[np.float64]:
    """Return sigmas as float64 (n + 1,), falling.

    Raises:
        ValueError: if they are not falling, or not those of `steps` steps.
    """
    levels = np.array(sigmas, dtype=np.float64)
    if levels.ndim != 1 or levels.size < 2 or (steps is not None and levels.size != steps + 1):
        expected = "(n + 1,) with n >= 1" if steps is None else f"({steps + 1},)"
        raise ValueError(f"sigmas must have shape {expected}, got {levels.shape}")
    if not (np.diff(levels) < 0).all():
        raise ValueError("sigmas must fall from step to step")
    levels.flags.writeable = False
    return levels
