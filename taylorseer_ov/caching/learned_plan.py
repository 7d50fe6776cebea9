"""A learned plan, and what it was learned for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .occasion import Occasion
from .plan import CachePlan


class PlanKey(NamedTuple):
    """What a plan was learned for."""

    num_inference_steps: int
    transformer_runs: int
    height: int
    width: int
    guidance_scale: float

    def __str__(self) -> str:
        runs, steps = self.transformer_runs, self.num_inference_steps
        return f"{runs} of {steps} steps at {self.width}x{self.height}"

    def differences(self, occasion: Occasion) -> list[str]:
        """Say in what a picture differs from those it was learned on, as far as that is known."""
        size, guidance_scale = occasion.size, occasion.guidance_scale
        found = []
        if size not in (None, (self.height, self.width)):
            found.append(f"{self.width}x{self.height}, not {size[1]}x{size[0]}")
        if guidance_scale is not None and not math.isclose(guidance_scale, self.guidance_scale):
            found.append(f"guidance_scale {self.guidance_scale:g}, not {guidance_scale:g}")
        return found


@dataclass(frozen=True)
class CalibratedPlan:
    """A learned plan, what it was learned for, and how well it did.

    Attributes:
        plan: the plan.
        calibration_db: mean signal-to-error ratio of the final latents on the prompts it was fitted
            to, against the uncached run.
        held_out_db: the same on prompts it was only chosen by.
        taylor_db: of the corrected order-1 plan with the same schedule, on the held-out prompts.
        height, width: of the pictures it was learned on, in pixels.
        guidance_scale: of the same pictures.
        package_version: of taylorseer-ov, which learned it.
        without_db: of what a preset takes without this plan, on the held-out prompts; None where
            nobody has looked. It is not written.
        source: the file it was read from, None if it was not.
    """

    plan: CachePlan
    calibration_db: float
    held_out_db: float
    taylor_db: float
    height: int
    width: int
    guidance_scale: float
    package_version: str
    without_db: float | None = field(default=None, compare=False)
    source: Path | None = field(default=None, compare=False)

    @property
    def is_better(self) -> bool:
        """Whether it does better than what a preset takes without it, as far as that is known."""
        return self.without_db is None or self.held_out_db > self.without_db

    @property
    def key(self) -> PlanKey:
        """Plans with the same key replace each other."""
        plan = self.plan
        steps, runs = plan.num_inference_steps, plan.transformer_runs
        return PlanKey(steps, runs, self.height, self.width, self.guidance_scale)

    @property
    def sigmas(self) -> NDArray[np.float64] | None:
        """The noise levels it was made for, None if it fits any."""
        return self.plan.sigmas

    def __str__(self) -> str:
        return str(self.key)

    def differences(self, occasion: Occasion) -> list[str]:
        """Say in what a picture differs from those it was learned on, as far as that is known."""
        return self.key.differences(occasion)
