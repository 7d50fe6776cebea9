"""What may decide, during one generation, which steps run the transformer.

A `CachePlan` has decided beforehand. A policy decides as it goes: its `start` returns a stand-in
for the velocity function, called once per step like it, whose `mask` tells what it did.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array

Recorder = Callable[[int, NDArray[np.float32]], None]
VelocityFunction = Callable[..., Array]


class StandIn(Protocol):
    """A velocity function that does not run the transformer in every step.

    Attributes:
        mask: of the steps so far, True where the transformer ran.
        errors: by step, the root mean square error of a forecast that was compared with a run.
        rescued: steps that were to be forecast and ran because the forecast was not finite.
    """

    mask: list[bool]
    errors: dict[int, float]
    rescued: list[int]

    def __call__(self, *arguments: Any) -> Array: ...


@runtime_checkable
class CachePolicy(Protocol):
    """Decides at run time; holds no state between generations."""

    def start(self, velocity: VelocityFunction, sigmas: NDArray[np.floating]) -> StandIn:
        """Begin a generation with these noise levels, shape (n + 1,)."""


class NotFiniteError(ArithmeticError):
    """The transformer returned values that are not finite."""


def finite(array: Array) -> bool:
    """Whether all values are finite: one reduction, which a NaN or an infinity passes through."""
    return bool(np.isfinite(np.sum(array, dtype=np.float64)))


def require_finite(output: Array, step: int) -> Array:
    """Return an output of the transformer.

    Raises:
        NotFiniteError: naming the step and the property to try, if it has a NaN or an infinity.
    """
    if not finite(output):
        raise NotFiniteError(
            f"the transformer returned values that are not finite in step {step}, which give a "
            "black picture; compute in float32: INFERENCE_PRECISION_HINT='f32' (--precision f32)"
        )
    return output
