"""From what a caller asked to be cached to what decides: presets, files, configurations.

A preset is a share of the steps that run the transformer. Where the model has a calibrated plan for
these steps and sigmas, that is taken, otherwise a corrected Taylor plan over a schedule that is
denser at both ends, as the schedules that calibration finds are.

A calibrated plan belongs to weights, steps and sigmas, and is refused with others. What it has
learned also depends on the size of the picture and the guidance scale, but less: with others it is
used, and a warning says so.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..warning import warn
from .calibrated_plans import CalibratedPlan, ModelFolder, read_plans
from .config import TaylorSeerCacheConfig
from .error_control import ErrorControl
from .plan import CachePlan
from .policy import CachePolicy
from .schedule import InactiveCacheWarning, spread_runs


def as_cache(cache: Any) -> TaylorSeerCacheConfig | CachePlan | CachePolicy | str | None:
    """Check that a value can decide what is cached, turning native's configuration into ours.

    Raises:
        TypeError: if it cannot.
    """
    if cache is None or isinstance(cache, TaylorSeerCacheConfig | CachePlan | CachePolicy | str):
        return cache
    if isinstance(cache, dict):  # from JSON: a model's, a batch's, a picture's
        if set(cache) & {field.name for field in dataclasses.fields(ErrorControl)}:
            return ErrorControl(**cache)
        return TaylorSeerCacheConfig.from_dict(cache)
    if type(cache).__module__.startswith("openvino_genai"):
        return TaylorSeerCacheConfig.from_native(cache)
    raise TypeError(
        "cache must be a preset, a TaylorSeerCacheConfig, a CachePlan, an ErrorControl or None, "
        f"got {cache!r}"
    )


# 14, 10 and 8 of 28 steps.
PRESETS = {"high": 0.50, "balanced": 0.36, "fast": 0.29}
FEWEST_STEPS = 8

# Without calibration: fewer forecast worse than plain sampling in so few steps.
FEWEST_RUNS = 4


def preset_runs(num_inference_steps: int) -> dict[str, int]:
    """Return the transformer runs of each preset in so many steps."""
    return {name: round(share * num_inference_steps) for name, share in PRESETS.items()}


class CalibrationWarning(UserWarning):
    """A preset of a calibrated model that has no plan made for just this."""


class Decision(NamedTuple):
    """What decides in a generation, and what the report calls it."""

    cache: CachePlan | CachePolicy
    name: str


def resolve_cache(
    cache: TaylorSeerCacheConfig | CachePlan | CachePolicy | str | None,
    sigmas: NDArray[np.floating],
    folder: ModelFolder,
    *,
    size: tuple[int, int] | None = None,
    guidance_scale: float | None = None,
    no_corrector: str | None = None,
) -> Decision:
    """Return what decides in a generation with these sigmas.

    Args:
        size: height and width of the picture, None where they are not known.
        guidance_scale: None where it is not known, or the model takes none.
        no_corrector: why a corrector is not possible, None if it is. Then configurations and
            presets go without, and what was calibrated with one is passed over.

    Raises:
        ValueError: for an unknown preset, a plan made for other weights, steps or sigmas, or one
            with a corrector where that is not possible.

    Warns:
        CalibrationWarning: if the model has calibrated plans, but none for this picture.
        InactiveCacheWarning: if nothing would be cached.
    """
    steps = len(sigmas) - 1
    if cache is None:
        return Decision(CachePlan.uncached(steps), "none")
    if isinstance(cache, TaylorSeerCacheConfig):
        possible = cache if no_corrector is None else replace(cache, corrector=False)
        return Decision(CachePlan.taylor(possible, sigmas), str(cache))
    if isinstance(cache, str) and cache in PRESETS:
        return _preset(cache, sigmas, folder, size, guidance_scale, no_corrector is None)
    name = str(cache) if isinstance(cache, str) else repr(cache)
    if isinstance(cache, str):
        cache = load_plan(cache)
    if isinstance(cache, CachePlan):
        _require_fit(cache, sigmas)
        if cache.has_corrector and no_corrector is not None:
            raise ValueError(
                f"this cache plan has a corrector, or was calibrated with one: {no_corrector}; "
                "build one with corrector=False"
            )
    return Decision(cache, name)


def _require_fit(plan: CachePlan, sigmas: NDArray[np.floating]) -> None:
    steps = len(sigmas) - 1
    if plan.num_inference_steps != steps:
        raise ValueError(
            f"this cache plan is for {plan.num_inference_steps} steps, not for {steps}; "
            "build one for these steps"
        )
    if not _fits(plan, sigmas):
        raise ValueError(
            "this cache plan was made for other sigmas (another size or scheduler): "
            f"{_brief(plan.sigmas)} instead of {_brief(sigmas)}; build one for these"
        )


def _fits(plan: CachePlan, sigmas: NDArray[np.floating]) -> bool:
    return plan.sigmas is None or (
        plan.sigmas.size == len(sigmas) and np.allclose(plan.sigmas, sigmas, rtol=1e-3, atol=1e-5)
    )


def _brief(sigmas: NDArray[np.floating] | None) -> str:
    return "any" if sigmas is None else f"[{sigmas[0]:.3f}, {sigmas[1]:.3f} ... {sigmas[-2]:.3f}]"


def _preset(
    name: str,
    sigmas: NDArray[np.floating],
    folder: ModelFolder,
    size: tuple[int, int] | None,
    guidance_scale: float | None,
    corrector: bool,
) -> Decision:
    steps = len(sigmas) - 1
    if steps < FEWEST_STEPS:
        warn(
            f"caching is inactive, all {steps} steps run the transformer: a model distilled to so "
            "few steps leaves nothing to forecast",
            InactiveCacheWarning,
        )
        return Decision(CachePlan.uncached(steps), f"{name}: inactive")
    runs = preset_runs(steps)[name]
    plans = [
        learned for learned in read_plans(folder) if corrector or not learned.plan.has_corrector
    ]
    calibrated = _calibrated(name, runs, sigmas, plans, size, guidance_scale)
    if calibrated is not None:
        return calibrated
    schedule = spread_runs(steps, max(runs, FEWEST_RUNS))
    plan = CachePlan.from_mask(schedule, sigmas, abscissa="sigma", corrector=corrector)
    kind = "corrected Taylor" if corrector else "Taylor"
    return Decision(plan, f"{name}: {kind}, not calibrated for these steps and size")


def _calibrated(
    name: str,
    runs: int,
    sigmas: NDArray[np.floating],
    plans: list[CalibratedPlan],
    size: tuple[int, int] | None,
    guidance_scale: float | None,
) -> Decision | None:
    """Choose of a model's plans the one learned for this picture, else for the one most like it."""
    fitting = [
        (learned.differences(size, guidance_scale), learned.plan)
        for learned in plans
        if learned.plan.transformer_runs == runs and _fits(learned.plan, sigmas)
    ]
    if fitting:
        differences, plan = min(fitting, key=lambda pair: len(pair[0]))
        if not differences:
            return Decision(plan, f"{name}: calibrated for this model")
        learned_for = " and ".join(differences)
        warn(
            f"cache={name!r} takes a plan that was calibrated for {learned_for}; calibrate for "
            "this too if the picture is not enough like the uncached one",
            CalibrationWarning,
        )
        return Decision(plan, f"{name}: calibrated for {learned_for}")
    if plans:
        asked = f"{runs} of {len(sigmas) - 1} steps" + (f" at {size[1]}x{size[0]}" if size else "")
        warn(
            f"cache={name!r} takes a plan that was not calibrated: of this model's, which are for "
            f"{', '.join(dict.fromkeys(map(str, plans)))}, none fits {asked}; the noise levels "
            "differ with steps, size and strength",
            CalibrationWarning,
        )
    return None


def load_plan(path: str) -> CachePlan:
    """Read a saved plan.

    Raises:
        ValueError: if there is no such file, or it holds something else.
    """
    if not Path(path).is_file():
        raise ValueError(
            f"cache={path!r} is no preset ({', '.join(PRESETS)}) and no file with a cache plan"
        )
    try:
        return CachePlan.from_json(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"cache={path!r}: {error}") from error
