"""What diffusers' cache configurations mean for the whole output of a denoiser.

diffusers caches inside torch modules; an OpenVINO model is one graph, of which only the output can
be kept. Two of its methods decide by the step alone when to compute, and so become cache plans:

**TaylorSeer** computes step i if i < B, or (i - B - 1) mod I == 0, or i >= A. A computed step
renews the factors, all with the gap g since the computed step before,

    F[0] = output,    F[j + 1] = (F[j] - F[j] of before) / g

and a predicted step, k after the last computed one, is the sum of F[j] * k^j / j!. With
`use_lite_mode` diffusers does this to the last projection, that is to the whole output, as here;
otherwise to the attention outputs of every block, whose other layers it still computes, while here
it is the whole output again. The factors are kept in float32 whatever `taylor_factors_dtype` says.

**MagCache** skips steps while the product R of its magnitude ratios stays near one: from the
retained steps on, R *= ratio[i] and E += |1 - R|, and step i is skipped if E <= threshold and no
more than `max_skip_steps` were skipped in a row; otherwise R = 1 and E = 0. A skipped step reuses
what the blocks added to their input in diffusers, here the output itself.

Source: `taylorseer_cache.py` and `mag_cache.py` in `hooks` of diffusers 0.39.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..caching.plan import CachePlan
from ..caching.schedule import InactiveCacheWarning
from ..warning import warn

REFUSED = {
    "FirstBlockCacheConfig": "it compares outputs of the first block",
    "FasterCacheConfig": "it caches the attention outputs of the blocks",
    "PyramidAttentionBroadcastConfig": "it caches the attention outputs of the blocks",
    "TextKVCacheConfig": "it caches the text keys and values of the blocks",
}


def from_diffusers(config: Any) -> PlanRule | None:
    """Return the rule of a diffusers cache configuration, None for what is no such thing.

    Raises:
        ValueError: if it needs more than the whole output of the denoiser; says why.
    """
    name = type(config).__name__
    if not type(config).__module__.startswith("diffusers."):
        return None
    if name == "TaylorSeerCacheConfig":
        return TaylorSeerRule(config)
    if name == "MagCacheConfig":
        return MagCacheRule(config)
    if name in REFUSED:
        raise ValueError(
            f"{name} is not possible with OpenVINO: {REFUSED[name]}, which lie inside the "
            "compiled model; use 'balanced', an ErrorControl or a TaylorSeerCacheConfig"
        )
    return None


class TaylorSeerRule:
    """The rule of `diffusers.TaylorSeerCacheConfig`, which fits any number of steps.

    Raises:
        ValueError: if it chooses modules, or begins with a forecast.
    """

    def __init__(self, config: Any) -> None:
        self._name = f"diffusers' {config}"
        self._interval = int(config.cache_interval)
        self._before = int(config.disable_cache_before_step)
        after = config.disable_cache_after_step
        self._after = None if after is None else int(after)
        self._max_order = int(config.max_order)
        chosen = config.skip_predict_identifiers or config.cache_identifiers
        if chosen and not config.use_lite_mode:
            raise ValueError(
                f"modules cannot be chosen by name, got {chosen!r}: they lie inside the compiled "
                "model, whose whole output is cached; leave skip_predict_identifiers and "
                "cache_identifiers out"
            )
        if self._interval < 1 or self._max_order < 0:
            raise ValueError(
                "cache_interval must be at least 1 and max_order at least 0, got "
                f"{self._interval} and {self._max_order}"
            )
        if not self._computes(0):
            raise ValueError(
                f"disable_cache_before_step={self._before} begins with a forecast, which has "
                "nothing to be forecast from; it must be at least 1"
            )

    def _computes(self, step: int) -> bool:
        return (
            step < self._before
            or (step - self._before - 1) % self._interval == 0
            or (self._after is not None and step >= self._after)
        )

    def plan(self, num_inference_steps: int) -> CachePlan:
        """Return the plan for so many steps."""
        mask = [self._computes(step) for step in range(num_inference_steps)]
        weights = np.zeros((num_inference_steps, num_inference_steps))
        factors: list[NDArray[np.float64]] = []
        last = 0
        for step, (runs, output) in enumerate(zip(mask, np.eye(num_inference_steps), strict=True)):
            if runs:
                renewed = [output]
                for factor in factors[: self._max_order]:
                    renewed.append((renewed[-1] - factor) / (step - last))
                factors, last = renewed, step
                weights[step] = output
            else:
                for order, factor in enumerate(factors):
                    weights[step] += factor * (step - last) ** order / math.factorial(order)
        plan = CachePlan(mask, weights)
        _warn_if_inactive(plan, self)
        return plan

    def __str__(self) -> str:
        return self._name


class MagCacheRule:
    """The rule of `diffusers.MagCacheConfig`, which is made for one number of steps.

    Raises:
        ValueError: if it is for calibration.
    """

    def __init__(self, config: Any) -> None:
        if config.calibrate:
            raise ValueError(
                "MagCacheConfig(calibrate=True) measures the blocks' outputs, which lie inside the "
                "compiled model; calibrate with torch, or use taylorseer_ov.calibrate"
            )
        self._steps = int(config.num_inference_steps)
        # float32 throughout, as torch computes it: it decides ties with the threshold
        self._ratios = np.ones(self._steps, np.float32)
        given = np.array(config.mag_ratios, np.float32)[: self._steps]
        self._ratios[: given.size] = given
        self._threshold = np.float32(config.threshold)
        self._max_skip_steps = int(config.max_skip_steps)
        self._retained = int(config.retention_ratio * self._steps + 0.5)

    def plan(self, num_inference_steps: int) -> CachePlan:
        """Return the plan.

        Raises:
            ValueError: if it is for another number of steps.
        """
        if num_inference_steps != self._steps:
            raise ValueError(
                f"this MagCacheConfig is for {self._steps} steps, not for {num_inference_steps}; "
                f"make one with num_inference_steps={num_inference_steps}"
            )
        weights = np.zeros((self._steps, self._steps))
        mask = []
        one = ratio = np.float32(1)
        error, skipped, last = np.float32(0), 0, -1
        for step, factor in enumerate(self._ratios):
            runs = True
            if step >= self._retained:
                ratio, skipped = ratio * factor, skipped + 1
                error = error + abs(one - ratio)
                within = error <= self._threshold and skipped <= self._max_skip_steps
                runs = last < 0 or not within
                if runs:
                    ratio, error, skipped = one, np.float32(0), 0
            last = step if runs else last
            weights[step, last] = 1
            mask.append(runs)
        plan = CachePlan(mask, weights)
        _warn_if_inactive(plan, self)
        return plan

    def __str__(self) -> str:
        return (
            f"diffusers' MagCacheConfig(threshold={self._threshold:g}, "
            f"max_skip_steps={self._max_skip_steps}, {self._retained} steps retained)"
        )


PlanRule = TaylorSeerRule | MagCacheRule


def _warn_if_inactive(plan: CachePlan, rule: PlanRule) -> None:
    if plan.is_uncached:
        warn(
            f"caching is inactive, all {plan.num_inference_steps} steps run the transformer: "
            f"{rule} skips none of them",
            InactiveCacheWarning,
        )
