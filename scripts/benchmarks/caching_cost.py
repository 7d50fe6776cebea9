"""What caching itself costs: its time around outputs that are made beforehand.

Off the clock, 64 MiB of other memory are read before each: a transformer too leaves none of the
kept outputs in the processor's caches.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from statistics import median
from typing import Any

import numpy as np

from taylorseer_ov import CachePlan, TaylorSeerCacheConfig
from taylorseer_ov.caching.cached_velocity import start_cache
from taylorseer_ov.caching.error_control import ErrorControl
from taylorseer_ov.flux.sampling import NoiseLevels

CHANNELS = 64  # floats of a token


def median_ms(seconds: Iterable[float]) -> float | None:
    """Median in milliseconds, None of nothing."""
    values = list(seconds)
    return 1000 * median(values) if values else None


class PreparedOutputs:
    """Stand in for the transformer, with outputs nearly linear in sigma, in one buffer as it has.

    `spent_s` is the time it has taken itself, which is no part of caching.
    """

    def __init__(self, tokens: int) -> None:
        rng = np.random.default_rng(0)
        self._parts = rng.standard_normal((3, 1, tokens, CHANNELS), np.float32)
        self._buffer = np.empty_like(self._parts[0])
        self._unrelated = np.ones(2**23)
        self.spent_s = 0.0

    def __call__(self, sigma: np.float32) -> np.ndarray:
        start_s = time.perf_counter()
        self._unrelated.sum()
        np.copyto(self._buffer, np.tensordot([1, sigma, 0.05 * sigma**2], self._parts, 1))
        self.spent_s += time.perf_counter() - start_s
        return self._buffer


def measure_cost(tokens: int, steps: int, repeats: int) -> dict[str, dict[str, Any]]:
    """Time caching without a transformer, by kind of caching; milliseconds per step."""
    sigmas = NoiseLevels(use_dynamic_shifting=True).sigmas(steps, tokens)
    native = CachePlan.taylor(TaylorSeerCacheConfig(), sigmas)
    # calibrated plans weigh every output there is, in every step
    every_output = np.tril(np.full((steps, steps), 1 / steps)) * native.mask
    kinds = {
        "native rows": native,
        "corrector": CachePlan.from_mask(native.mask, sigmas, abscissa="sigma", corrector=True),
        "calibrated": CachePlan(native.mask, every_output),
        "error control": ErrorControl(),
    }
    transformer = PreparedOutputs(tokens)
    calls: dict[str, list[tuple[bool, float]]] = {kind: [] for kind in kinds}
    for repeat in range(repeats + 1):
        for kind, cache in kinds.items():
            velocity = start_cache(cache, transformer, sigmas)
            for sigma in sigmas[:-1]:
                transformer.spent_s = 0.0
                start_s = time.perf_counter()
                velocity(sigma)
                taken_s = time.perf_counter() - start_s - transformer.spent_s
                if repeat > 0:  # the first round warms up
                    calls[kind].append((velocity.mask[-1], taken_s))
    cost: dict[str, dict[str, Any]] = {}
    for kind, taken in calls.items():
        forecast_ms = median_ms(seconds for computed, seconds in taken if not computed)
        at_a_run_ms = median_ms(seconds for computed, seconds in taken if computed)
        runs = sum(computed for computed, _ in taken) / len(taken)
        cost[kind] = {
            "forecast_ms": forecast_ms,
            "at_a_run_ms": at_a_run_ms,
            "mean_ms": runs * (at_a_run_ms or 0) + (1 - runs) * (forecast_ms or 0),
        }
    return cost
