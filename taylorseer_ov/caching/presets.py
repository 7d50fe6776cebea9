"""Presets: how much to cache, by name.

A preset is a share of the steps that run the transformer. Where the model has a calibrated plan for
these steps and sigmas, that is taken, otherwise a corrected Taylor plan over a schedule that is
denser at both ends, as the schedules that calibration finds are.

A calibrated plan belongs to weights, steps and sigmas, and is refused with others. What it has
learned also depends on the size of the picture and the guidance scale, but less: with others it is
used, and a warning says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ..checks import exact_names, whole_number
from ..warning import warn
from .calibrated_plans import ModelFolder, written_plans
from .learned_plan import CalibratedPlan
from .occasion import Occasion
from .plan import CachePlan
from .plans_file import PLANS_FILE, WrittenPlan, built
from .schedule import InactiveCacheWarning, most_forecasts, spread_runs

# 14, 10 and 8 of 28 steps.
PRESETS = {"high": 0.50, "balanced": 0.36, "fast": 0.29}
"""The share of the steps that run the transformer, by the preset's name."""
FEWEST_STEPS = 8

# Without calibration: fewer forecast worse than plain sampling in so few steps.
FEWEST_RUNS = 4
# With it: calibration refuses fewer.
FEWEST_CALIBRATED_RUNS = 3
MOST_TOLD = 6  # kinds of plans that a warning names

L = TypeVar("L", CalibratedPlan, WrittenPlan)


class CalibrationWarning(UserWarning):
    """A model has no plan calibrated for just this, or plans are learned of few prompts."""


@dataclass(frozen=True)
class LimitedPreset:
    """A preset with at most `limit` forecasts in a row: what `limit_forecasts` makes of its name.

    Attributes:
        preset: its name.
        limit: at least 1.

    Raises:
        TypeError, ValueError: if one of them is something else.
    """

    preset: str
    limit: int

    def __post_init__(self) -> None:
        if not (isinstance(self.preset, str) and self.preset in PRESETS):
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {self.preset!r}")
        object.__setattr__(self, "limit", whole_number("limit", self.limit, 1))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LimitedPreset:
        """Build from a dictionary with both fields.

        Raises:
            TypeError, ValueError: for other fields, or a value that is not allowed.
        """
        exact_names("cache", values, ("preset", "limit"))
        return cls(**values)

    def __str__(self) -> str:
        forecasts = "forecast" if self.limit == 1 else "forecasts"
        return f"{self.preset}, at most {self.limit} {forecasts} in a row"


def preset_runs(num_inference_steps: int) -> dict[str, int]:
    """Return the transformer runs of each preset's calibrated plan in so many steps."""
    shares = {name: round(share * num_inference_steps) for name, share in PRESETS.items()}
    return {name: max(runs, FEWEST_CALIBRATED_RUNS) for name, runs in shares.items()}


def preset_plan(
    name: str,
    occasion: Occasion,
    folder: ModelFolder,
    *,
    corrector: bool = True,
    limit: int | None = None,
) -> tuple[CachePlan, str]:
    """Return the plan that a preset takes, and where it comes from.

    Args:
        corrector: whether plans with one are possible.
        limit: how many steps in a row it may forecast, any number if None. A plan that is not
            calibrated takes more runs for it.

    Raises:
        ValueError: if the file of the model's plans is damaged, or for other weights.

    Warns:
        CalibrationWarning: if the model has calibrated plans, but none for this picture.
        InactiveCacheWarning: if there are too few steps to cache anything.
    """
    if occasion.steps < FEWEST_STEPS:
        warn(
            f"caching is inactive, all {occasion.steps} steps run the transformer: a model "
            "distilled to so few steps leaves nothing to forecast",
            InactiveCacheWarning,
        )
        return CachePlan.uncached(occasion.steps), "inactive"
    runs = preset_runs(occasion.steps)[name]
    plans = [plan for plan in written_plans(folder) if corrector or not plan.has_corrector]
    kind = "corrected Taylor" if corrector else "Taylor"
    written = _most_alike(runs, occasion, plans)
    if written is None:
        _warn_of_plans_for_others(name, runs, occasion, plans)
        plan = _uncalibrated(runs, occasion, corrector, limit)
        return plan, f"{kind}, not calibrated for these steps and size"
    learned = built(written)
    most = learned.plan.most_forecasts
    if limit is not None and most > limit:
        plan = _uncalibrated(runs, occasion, corrector, limit)
        return plan, f"{kind}, since the calibrated plan forecasts {most} steps in a row"
    origin = "" if learned.source == folder.path / PLANS_FILE else ", by this user"
    differences = learned.differences(occasion)
    if not differences:
        return learned.plan, f"calibrated for this model{origin}"
    learned_for = " and ".join(differences)
    warn(
        f"cache={name!r} takes a plan that was calibrated for {learned_for}; calibrate for this "
        "too if the picture is not enough like the uncached one",
        CalibrationWarning,
    )
    return learned.plan, f"calibrated for {learned_for}{origin}"


def plan_without(runs: int, occasion: Occasion, plans: list[CalibratedPlan]) -> CachePlan:
    """Return the plan that a preset with so many runs takes of a model that has these plans."""
    learned = _most_alike(runs, occasion, plans)
    return _uncalibrated(runs, occasion, True) if learned is None else learned.plan


def _uncalibrated(
    runs: int, occasion: Occasion, corrector: bool, limit: int | None = None
) -> CachePlan:
    steps = occasion.steps
    fewest = max(runs, min(FEWEST_RUNS, steps))
    schedule = next(
        spread
        for spread in (spread_runs(steps, more) for more in range(fewest, steps + 1))
        if limit is None or most_forecasts(spread) <= limit
    )
    return CachePlan.from_mask(schedule, occasion.sigmas, abscissa="sigma", corrector=corrector)


def _most_alike(runs: int, occasion: Occasion, plans: Sequence[L]) -> L | None:
    """Choose of a model's plans the one learned for this picture, else for the one most like it."""
    fitting = [
        plan
        for plan in plans
        if plan.key[:2] == (occasion.steps, runs) and occasion.suits(plan.sigmas)
    ]
    return min(fitting, key=lambda plan: len(plan.key.differences(occasion)), default=None)


def _warn_of_plans_for_others(
    name: str, runs: int, occasion: Occasion, plans: list[WrittenPlan]
) -> None:
    if plans:
        kinds = list(dict.fromkeys(str(plan.key) for plan in plans))
        others = f" and {len(kinds) - MOST_TOLD} others" if len(kinds) > MOST_TOLD else ""
        size = occasion.size
        asked = f"{runs} of {occasion.steps} steps" + (f" at {size[1]}x{size[0]}" if size else "")
        warn(
            f"cache={name!r} takes a plan that was not calibrated: of this model's, which are for "
            f"{', '.join(kinds[:MOST_TOLD])}{others}, none fits {asked}; the noise levels "
            "differ with steps, size and strength",
            CalibrationWarning,
        )
