"""Cache plans as JSON: the mask as text, the noise levels, and per step its weights by column."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..arrays import Matrix
from .schedule import Schedule, parse_schedule, schedule_text

PLAN_FORMAT = "taylorseer_ov.CachePlan/2"
# of a plan that is read, and of a generation; models are trained with 1000 noise levels, and a plan
# is a matrix of steps by steps
MOST_STEPS = 1000
Plan = TypeVar("Plan")


def write(mask: Schedule, weights: Matrix, sigmas: NDArray[np.float64] | None) -> str:
    """Write a plan; its floats come back exactly."""
    return json.dumps(
        {
            "format": PLAN_FORMAT,
            "mask": schedule_text(mask),
            "sigmas": None if sigmas is None else sigmas.tolist(),
            "rows": [{str(j): row[j] for j in np.flatnonzero(row)} for row in weights],
        }
    )


def read(text: str, build: Callable[[Schedule, Matrix, Any], Plan]) -> Plan:
    """Read what `write` wrote, and build the plan, which checks it.

    Raises:
        ValueError: if it is no cache plan, or a damaged one.
    """
    try:
        values: Any = json.loads(text)
    except RecursionError as error:
        raise ValueError("not a cache plan: brackets nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"not a cache plan, but {text[:80]!r} ({error})") from error
    if not isinstance(values, dict) or values.get("format") != PLAN_FORMAT:
        raise ValueError(f"not a cache plan, whose 'format' is {PLAN_FORMAT!r}: {text[:80]!r}")
    missing = [name for name in ("mask", "rows", "sigmas") if name not in values]
    if missing:
        raise ValueError(f"a damaged cache plan, without {' and '.join(missing)}")
    _check_kinds(values["mask"], values["rows"], values["sigmas"])
    mask, rows = parse_schedule(values["mask"]), values["rows"]
    if not len(rows) == len(mask) <= MOST_STEPS:
        raise ValueError(f"{len(rows)} rows for {len(mask)} steps, at most {MOST_STEPS}")
    weights = np.zeros((len(mask), len(mask)))
    try:
        for i, row in enumerate(rows):
            for j, weight in row.items():
                weights[i, int(j)] = weight
        return build(mask, weights, values["sigmas"])
    except (LookupError, TypeError, ArithmeticError) as error:
        raise ValueError("a damaged cache plan, whose values do not fit each other") from error


def _check_kinds(mask: Any, rows: Any, sigmas: Any) -> None:
    fits = {
        "mask": isinstance(mask, str),
        "rows": isinstance(rows, list) and all(map(_is_row, rows)),
        "sigmas": sigmas is None or (isinstance(sigmas, list) and all(map(_is_number, sigmas))),
    }
    for name, is_right in fits.items():
        if not is_right:
            raise ValueError(f"a damaged cache plan, whose {name!r} is of another kind")


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or not all(map(_is_number, row.values())):
        return False
    return all(name.isascii() and name.isdecimal() and len(name) < 5 for name in row)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
