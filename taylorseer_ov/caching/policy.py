"""What may decide, during one generation, which steps run the transformer.

A `CachePlan` has decided beforehand. A policy decides as it goes: its `start` returns a stand-in
for the velocity function, called once per step like it, whose `mask` tells what it did.

Rules for who writes a policy. `error_control.py` is one that keeps them, and
`scripts/benchmarks/cache_policies.py` has two more.

1. A policy is a frozen value. What it is made of is checked then, and its repr says all of it: the
   report names the policy by that.
2. `start(velocity, sigmas)` makes a stand-in for one generation of len(sigmas) - 1 steps, counted
   from 0. All state lives in the stand-in, and nothing is ever reset.
3. A stand-in is called once a step, in order, with the arguments of `velocity`. It hands them on
   as they are; what they are depends on the sampler. In this package's own they are latents and
   sigma. A call more than there are steps is a `RuntimeError`.
4. In a step it calls `velocity` once or not at all. The first step can only call it.
5. Every call adds an entry to `mask`: True if it called `velocity`.
6. What `velocity` returns is float32, always of one shape, and overwritten by its next call: copy
   what is kept, and change nothing in place.
7. Every output goes through `require_finite`. A forecast that is not `finite` is not used: the step
   runs the transformer instead, and is added to `rescued`.
8. What it returns has the shape of the outputs and is float32. It may be the output itself, or a
   buffer of its own that the next call overwrites.
9. A step that ran may return something else than its output, as a corrector does. That is right
   only where the sampler's step is Euler's; elsewhere the output itself is used.
10. Where a forecast was compared with a run, `errors` has its root mean square error by step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array

Recorder = Callable[[int, Array], None]
"""Called as (step, output) with every output of the transformer, which may be a view."""
# of whatever a sampler calls it with: `flux.sampling.Velocity` is one, a denoiser's call another
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
    return math.isfinite(np.add.reduce(array, axis=None, dtype=np.float64))


def require_finite(output: Array, step: int) -> Array:
    """Return an output of the transformer as it is.

    Raises:
        NotFiniteError: naming the step and the property to try, if it has a NaN or an infinity.
    """
    if not finite(output):
        raise NotFiniteError(
            f"the transformer returned values that are not finite in step {step}, which give a "
            "black picture; compute in float32: INFERENCE_PRECISION_HINT='f32'"
        )
    return output
