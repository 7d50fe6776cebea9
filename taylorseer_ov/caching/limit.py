"""At most so many forecasts in a row, whatever decides which steps run the transformer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..checks import whole_number
from .config import TaylorSeerCacheConfig
from .decision import Cache, as_cache, load_plan
from .error_control import ErrorControl
from .plan import CachePlan
from .presets import PRESETS, LimitedPreset


def limit_forecasts(cache: Any, limit: int) -> Cache:
    """Return what caches likewise, with a transformer run after at most `limit` forecasts.

    A `TaylorSeerCacheConfig` and an `ErrorControl` are given the interval that this takes, where
    theirs is longer. A preset passes over calibrated plans that forecast more steps in a row: their
    weights hold for their own runs only. A plan of the caller's is left as it is, or refused.

    Args:
        cache: what the pipelines take.
        limit: at least 1.

    Raises:
        TypeError: for what cannot decide what is cached, and a policy of the caller's.
        ValueError: if a plan forecasts more steps in a row.
    """
    limit = whole_number("limit", limit, 1)
    accepted = as_cache(cache)
    match accepted:
        case None:
            return None
        case TaylorSeerCacheConfig():
            return replace(accepted, cache_interval=min(accepted.cache_interval, limit + 1))
        case ErrorControl():
            return replace(accepted, max_interval=min(accepted.max_interval, limit + 1))
        case LimitedPreset():
            return LimitedPreset(accepted.preset, min(accepted.limit, limit))
        case str() if accepted in PRESETS:
            return LimitedPreset(accepted, limit)
        case str():
            _require(load_plan(accepted), limit, f"the plan in {accepted!r}")
        case CachePlan():
            _require(accepted, limit, f"{accepted!r}")
        case _:
            raise TypeError(
                f"{accepted!r} decides itself how many steps it forecasts in a row: give it a "
                "limit of its own"
            )
    return accepted


def _require(plan: CachePlan, limit: int, what: str) -> None:
    if plan.most_forecasts > limit:
        raise ValueError(
            f"{what} forecasts {plan.most_forecasts} steps in a row, and weights made for its runs "
            f"do not hold for more: take limit={plan.most_forecasts}, or a plan made otherwise"
        )
