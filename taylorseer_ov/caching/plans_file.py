"""The file of calibrated plans: read again only when it has changed, its plans built when wanted.

A plan is a few kilobytes of text, and up to megabytes of weights. A generation wants one of those
in the file, so of the others nothing is built but what tells them apart.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import number, whole_number
from ..files import write_over
from ..model_files import Readings, read_json
from .learned_plan import CalibratedPlan, PlanKey
from .plan import CachePlan
from .plan_json import MOST_STEPS
from .rows import noise_levels

PLANS_FILE, PLANS_FORMAT = "cache_plans.json", "taylorseer_ov.calibrated/1"

MOST_PLANS = 10_000  # in a file
MOST_WEIGHTS = 10**7  # of all plans that are built at once; hundreds of plans for 100 steps
NOT_WRITTEN = ("plan", "without_db", "source")
ADVICE = "remove it, or run `taylorseer-ov calibrate` again, with --into if beside a model"


@dataclass(frozen=True, eq=False)
class WrittenPlan:
    """A plan as it is written in a file.

    Attributes:
        key: what it was learned for.
        sigmas: the noise levels it was made for, None if it fits any.
        has_corrector: whether a step that runs the transformer uses more than its own output.
        text: the plan as JSON.
        learned: what else is written of it.
        source: the file.
    """

    key: PlanKey
    sigmas: NDArray[np.float64] | None
    has_corrector: bool
    text: str
    learned: Mapping[str, Any]
    source: Path

    def build(self) -> CalibratedPlan:
        """Build the plan.

        Raises:
            ValueError: if it is damaged; names the file and says what to do.
        """
        with _naming(self.source):
            plan = CachePlan.from_json(self.text)
            return CalibratedPlan(
                **{**self.learned, "plan": plan, "without_db": None, "source": self.source}
            )


def read_file(path: Path, fingerprint: str) -> tuple[WrittenPlan, ...]:
    """Read the plans in a file, and build none.

    Raises:
        ValueError: if the file is not whole, or was made for other weights; says what to do.
    """
    weights, plans = _FILES.of([path], lambda: _read(path))
    if weights != fingerprint:
        raise ValueError(f"{path} was made for other weights than those beside it; {ADVICE}")
    return plans


def build_all(plans: Sequence[WrittenPlan]) -> list[CalibratedPlan]:
    """Build plans, if they are not too many for the memory that they take.

    Raises:
        ValueError: if they are, or one is damaged.
    """
    weights = sum(plan.key.num_inference_steps**2 for plan in plans)
    if weights > MOST_WEIGHTS:
        with _naming(plans[0].source):
            raise ValueError(f"its plans have {weights} weights in all, over {MOST_WEIGHTS}")
    return [plan.build() for plan in plans]


@functools.lru_cache(maxsize=8)
def built(plan: WrittenPlan) -> CalibratedPlan:
    """Return a plan that pictures are drawn with, built once for all of them."""
    return plan.build()


def write_file(path: Path, fingerprint: str, plans: Mapping[PlanKey, CalibratedPlan]) -> None:
    """Write plans for the weights of this fingerprint, over those that are there."""
    values = {
        "format": PLANS_FORMAT,
        "transformer": fingerprint,
        "plans": [_to_dict(plans[key]) for key in sorted(plans)],
    }
    write_over(path, (json.dumps(values, indent=1) + "\n").encode())


_FILES = Readings[tuple[str, tuple[WrittenPlan, ...]]](most=8)


def _read(path: Path) -> tuple[str, tuple[WrittenPlan, ...]]:
    values = read_json(path)
    if values.get("format") != PLANS_FORMAT:
        raise ValueError(f"{path} has no calibrated plans of a known format; {ADVICE}")
    with _naming(path):
        entries = values["plans"]
        if len(entries) > MOST_PLANS:
            raise ValueError(f"it has {len(entries)} plans, over {MOST_PLANS}")
        return str(values.get("transformer")), tuple(_written(entry, path) for entry in entries)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); {ADVICE}") from error


def _written(entry: dict[str, Any], source: Path) -> WrittenPlan:
    plan = entry["plan"]
    mask, rows, sigmas = plan["mask"], plan["rows"], plan["sigmas"]
    whole_number("number of steps", len(mask), 1, MOST_STEPS)
    height, width = (whole_number(name, entry[name], 16) for name in ("height", "width"))
    guidance_scale = number("guidance_scale", entry["guidance_scale"])
    return WrittenPlan(
        key=PlanKey(len(mask), mask.count("C"), height, width, guidance_scale),
        sigmas=None if sigmas is None else noise_levels(sigmas, len(mask)),
        has_corrector=any(
            computed == "C" and row != {str(step): 1}
            for step, (computed, row) in enumerate(zip(mask, rows, strict=True))
        ),
        text=json.dumps(plan),
        learned={name: value for name, value in entry.items() if name != "plan"},
        source=source,
    )


def _to_dict(learned: CalibratedPlan) -> dict[str, Any]:
    fields = {name: value for name, value in vars(learned).items() if name not in NOT_WRITTEN}
    return fields | {"plan": json.loads(learned.plan.to_json())}
