"""Which steps run the transformer.

A schedule says so for each step, True for a run: as text, `C` for a run and `.` for a forecast. In
a plan, beside the matrix of weights, it is called the plan's mask. It is no scheduler, which fixes
the noise levels, and no mask of a picture.

The rule of OpenVINO GenAI's TaylorSeer Lite: with n steps, a warm-up of
w = max(disable_cache_before_step, 2) and a tail that starts at A (negative: n + A), step i runs the
transformer if

    i < w   or   i >= A   or   (i - w) mod cache_interval == cache_interval - 1

Source: `taylorseer_lite.hpp` of openvino.genai (`should_compute_at_step`, `initialize`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..warning import warn
from .config import TaylorSeerCacheConfig

Schedule = tuple[bool, ...]


class InactiveCacheWarning(UserWarning):
    """A cache configuration under which every step runs the transformer."""


def step_schedule(config: TaylorSeerCacheConfig, num_inference_steps: int) -> Schedule:
    """Return, for each step, whether the transformer runs (True) or is forecast (False).

    An inactive configuration, which computes every step, is not an error: native accepts it too.
    It gives an `InactiveCacheWarning` that names the reason and what would activate it.

    Raises:
        ValueError: if `num_inference_steps` is below 1.
    """
    schedule, obstacle = _decide(config, num_inference_steps)
    if obstacle:
        warn(
            f"caching is inactive, all {num_inference_steps} steps run the transformer: {obstacle}",
            InactiveCacheWarning,
        )
    return schedule


def inactive_reason(config: TaylorSeerCacheConfig, num_inference_steps: int) -> str | None:
    """Say why a configuration caches nothing in so many steps and what would help, else None."""
    return _decide(config, num_inference_steps)[1]


def spread_runs(steps: int, runs: int) -> Schedule:
    """Return a schedule with so many runs, denser at both ends.

    Distances from run to run, and from the last to the end, go as 1 - 0.5 cos(2 pi t).

    Args:
        runs: from 1 to `steps`; the first step always is one.
    """
    t = np.arange(runs) / runs
    places = steps * (t - 0.5 * np.sin(2 * np.pi * t) / (2 * np.pi))
    chosen = set(np.rint(places).astype(int).tolist())
    # where rounding has put two into one place, the rest goes to the end
    spare = (i for i in reversed(range(steps)) if i not in chosen)
    while len(chosen) < runs:
        chosen.add(next(spare))
    return tuple(i in chosen for i in range(steps))


def native_schedules(num_inference_steps: int, transformer_runs: int) -> set[Schedule]:
    """Return the schedules of the native rule that run the transformer so often, and not always."""
    found = set()
    for interval in range(2, num_inference_steps):
        for before in range(2, transformer_runs + 1):
            for after in (-1, -2, -3):
                config = TaylorSeerCacheConfig(interval, before, after)
                schedule, obstacle = _decide(config, num_inference_steps)
                if obstacle is None and sum(schedule) == transformer_runs:
                    found.add(schedule)
    return found


def most_forecasts(mask: Sequence[bool]) -> int:
    """Return how many steps in a row are forecast where these are most."""
    return max(map(len, schedule_text(mask).split("C")))


def schedule_text(mask: Sequence[bool]) -> str:
    """Write a schedule as text: `C` for a computed step, `.` for a predicted one."""
    return "".join("C" if computed else "." for computed in mask)


def parse_schedule(text: str) -> Schedule:
    """Read what `schedule_text` wrote.

    Raises:
        ValueError: if it is empty or has other letters.
    """
    if not text or set(text) - set("C."):
        raise ValueError(f"a schedule is written with 'C' and '.' only, got {text!r}")
    return tuple(letter == "C" for letter in text)


def _decide(config: TaylorSeerCacheConfig, steps: int) -> tuple[Schedule, str | None]:
    if steps < 1:
        raise ValueError(f"num_inference_steps must be at least 1, got {steps}")
    all_computed = (True,) * steps
    before, after = config.disable_cache_before_step, config.disable_cache_after_step
    if before >= steps:
        return all_computed, (
            f"disable_cache_before_step={before} covers the whole schedule; {_remedy(steps)}"
        )
    tail = after if after >= 0 else steps + after
    # native compares with disable_cache_before_step itself, not with the warm-up of at least two
    if tail <= before:
        return all_computed, (
            f"disable_cache_after_step={after} (step {tail}) is not after "
            f"disable_cache_before_step={before}; {_remedy(steps)}"
        )
    warm_up = max(before, 2)
    interval = config.cache_interval
    schedule = tuple(
        i < warm_up or i >= tail or (i - warm_up) % interval == interval - 1 for i in range(steps)
    )
    if all(schedule):
        return all_computed, (
            f"no step is left between {warm_up} warm-up steps (two always run) and step {tail}; "
            f"{_remedy(steps)}"
        )
    return schedule, None


def _remedy(steps: int) -> str:
    """Name values that would cache something, if any do."""
    if steps < 4:
        return f"{steps} steps are too few for caching, take more steps"
    few = " (a model distilled to so few steps gains little from it)" if steps < 10 else ""
    before = max(2, steps // 5)
    return (
        f"disable_cache_before_step={before} with disable_cache_after_step=-1 would be active{few}"
    )
