"""Apply a cache plan to a velocity function during one generation."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .plan import CachePlan
from .policy import CachePolicy, StandIn, VelocityFunction, finite, require_finite
from .rows import interpolation_weights


def start_cache(
    cache: CachePlan | CachePolicy, velocity: VelocityFunction, sigmas: NDArray[np.floating]
) -> StandIn:
    """Begin a generation with a plan or a policy.

    Args:
        cache: a plan, of as many steps as the generation takes, or a policy.
        velocity: runs the transformer, called as the sampler calls what is returned.
        sigmas: noise levels, shape (n + 1,); plans know theirs.

    Returns:
        What to call once a step in place of `velocity`, in this generation only.
    """
    if isinstance(cache, CachePlan):
        return CachedVelocity(velocity, cache)
    return cache.start(velocity, sigmas)


class CachedVelocity:
    """Stand in for a velocity function and call it only in the steps a plan computes.

    Call it like the wrapped function, once per step, in order. It serves one generation: a call
    more than the plan has steps is an error, and nothing is ever reset.

    The array it returns is the wrapped function's own or a buffer that the next call overwrites:
    use it before calling again. Only outputs that a later step needs are kept, as copies, in one
    float32 buffer.

    A forecast that is not finite is not used: the step runs the transformer. `mask`, `errors` and
    `rescued` are those of `policy.StandIn`; a plan compares nothing, so `errors` stays empty.

    Raises:
        NotFiniteError: when the transformer returns values that are not finite.
        RuntimeError: when called more often than the plan has steps.
        ValueError: when an output's shape differs from the first one's.
    """

    def __init__(self, velocity: VelocityFunction, plan: CachePlan) -> None:
        self._velocity = velocity
        self._plan = plan
        self._slots, self._rows, self._native_rows = _work_of(plan)
        self.mask: list[bool] = []
        self.errors: dict[int, float] = {}
        self.rescued: list[int] = []
        self._shape: tuple[int, ...] | None = None

    def __call__(self, *arguments: Any) -> Array:
        step = len(self.mask)
        if step >= self._plan.num_inference_steps:
            raise RuntimeError(
                f"this cache plan has {self._plan.num_inference_steps} steps and all are done; "
                "make a new CachedVelocity for each generation"
            )
        runs = self._plan.mask[step]
        self.mask.append(runs)
        if runs:
            output = require_finite(self._velocity(*arguments), step)
            if step in self._slots:
                self._keep(step, output)
            if step not in self._rows:
                return output
        combined = self._combine(step)
        if finite(combined):
            return combined
        self.rescued.append(step)
        if runs:  # only the repair overflowed
            return output
        self.mask[step] = True
        return require_finite(self._velocity(*arguments), step)

    def _keep(self, step: int, output: Array) -> None:
        if self._shape is None:
            self._shape = output.shape
            slots = max(self._slots.values()) + 1
            # zeros, not empty: the weight 0 of a slot not yet used must not meet a NaN
            self._history = np.zeros((slots, output.size), np.float32)
            self._forecast = np.empty(output.size, np.float32)
        elif output.shape != self._shape:
            raise ValueError(
                f"the output of step {step} has shape {output.shape}, earlier ones had "
                f"{self._shape}: one generation cannot change its size"
            )
        # copied: the infer request reuses its output buffer
        self._history[self._slots[step]] = output.reshape(-1)

    def _combine(self, step: int) -> Array:
        assert self._shape is not None  # a plan's first row can only be computed
        forecast = self._forecast
        if step in self._native_rows:
            previous, last = self._native_rows[step]
            # The operations of taylorseer_lite.hpp in their order, so that both agree bit for bit.
            newest = self._history[self._slots[last]]
            np.subtract(newest, self._history[self._slots[previous]], out=forecast)
            forecast *= np.float32(1) / np.float32(last - previous)
            forecast *= np.float32(step - last)
            forecast += newest
        else:
            used, weights = self._rows[step]
            np.matmul(weights, self._history[used], out=forecast)
        return forecast.reshape(self._shape)


class _Work(NamedTuple):
    """What a plan has its steps do: where outputs are kept, and from where they are combined.

    Attributes:
        slots: by step, the row of the history that its output is kept in.
        rows: by step, the stretch of slots that it combines, and its weights there.
        native_rows: predicted steps whose row is TaylorSeer Lite's, with the two steps they
            extrapolate.
    """

    slots: dict[int, int]
    rows: dict[int, tuple[slice, NDArray[np.float32]]]
    native_rows: dict[int, tuple[int, int]]


@functools.lru_cache(maxsize=4)  # one picture after the other is drawn with the same plan
def _work_of(plan: CachePlan) -> _Work:
    combined = _combined(plan)
    slots = _assign_slots(combined)
    return _Work(slots, _rows_of_slots(plan, combined, slots), _native_rows(plan, combined))


def _combined(plan: CachePlan) -> dict[int, list[int]]:
    """By step, the outputs that it combines; steps that just hand their own through are left out.

    Of those no copy is needed.
    """
    used: dict[int, list[int]] = {}
    for step, output in np.argwhere(plan.weights).tolist():
        used.setdefault(step, []).append(output)
    return {i: js for i, js in used.items() if js != [i] or plan.weights[i, i] != 1}


def _assign_slots(combined: dict[int, list[int]]) -> dict[int, int]:
    """Give each output that is combined a row of the history, reusing rows no longer needed."""
    last_use = {j: i for i, used in combined.items() for j in used}
    slots: dict[int, int] = {}
    for j in sorted(last_use):
        taken = {slots[other] for other in slots if last_use[other] >= j}
        slots[j] = next(slot for slot in range(len(slots) + 1) if slot not in taken)
    return slots


def _rows_of_slots(
    plan: CachePlan, combined: dict[int, list[int]], slots: dict[int, int]
) -> dict[int, tuple[slice, NDArray[np.float32]]]:
    """By step, the stretch of slots that a row combines, and its weights there."""
    rows = {}
    for i, outputs in combined.items():
        weight_of = {slots[j]: plan.weights[i, j] for j in outputs}
        used = range(min(weight_of), max(weight_of) + 1)
        weights = np.array([weight_of.get(slot, 0) for slot in used], np.float32)
        rows[i] = slice(used.start, used.stop), weights
    return rows


def _native_rows(plan: CachePlan, combined: dict[int, list[int]]) -> dict[int, tuple[int, int]]:
    """Predicted steps whose row is TaylorSeer Lite's, with the two steps they extrapolate."""
    rows = {}
    computed: list[int] = []
    for step, runs in enumerate(plan.mask):
        if runs:
            computed.append(step)
        elif combined[step] == computed[-2:] and len(computed) >= 2:
            previous, last = computed[-2:]
            expected = interpolation_weights([previous, last], step)
            if plan.weights[step, [previous, last]].tolist() == expected.tolist():
                rows[step] = previous, last
    return rows
