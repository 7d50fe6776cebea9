"""A cache plan: per step, whether the transformer runs and how the velocity is combined.

The velocity used in step i is a weighted sum of the transformer outputs computed so far,

    velocity[i] = sum over computed j <= i of  weights[i, j] * output[j]

so a plan is a mask and a lower-triangular matrix.

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

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .config import Abscissa, TaylorSeerCacheConfig
from .schedule import Schedule, step_schedule

PLAN_FORMAT = "taylorseer_ov.CachePlan/2"
MOST_STEPS = 10_000  # a plan read from a file may have


class CachePlan:
    """An immutable mask and weight matrix for one number of steps, compared by value.

    Attributes:
        mask: per step, True where the transformer runs; shape (n,).
        weights: float64 (n, n), read-only. Row i combines the outputs of computed steps j <= i;
            columns of predicted steps are zero.
        sigmas: the noise levels it was made for, float64 (n + 1,), or None if it fits any.

    Raises:
        ValueError: if a row uses an output that does not exist when it is needed, the shapes do not
            fit, or a weight is not finite.
    """

    def __init__(
        self, mask: Sequence[bool], weights: ArrayLike, sigmas: ArrayLike | None = None
    ) -> None:
        self.mask: Schedule = tuple(bool(computed) for computed in mask)
        self.sigmas: NDArray[np.float64] | None = None
        self.weights: NDArray[np.float64] = np.array(weights, dtype=np.float64)
        self.weights.flags.writeable = False
        steps = len(self.mask)
        if sigmas is not None:
            self.sigmas = noise_levels(sigmas, steps)
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
        return cls.from_mask(
            step_schedule(config, noise_levels(sigmas).size - 1),
            sigmas,
            max_order=config.max_order,
            abscissa=config.abscissa,
            corrector=config.corrector,
        )

    @classmethod
    def from_mask(
        cls,
        mask: str | Sequence[bool],
        sigmas: ArrayLike,
        *,
        max_order: int = 1,
        abscissa: Abscissa = "step",
        corrector: bool = False,
        damping: float = 1.0,
    ) -> CachePlan:
        """Build a plan from a schedule of one's own, such as `"CCC..C..CC"`.

        Args:
            mask: `C` or True for each step that runs the transformer; the first must.
            sigmas: noise levels, shape (n + 1,).
            max_order, abscissa, corrector: as in `TaylorSeerCacheConfig`.
            damping: how much of a forecast's change from the last output is believed, 0 to 1.

        Raises:
            ValueError: if the schedule does not fit the sigmas or begins with a forecast.
        """
        schedule = parse_schedule(mask) if isinstance(mask, str) else tuple(map(bool, mask))
        steps = len(schedule)
        levels = noise_levels(sigmas, steps)
        # the configuration checks the other values
        TaylorSeerCacheConfig(max_order=max_order, abscissa=abscissa, corrector=corrector)
        if not 0 <= damping <= 1:
            raise ValueError(f"damping must be from 0 to 1, got {damping}")
        if not schedule[0]:
            raise ValueError("the first step has nothing to be forecast from: begin with 'C'")
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
        return cls(schedule, weights, levels)

    def after(self, step: int) -> CachePlan:
        """Return the plan for the steps from `step` on, for when the outputs before it are lost.

        Steps that would have used those run the transformer and use their own output.
        """
        if step == 0:
            return self
        rest = len(self.mask) - step
        lost = np.asarray(self.weights[step:, :step].any(axis=1))
        weights = np.where(lost[:, None], np.eye(rest), self.weights[step:, step:])
        mask = lost | np.array(self.mask[step:])
        return CachePlan(
            mask.tolist(), weights, None if self.sigmas is None else self.sigmas[step:]
        )

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
    def has_corrector(self) -> bool:
        """Whether a step that runs the transformer uses more than its own output."""
        runs = np.array(self.mask)
        return not np.array_equal(self.weights[runs], np.eye(len(self.mask))[runs])

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
        same_sigmas = (
            self.sigmas is other.sigmas
            if self.sigmas is None or other.sigmas is None
            else np.array_equal(self.sigmas, other.sigmas)
        )
        return (
            self.mask == other.mask and same_sigmas and np.array_equal(self.weights, other.weights)
        )

    def __hash__(self) -> int:
        return hash((self.mask, self.weights.tobytes()))

    def to_json(self) -> str:
        """Return the plan as JSON: the mask as text and, per step, its weights by column."""
        rows = [{str(j): row[j] for j in np.flatnonzero(row)} for row in self.weights]
        sigmas = None if self.sigmas is None else self.sigmas.tolist()
        return json.dumps(
            {"format": PLAN_FORMAT, "mask": str(self), "sigmas": sigmas, "rows": rows}
        )

    @classmethod
    def from_json(cls, text: str) -> CachePlan:
        """Build from what `to_json` wrote; floats come back exactly.

        Raises:
            ValueError: if it is no cache plan, or a damaged one.
        """
        try:
            values: Any = json.loads(text)
        except RecursionError as error:
            raise ValueError("not a cache plan: brackets nested too deeply") from error
        if not isinstance(values, dict) or values.get("format") != PLAN_FORMAT:
            raise ValueError(f"not a cache plan, whose 'format' is {PLAN_FORMAT!r}: {text[:80]!r}")
        try:
            mask = parse_schedule(values["mask"])
            if not len(values["rows"]) == len(mask) <= MOST_STEPS:
                raise ValueError(
                    f"{len(values['rows'])} rows for {len(mask)} steps, at most {MOST_STEPS}"
                )
            weights = np.zeros((len(mask), len(mask)))
            for i, row in enumerate(values["rows"]):
                for j, weight in row.items():
                    weights[i, int(j)] = weight
            return cls(mask, weights, values["sigmas"])
        except (AttributeError, LookupError, TypeError, ArithmeticError) as error:
            raise ValueError(f"a damaged cache plan: {error!r}") from error


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


def _repair(
    weights: NDArray[np.float64],
    nodes: list[int],
    x: NDArray[np.float64],
    dsigma: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Weights that replace the forecasts between the last two nodes by interpolations."""
    last, i = nodes[-2:]
    repair = np.zeros(len(x))
    for step in range(last + 1, i):
        interpolated = np.zeros(len(x))
        interpolated[nodes] = interpolation_weights(x[nodes], x[step])
        repair += dsigma[step] / dsigma[i] * (interpolated - weights[step])
    return repair


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
