"""From what a caller asked to be cached to what decides: presets, files, configurations.

What can be asked for, and what each becomes:

| asked for | what decides |
|---|---|
| None | a plan that runs the transformer in every step |
| a preset, by name or limited | a plan, calibrated where there is one (`presets.py`) |
| another text | the plan saved in the file of that name |
| `TaylorSeerCacheConfig`, ours or native's | the plan it makes of the steps (`rows.py`) |
| `CachePlan` | itself, if it was made for these steps and noise levels |
| a policy, such as `ErrorControl` | itself |
| a dictionary, from JSON | what the one of these classes does that has these fields |
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import fields, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, NamedTuple

from ..checks import nearest
from .calibrated_plans import ModelFolder
from .config import TaylorSeerCacheConfig
from .error_control import ErrorControl
from .occasion import Occasion
from .plan import CachePlan
from .policy import CachePolicy
from .presets import PRESETS, LimitedPreset, preset_plan, preset_runs
from .schedule import inactive_reason

Cache = TaylorSeerCacheConfig | CachePlan | CachePolicy | LimitedPreset | str | None


class Decision(NamedTuple):
    """What decides in a generation, and what the report calls it."""

    cache: CachePlan | CachePolicy
    name: str


def as_cache(cache: Any) -> Cache:
    """Check that a value can decide what is cached, turning dictionaries and native's into ours.

    A configuration is copied: the caller may go on to change it.

    Raises:
        TypeError: if it cannot.
        ValueError: for a dictionary with a field that there is not.
    """
    if isinstance(cache, dict):  # from JSON: a model's, a batch's, a picture's
        return _from_dict(cache)
    if isinstance(cache, TaylorSeerCacheConfig):
        return copy(cache)
    if cache is None or isinstance(cache, CachePlan | CachePolicy | LimitedPreset | str):
        return cache
    kind = type(cache)
    if kind.__module__.startswith("openvino_genai") and kind.__name__ == "TaylorSeerCacheConfig":
        return TaylorSeerCacheConfig.from_native(cache)
    raise TypeError(
        "cache must be a preset, a TaylorSeerCacheConfig, a CachePlan, an ErrorControl or None, "
        f"got {cache!r}"
    )


def resolve_cache(
    cache: Cache,
    occasion: Occasion,
    folder: ModelFolder,
    *,
    is_default: bool = False,
    no_corrector: str | None = None,
) -> Decision:
    """Return what decides in a generation.

    Args:
        is_default: whether nobody asked for it. A configuration then says where it comes from, and
            nothing is warned of where it caches nothing.
        no_corrector: why a corrector is not possible, None if it is. Then configurations and
            presets go without, and what was calibrated with one is passed over.

    Raises:
        ValueError: for an unknown preset, a plan made for other weights, steps or sigmas, or one
            with a corrector where that is not possible.

    Warns:
        CalibrationWarning: if the model has calibrated plans, but none for this picture.
        InactiveCacheWarning: if nothing would be cached.
    """
    match cache:
        case None:
            return Decision(CachePlan.uncached(occasion.steps), "none")
        case TaylorSeerCacheConfig() if is_default:
            return _by_default(cache, occasion)
        case TaylorSeerCacheConfig():
            possible = cache if no_corrector is None else replace(cache, corrector=False)
            return Decision(CachePlan.taylor(possible, occasion.sigmas), str(cache))
        case str() if cache in PRESETS:
            plan, origin = preset_plan(cache, occasion, folder, corrector=no_corrector is None)
            return Decision(plan, f"{cache}: {origin}")
        case LimitedPreset(preset, limit):
            corrector = no_corrector is None
            plan, origin = preset_plan(preset, occasion, folder, corrector=corrector, limit=limit)
            return Decision(plan, f"{cache}: {origin}")
        case str():
            plan = load_plan(cache)
            try:
                return Decision(_fitting(plan, occasion, no_corrector), cache)
            except ValueError as error:
                raise ValueError(f"cache={cache!r}: {error}") from error
        case CachePlan():
            return Decision(_fitting(cache, occasion, no_corrector), repr(cache))
        case _:
            return Decision(cache, repr(cache))


def _by_default(config: TaylorSeerCacheConfig, occasion: Occasion) -> Decision:
    """Decide by a configuration that nobody asked for, and say whether "high" is the better one."""
    steps, name = occasion.steps, f"{config}, as openvino_genai does by default"
    if inactive_reason(config, steps):
        return Decision(CachePlan.uncached(steps), f"{name}; it caches nothing in {steps} steps")
    plan = CachePlan.taylor(config, occasion.sigmas)
    if preset_runs(steps)["high"] == plan.transformer_runs:
        name += "; cache='high' is closer at the same cost"
    return Decision(plan, name)


def load_plan(path: str) -> CachePlan:
    """Read a saved plan.

    Raises:
        ValueError: if there is no such file, or it holds something else.
    """
    if not os.path.isfile(path):  # which is no error for a name that no file can have
        raise ValueError(
            f"cache={path!r:.300} is no preset ({', '.join(PRESETS)}) and no file with a cache plan"
            f"{nearest(path, PRESETS).rstrip('.')}"
        )
    try:
        return CachePlan.from_json(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"cache={path!r}: {error}") from error


def _fitting(plan: CachePlan, occasion: Occasion, no_corrector: str | None) -> CachePlan:
    occasion.require(plan)
    if plan.has_corrector and no_corrector is not None:
        raise ValueError(
            f"this cache plan has a corrector, or was calibrated with one: {no_corrector}; "
            "build one with corrector=False"
        )
    return plan


# --- dictionaries --------------------------------------------------------------------------------

FromFields = TaylorSeerCacheConfig | ErrorControl | LimitedPreset
# by the fields that a dictionary may have
ACCEPTORS: dict[tuple[str, ...], Callable[[Mapping[str, Any]], FromFields]] = {
    tuple(field.name for field in fields(TaylorSeerCacheConfig)): TaylorSeerCacheConfig.from_dict,
    tuple(field.name for field in fields(ErrorControl)): ErrorControl.from_dict,
    tuple(field.name for field in fields(LimitedPreset)): LimitedPreset.from_dict,
}


def _from_dict(values: Mapping[str, Any]) -> FromFields:
    """Build what has these fields, or the fields most like them: its error is the helpful one."""

    def likeness(names: tuple[str, ...]) -> float:
        """How many of the keys are among the names, those with a typo in part."""
        return math.fsum(max(_ratio(key, name) for name in names) for key in values)

    return ACCEPTORS[max(ACCEPTORS, key=likeness)](values)


def _ratio(key: object, name: str) -> float:
    return SequenceMatcher(None, str(key), name).ratio()
