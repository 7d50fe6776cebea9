"""Choose the transformer runs while drawing, by the error of the forecasts themselves.

At a transformer run in step i, with earlier runs p < a, the forecast for this very step (linear in
sigma) is compared with the output. Their difference is Newton's remainder, which gives the second
divided difference of the velocity,

    |v[p, a, i]| = |output[i] - forecast[i]| / |(sigma[i] - sigma[a]) (sigma[i] - sigma[p])|

and with it the error that forecasting the next steps l would add to the latents:

    error(gap) = |v[p, a, i]| * sum of |dsigma[l] (sigma[l] - sigma[i]) (sigma[l] - sigma[a])|

The next run is the last one for which `error <= safety * tolerance`: a step-size controller, for
the error of the displacement rather than of the velocity. A gap is at most `max_interval` and at
most about twice the one before it; three runs begin and two end every generation. At the end of a
gap the corrector (`rows.py`) mends the drift, so that what is bounded is more than what remains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..checks import known_fields, number, whole_number
from .policy import VelocityFunction, finite, require_finite


@dataclass(frozen=True)
class ErrorControl:
    """Run the transformer when the forecasts would become worse than a tolerance.

    Attributes:
        tolerance: root mean square error that one gap may add to the latents, whose noise has unit
            size. 0.001 is hardly visible, 0.01 is; zero computes every step.
        max_interval: the longest distance between two transformer runs, in steps; at least 2.

    Raises:
        TypeError, ValueError: if one of them is no number, or out of range.

    A smaller tolerance takes no fewer runs, or so it was for every prompt tried, in factors of 1.25
    on two models. Nothing enforces it: where more runs are taken, other errors are measured.
    """

    tolerance: float = 0.002
    max_interval: int = 6

    def __post_init__(self) -> None:
        tolerance = number("tolerance", self.tolerance)
        if not (math.isfinite(tolerance) and tolerance >= 0):
            raise ValueError(f"tolerance must be finite and not negative, got {tolerance}")
        object.__setattr__(self, "tolerance", tolerance)
        object.__setattr__(self, "max_interval", whole_number("max_interval", self.max_interval, 2))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ErrorControl:
        """Build from a dictionary; missing fields have their defaults.

        Raises:
            TypeError, ValueError: for an unknown field, or a value that is not allowed.
        """
        known_fields("an ErrorControl", values, [field.name for field in fields(cls)])
        return cls(**values)

    def start(self, velocity: VelocityFunction, sigmas: NDArray[np.floating]) -> ControlledVelocity:
        """Begin a generation.

        Args:
            velocity: runs the transformer.
            sigmas: noise levels, shape (n + 1,): one per step and the final zero.
        """
        return ControlledVelocity(velocity, self, sigmas)

    def idle_reason(
        self, sigmas: NDArray[np.floating], mask: Sequence[bool], errors: Mapping[int, float]
    ) -> str | None:
        """Say why a generation skipped no step and what would help; None if it did, or was to.

        Args:
            sigmas: its noise levels, (n + 1,).
            mask, errors: what became of its steps, as in `policy.StandIn`.
        """
        steps = len(sigmas) - 1
        if self.tolerance == 0 or len(mask) < steps or not all(mask):
            return None
        if steps < FEWEST_STEPS:
            return (
                f"an ErrorControl runs the first {WARM_UP} and the last {TAIL} steps; take "
                f"{FEWEST_STEPS} or more"
            )
        s = np.asarray(sigmas, np.float64)
        least = min(
            _added(s, (i - 1, i), i + 1) * _curvature(s, (i - 2, i - 1, i), error) / SAFETY
            for i, error in errors.items()
            if i + 1 < steps - TAIL
        )
        if not self.tolerance < least < math.inf:  # a forecast was good enough, but not finite
            return None
        return (
            f"no forecast was as good as tolerance={self.tolerance:g} asks; tolerance="
            f"{_rounded_up(least):g} would have skipped a step"
        )


WARM_UP, TAIL = 3, 2
FEWEST_STEPS = WARM_UP + TAIL + 1
SAFETY, MOST_GROWTH = 0.9, 2


class ControlledVelocity:
    """Stand in for a velocity function under error control, as `CachedVelocity` does for a plan.

    `mask`, `errors` and `rescued` are those of `policy.StandIn`.
    """

    def __init__(
        self, velocity: VelocityFunction, control: ErrorControl, sigmas: NDArray[np.floating]
    ) -> None:
        self._velocity, self._control = velocity, control
        self._sigmas = np.asarray(sigmas, np.float64)
        self._steps = len(self._sigmas) - 1
        self._runs: list[tuple[int, Array]] = []  # the last three transformer runs
        self._next_run = 0
        self.mask: list[bool] = []
        self.errors: dict[int, float] = {}
        self.rescued: list[int] = []

    def __call__(self, *arguments: Any) -> Array:
        step = len(self.mask)
        if step >= self._steps:
            raise RuntimeError(f"all {self._steps} steps are done; make a new ControlledVelocity")
        if step != self._next_run:
            forecast = self._line(step)
            if finite(forecast):
                self.mask.append(False)
                return forecast
            self.rescued.append(step)
        # copied: the infer request reuses its output buffer
        output = np.array(require_finite(self._velocity(*arguments), step))
        self.mask.append(True)
        used = output
        if len(self._runs) >= 2:
            difference = output - self._line(step)
            self.errors[step] = math.sqrt(np.vdot(difference, difference) / difference.size)
            # linear over the gap, both when forecast and when interpolated: what the repair adds
            # is the difference just measured, scaled
            mended = output + np.float32(self._repair(step)) * difference
            used = mended if finite(mended) else output
        self._runs = [*self._runs[-2:], (step, output)]
        self._next_run = self._choose_next(step)
        return used

    def _line(self, step: int) -> Array:
        """Extrapolate the last two runs linearly in sigma."""
        (p, before), (a, last) = self._runs[-2:]
        s = self._sigmas
        slope = (s[step] - s[a]) / (s[a] - s[p])
        return last + np.float32(slope) * (last - before)

    def _repair(self, step: int) -> float:
        """How much of the forecast's error at `step` the gap before it has left in the latents."""
        a, s = self._runs[-1][0], self._sigmas
        return float(
            sum(
                (s[k + 1] - s[k]) / (s[step + 1] - s[step]) * (s[k] - s[a]) / (s[step] - s[a])
                for k in range(a + 1, step)
            )
        )

    def _choose_next(self, step: int) -> int:
        tail = self._steps - TAIL
        if len(self._runs) < WARM_UP or step + 1 >= tail or step not in self.errors:
            return step + 1
        (p, _), (a, _), _ = self._runs
        curvature = _curvature(self._sigmas, (p, a, step), self.errors[step])
        added = 0.0
        last = min(step + self._control.max_interval, step + MOST_GROWTH * (step - a) + 1, tail)
        for k in range(step + 1, last):
            added += _added(self._sigmas, (a, step), k) * curvature
            if added > SAFETY * self._control.tolerance:
                return k
        return last


def _curvature(s: NDArray[np.floating], runs: tuple[int, int, int], error: float) -> float:
    """The second divided difference over three runs, from the forecast's error at the last."""
    p, a, i = runs
    return float(error / abs((s[i] - s[a]) * (s[i] - s[p])))


def _added(s: NDArray[np.floating], runs: tuple[int, int], step: int) -> float:
    """What forecasting a step from the last two runs adds to the latents, for unit curvature."""
    a, i = runs
    return float(abs((s[step + 1] - s[step]) * (s[step] - s[i]) * (s[step] - s[a])))


def _rounded_up(value: float) -> float:
    """To two digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit) * unit
