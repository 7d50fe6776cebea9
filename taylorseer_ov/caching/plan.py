"""A cache plan: per step, whether the transformer runs and how the velocity is combined.

The velocity used in step i is a weighted sum of the transformer outputs computed so far,

    velocity[i] = sum over computed j <= i of  weights[i, j] * output[j]

so a plan is a mask and a lower-triangular matrix. How the rows of a Taylor plan are made is in
`rows.py`; those of a calibrated plan are fitted in `fit.py`; any others may be given as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import Matrix
from . import plan_json
from .config import Abscissa, TaylorSeerCacheConfig
from .rows import noise_levels, taylor_rows
from .schedule import Schedule, most_forecasts, parse_schedule, schedule_text, step_schedule


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
        self.weights: Matrix = np.array(weights, dtype=np.float64)
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
            config: the configuration.
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
            ValueError: if the schedule does not fit the sigmas or begins with a forecast, or a
                value is out of range.
        """
        schedule = parse_schedule(mask) if isinstance(mask, str) else tuple(map(bool, mask))
        levels = noise_levels(sigmas, len(schedule))
        # the configuration checks the other values
        TaylorSeerCacheConfig(max_order=max_order, abscissa=abscissa, corrector=corrector)
        if not 0 <= damping <= 1:
            raise ValueError(f"damping must be from 0 to 1, got {damping}")
        if not schedule[0]:
            raise ValueError("the first step has nothing to be forecast from: begin with 'C'")
        weights = taylor_rows(
            schedule,
            levels,
            max_order=max_order,
            abscissa=abscissa,
            corrector=corrector,
            damping=damping,
        )
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
        """Number of steps it is for."""
        return len(self.mask)

    @property
    def transformer_runs(self) -> int:
        """Number of steps that run the transformer."""
        return sum(self.mask)

    @property
    def most_forecasts(self) -> int:
        """How many steps in a row are forecast where these are most."""
        return most_forecasts(self.mask)

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
        return plan_json.write(self.mask, self.weights, self.sigmas)

    @classmethod
    def from_json(cls, text: str) -> CachePlan:
        """Build from what `to_json` wrote; floats come back exactly.

        Raises:
            ValueError: if it is no cache plan, or a damaged one.
        """
        return plan_json.read(text, cls)
