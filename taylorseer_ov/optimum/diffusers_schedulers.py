"""Read from a diffusers scheduler how many steps a generation takes, and of what kind.

A scheduler makes new `timesteps` when a generation begins; `strength` begins later in them. The
outputs of a denoiser can be corrected after a gap (`caching/rows.py`) where its step is Euler's and
linear in the output,

    sample[i + 1] = sample[i] + (sigma[i + 1] - sigma[i]) * output[i]

Elsewhere forecasts are still possible. Without falling noise levels they are made in the step
index, which is what levels at equal distances amount to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Timeline:
    """The steps of one generation.

    Attributes:
        timesteps: the scheduler's own object, by which the next generation is told apart.
        sigmas: falling noise levels, float64 (n + 1,).
        no_sigmas: why `sigmas` are mere equal distances, None if they are the scheduler's.
        no_corrector: why outputs cannot be corrected, None if they can.
    """

    timesteps: Any
    sigmas: NDArray[np.float64]
    no_sigmas: str | None
    no_corrector: str | None

    @property
    def steps(self) -> int:
        """Number of steps that are taken."""
        return len(self.sigmas) - 1

    @classmethod
    def of(cls, pipeline: Any) -> Timeline | None:
        """Read a diffusers pipeline's scheduler at the first call of the denoiser.

        Returns:
            None if no generation has been prepared.
        """
        scheduler = pipeline.scheduler
        if getattr(scheduler, "num_inference_steps", None) is None:
            return None
        begin = getattr(scheduler, "step_index", None)
        if begin is None:
            begin = getattr(scheduler, "begin_index", None) or 0
        steps = len(scheduler.timesteps) - begin
        # the pipeline knows what it has cut off at either end
        counted = getattr(pipeline, "num_timesteps", None)
        if counted and counted < steps:
            steps = counted
        no_sigmas = None
        sigmas = _levels(scheduler, begin, steps)
        if sigmas is None:
            no_sigmas = f"{type(scheduler).__name__} has no falling sigmas"
            sigmas = np.linspace(1.0, 0.0, steps + 1)
        return cls(
            timesteps=scheduler.timesteps,
            sigmas=sigmas,
            no_sigmas=no_sigmas,
            no_corrector=_not_euler(scheduler) or no_sigmas,
        )


def _levels(scheduler: Any, begin: int, steps: int) -> NDArray[np.float64] | None:
    if getattr(scheduler, "sigmas", None) is None:
        return None
    sigmas = np.array(scheduler.sigmas, np.float64)[begin : begin + steps + 1]
    falling = sigmas.size == steps + 1 and bool((np.diff(sigmas) < 0).all())
    return sigmas if falling else None


def _not_euler(scheduler: Any) -> str | None:
    """Say why a scheduler's step is not Euler's in the output and sigma, None if it is."""
    name = type(scheduler).__name__
    config = scheduler.config
    if name == "FlowMatchEulerDiscreteScheduler":
        if config.get("stochastic_sampling"):
            return f"{name} samples stochastically"
        return None
    if name == "EulerDiscreteScheduler":
        kind = config.get("prediction_type")
        return None if kind == "epsilon" else f"the step of {name} is not linear for {kind!r}"
    return f"the step of {name} is not Euler's"


def position(scheduler: Any, timestep: Any) -> Any:
    """Return what differs between the steps of a generation and is the same within one.

    Args:
        timestep: given to the denoiser; of use only for schedulers that do not count (DDIM), whose
            timesteps are all different.
    """
    for counter in ("step_index", "counter"):
        if hasattr(scheduler, counter):
            return getattr(scheduler, counter)
    return float(timestep.reshape(-1)[0])
