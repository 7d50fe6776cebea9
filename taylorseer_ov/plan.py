"""A cache plan: per step, whether the transformer runs and how the velocity is combined.

The velocity used in step i is a weighted sum of the transformer outputs computed so far,

    velocity[i] = sum over computed j <= i of  weights[i, j] * output[j]

so a plan is a mask and a lower-triangular matrix. The row of a computed step is a unit row, the
row of a predicted step holds the Newton (equivalently Lagrange) interpolation weights of the last
`max_order + 1` computed outputs,

    weights[i, j] = product over the other nodes m of  (x[i] - x[m]) / (x[j] - x[m])

with the abscissa x being the step index or sigma. At order 1 in the step index, with the last two
computed steps p < u, that is 1 + k/g and -k/g for k = i - u, g = u - p: TaylorSeer Lite.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .config import TaylorSeerCacheConfig
from .schedule import Schedule, step_schedule


class CachePlan:
    """An immutable mask and weight matrix for one number of steps, compared by value.

    Attributes:
        mask: per step, True where the transformer runs; shape (n,).
        weights: float64 (n, n), read-only. Row i combines the outputs of computed steps j <= i;
            columns of predicted steps are zero.

    Raises:
        ValueError: if a row uses an output that does not exist when it is needed, the shapes do not
            fit, or a weight is not finite.
    """

    def __init__(self, mask: Sequence[bool], weights: ArrayLike) -> None:
        self.mask: Schedule = tuple(bool(computed) for computed in mask)
        self.weights: NDArray[np.float64] = np.array(weights, dtype=np.float64)
        self.weights.flags.writeable = False
        steps = len(self.mask)
        if steps == 0 or self.weights.shape != (steps, steps):
            raise ValueError(
                f"a plan for {steps} steps needs weights of shape ({steps}, {steps}) and at least "
                f"one step, got {self.weights.shape}"
            )
        if not np.isfinite(self.weights).all():
            raise ValueError("a plan's weights must be finite")
        known = np.tril(np.ones((steps, steps), dtype=bool)) & np.array(self.mask)
        for i, j in np.argwhere((self.weights != 0) & ~known):
            what = "is later" if j > i else "does not run the transformer"
            raise ValueError(f"step {i} has a weight on the output of step {j}, which {what}")
        empty = np.flatnonzero(~self.weights.any(axis=1))
        if empty.size:
            raise ValueError(f"step {empty[0]} has no weight: nothing to take its velocity from")

    @classmethod
    def uncached(cls, num_inference_steps: int) -> CachePlan:
        """The plan that runs the transformer in every step."""
        return cls((True,) * num_inference_steps, np.eye(num_inference_steps))

    @classmethod
    def taylor(cls, config: TaylorSeerCacheConfig, sigmas: ArrayLike) -> CachePlan:
        """Build the plan of a TaylorSeer configuration.

        Args:
            sigmas: noise levels, shape (n + 1,): one per step and the final zero.

        Warns:
            InactiveCacheWarning: if the configuration caches nothing in so many steps.
        """
        levels = np.asarray(sigmas, dtype=np.float64)
        if levels.ndim != 1 or levels.size < 2:
            raise ValueError(f"sigmas must have shape (n + 1,) with n >= 1, got {levels.shape}")
        steps = levels.size - 1
        mask = step_schedule(config, steps)
        abscissa = np.arange(steps) if config.abscissa == "step" else levels[:-1]
        weights = np.zeros((steps, steps))
        computed: list[int] = []
        for i, runs in enumerate(mask):
            if runs:
                computed.append(i)
                weights[i, i] = 1.0
            else:
                nodes = computed[-(config.max_order + 1) :]
                weights[i, nodes] = interpolation_weights(abscissa[nodes], abscissa[i])
        return cls(mask, weights)

    @property
    def num_inference_steps(self) -> int:
        return len(self.mask)

    @property
    def transformer_runs(self) -> int:
        """Number of steps that run the transformer."""
        return sum(self.mask)

    @property
    def is_uncached(self) -> bool:
        """Whether every step just uses its own output."""
        return np.array_equal(self.weights, np.eye(len(self.mask)))

    @property
    def ideal_speed_up(self) -> float:
        """Steps per transformer run: what caching could gain if all else cost nothing."""
        return self.num_inference_steps / self.transformer_runs

    def __str__(self) -> str:
        return schedule_text(self.mask)

    def __repr__(self) -> str:
        return f"<CachePlan {self}, {self.transformer_runs} of {len(self.mask)} steps computed>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CachePlan):
            return NotImplemented
        return self.mask == other.mask and np.array_equal(self.weights, other.weights)

    def __hash__(self) -> int:
        return hash((self.mask, self.weights.tobytes()))

    def to_json(self) -> str:
        """Return the plan as JSON: the mask as text and, per step, its weights by column."""
        rows = [{str(j): row[j] for j in np.flatnonzero(row)} for row in self.weights]
        return json.dumps({"format": "taylorseer_ov.CachePlan/1", "mask": str(self), "rows": rows})

    @classmethod
    def from_json(cls, text: str) -> CachePlan:
        """Build from what `to_json` wrote; floats come back exactly."""
        values: Any = json.loads(text)
        if not isinstance(values, dict) or values.get("format") != "taylorseer_ov.CachePlan/1":
            raise ValueError(
                f"not a cache plan, whose 'format' is 'taylorseer_ov.CachePlan/1': {text[:80]!r}"
            )
        mask = parse_schedule(values["mask"])
        weights = np.zeros((len(mask), len(mask)))
        for i, row in enumerate(values["rows"]):
            for j, weight in row.items():
                weights[i, int(j)] = weight
        return cls(mask, weights)


def plan_for(cache: TaylorSeerCacheConfig | CachePlan | None, sigmas: ArrayLike) -> CachePlan:
    """Return the plan for what a caller asked to be cached, in a generation with these sigmas.

    Raises:
        ValueError: if a given plan is for another number of steps.
    """
    steps = np.size(sigmas) - 1
    if cache is None:
        return CachePlan.uncached(steps)
    if isinstance(cache, TaylorSeerCacheConfig):
        return CachePlan.taylor(cache, sigmas)
    if cache.num_inference_steps != steps:
        raise ValueError(
            f"this cache plan is for {cache.num_inference_steps} steps, not for {steps}"
        )
    return cache


def interpolation_weights(nodes: ArrayLike, x: float) -> NDArray[np.float64]:
    """Weights, by node, that evaluate at `x` the polynomial through values at distinct `nodes`."""
    at = np.asarray(nodes, dtype=np.float64)
    weights = np.ones(at.size)
    for j in range(at.size):
        others = np.delete(at, j)
        weights[j] = np.prod((x - others) / (at[j] - others))
    return weights


def schedule_text(mask: Sequence[bool]) -> str:
    """Write a schedule as text: `C` for a computed step, `.` for a predicted one."""
    return "".join("C" if computed else "." for computed in mask)


def parse_schedule(text: str) -> Schedule:
    """Read what `schedule_text` wrote."""
    if not text or set(text) - set("C."):
        raise ValueError(f"a schedule is written with 'C' and '.' only, got {text!r}")
    return tuple(letter == "C" for letter in text)
