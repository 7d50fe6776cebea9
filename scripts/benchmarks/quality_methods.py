"""The ways to skip transformer runs that `quality.py` compares."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scripts.benchmarks.cache_policies import EasyCache, MagCache
from taylorseer_ov import CachePlan, TaylorSeerCacheConfig
from taylorseer_ov.caching.error_control import ErrorControl
from taylorseer_ov.caching.schedule import inactive_reason, spread_runs, step_schedule

UNCACHED = "every step computed"
PLAIN = "plain sampling"
REUSE = "reuse"
NATIVE = "native order 1"
SIGMA_1 = "order 1 in sigma"
SIGMA_2 = "order 2 in sigma"
CORRECTED_STEP = "corrected, step"
CORRECTED_SIGMA = "corrected, sigma"
SPREAD = "corrected, spread"
CALIBRATED = "calibrated"
KEPT = "calibrated, kept"
CONTROLLED = "error control"
EASY = "EasyCache"
EASY_OUTPUT = "EasyCache on outputs"
MAG = "MagCache on outputs"
GENAI = "openvino_genai"
# as the command line calls them
FAMILIES = {
    "plain": PLAIN,
    "reuse": REUSE,
    "native": NATIVE,
    "order-1-sigma": SIGMA_1,
    "order-2-sigma": SIGMA_2,
    "corrector-step": CORRECTED_STEP,
    "corrector": CORRECTED_SIGMA,
    "presets": SPREAD,
    "calibrated": CALIBRATED,
    "kept": KEPT,
    "error-control": CONTROLLED,
    "easycache": EASY,
    "easycache-outputs": EASY_OUTPUT,
    "magcache": MAG,
    "openvino_genai": GENAI,
}
LEFT_OUT_IF_QUICK = (SIGMA_1, SIGMA_2, CORRECTED_STEP)

# (cache_interval, disable_cache_before_step, disable_cache_after_step) by transformer runs
NATIVE_AT_28 = {14: (3, 6, -2), 11: (4, 4, -2), 10: (5, 4, -2), 8: (6, 3, -1)}
TOLERANCES = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016)
EASY_THRESHOLDS = (0.02, 0.04, 0.08, 0.16, 0.32)
# threshold, max_skip_steps, retention_ratio: those of diffusers 0.39, then those of the authors
MAG_SETTINGS = ((0.015, 3, 0.2), (0.03, 3, 0.2), (0.06, 3, 0.2), (0.12, 3, 0.2), (0.24, 5, 0.1))


@dataclass(frozen=True)
class Method:
    """One way to draw a prompt.

    Attributes:
        family: what it is called, and its line in the plot.
        setting: what tells it from others of its family.
        cache: as `Text2ImagePipeline.generate` takes it.
        steps: those of the schedule, or fewer for plain sampling.
        runs: the transformer runs it was chosen for; None if it decides while drawing.
    """

    family: str
    setting: str
    cache: Any
    steps: int
    runs: int | None = None


def native_config(steps: int, runs: int) -> TaylorSeerCacheConfig:
    """Return the order-1 configuration of openvino_genai that is compared at so many runs.

    At 28 steps that of `NATIVE_AT_28`; else one whose warm-up takes about 0.4 of the runs,
    with the shortest longest gap.

    Raises:
        ValueError: if none has so many runs.
    """
    if steps == 28 and runs in NATIVE_AT_28:
        return TaylorSeerCacheConfig(*NATIVE_AT_28[runs])
    found = []
    for interval in range(2, steps):
        for before in range(2, runs + 1):
            for after in (-2, -1):
                config = TaylorSeerCacheConfig(interval, before, after)
                if inactive_reason(config, steps) is None:
                    mask = step_schedule(config, steps)
                    if sum(mask) == runs:
                        gap = int(np.diff(np.flatnonzero([*mask, True])).max())
                        key = abs(before - 0.4 * runs), gap, after
                        found.append((key, config))
    if not found:
        raise ValueError(f"no configuration of {steps} steps runs the transformer {runs} times")
    return min(found, key=lambda pair: pair[0])[1]


def setting_of(config: TaylorSeerCacheConfig) -> str:
    """Write a schedule as (cache_interval, disable_cache_before_step, disable_cache_after_step)."""
    values = (
        config.cache_interval,
        config.disable_cache_before_step,
        config.disable_cache_after_step,
    )
    return str(values)


def build_methods(
    sigmas: np.ndarray,
    runs: Sequence[int],
    families: Collection[str],
    *,
    plans: Sequence[CachePlan] = (),
    kept: Sequence[CachePlan] = (),
    mag_cache: MagCache | None = None,
    tolerances: Sequence[float] = TOLERANCES,
    quick: bool = False,
) -> list[Method]:
    """List the methods of these families in the order of the table.

    Args:
        plans: those calibrated for this.
        kept: those that lie beside the model.
        mag_cache: with ratios of the model, without which it is left out.
        quick: of what decides while drawing take one setting, the middle one.
    """
    methods = [
        *_scheduled(sigmas, runs),
        *(
            Method(family, "own schedule", plan, len(sigmas) - 1, plan.transformer_runs)
            for family, learned in ((CALIBRATED, plans), (KEPT, kept))
            for plan in learned
        ),
        *_deciding(len(sigmas) - 1, mag_cache, tolerances, quick),
        *_drawn_by_genai(len(sigmas) - 1, runs),
    ]
    order = list(dict.fromkeys(method.family for method in methods))
    methods.sort(key=lambda method: order.index(method.family))
    return [method for method in methods if method.family in families]


def _scheduled(sigmas: np.ndarray, runs: Sequence[int]) -> list[Method]:
    """What needs no calibration and runs the transformer as often as asked."""
    steps = len(sigmas) - 1
    variants: dict[str, dict[str, Any]] = {
        REUSE: {"max_order": 0},
        NATIVE: {},
        SIGMA_1: {"abscissa": "sigma"},
        SIGMA_2: {"abscissa": "sigma", "max_order": 2},
        CORRECTED_STEP: {"corrector": True},
        CORRECTED_SIGMA: {"corrector": True, "abscissa": "sigma"},
    }
    methods = [Method(PLAIN, f"{count} steps", None, count, count) for count in runs]
    for name, changes in variants.items():
        for count in runs:
            config = native_config(steps, count)
            cache = dataclasses.replace(config, **changes)
            methods.append(Method(name, setting_of(config), cache, steps, count))
    for count in runs:
        mask = spread_runs(steps, count)
        plan = CachePlan.from_mask(mask, sigmas, abscissa="sigma", corrector=True)
        methods.append(Method(SPREAD, "not calibrated", plan, steps, count))
    return methods


def _deciding(
    steps: int, mag_cache: MagCache | None, tolerances: Sequence[float], quick: bool
) -> list[Method]:
    """What decides while drawing, however many runs that makes."""
    methods = []
    middle = (len(tolerances) - 1) // 2
    for tolerance in tolerances[middle : middle + 1] if quick else tolerances:
        control = ErrorControl(tolerance)
        methods.append(Method(CONTROLLED, f"tolerance {tolerance:g}", control, steps))
    for threshold in EASY_THRESHOLDS[2:3] if quick else EASY_THRESHOLDS:
        setting = f"threshold {threshold:g}"
        methods.append(Method(EASY, setting, EasyCache(threshold), steps))
        on_outputs = EasyCache(threshold, cached="output")
        methods.append(Method(EASY_OUTPUT, setting, on_outputs, steps))
    if mag_cache is None:
        return methods
    for threshold, most, retention in MAG_SETTINGS[2:3] if quick else MAG_SETTINGS:
        policy = dataclasses.replace(
            mag_cache, threshold=threshold, max_skip_steps=most, retention_ratio=retention
        )
        methods.append(Method(MAG, f"{threshold:g}, {most}, {retention:g}", policy, steps))
    return methods


def _drawn_by_genai(steps: int, runs: Sequence[int]) -> list[Method]:
    configs = {
        count: native_config(steps, count) for count in runs if steps != 28 or count in NATIVE_AT_28
    }
    return [
        Method(GENAI, setting_of(config), config, steps, count) for count, config in configs.items()
    ]
