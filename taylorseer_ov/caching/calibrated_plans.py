"""Calibrated plans, kept as JSON beside the model that they were learned for."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..checks import whole_number
from ..files import write_over
from ..model_files import read_json
from .occasion import Occasion
from .plan import CachePlan

PLANS_FILE, PLANS_FORMAT = "cache_plans.json", "taylorseer_ov.calibrated/1"


class ModelFolder(Protocol):
    """A model's folder, as far as plans are kept beside a model."""

    @property
    def path(self) -> Path:
        """Where the plans lie."""

    def fingerprint(self) -> str:
        """Return what identifies the weights that plans were calibrated for."""


@dataclass(frozen=True)
class CalibratedPlan:
    """A learned plan, what it was learned for, and how well it did.

    Attributes:
        plan: the plan.
        calibration_db: mean signal-to-error ratio of the final latents on the prompts it was fitted
            to, against the uncached run.
        held_out_db: the same on prompts it was only chosen by.
        taylor_db: of the corrected order-1 plan with the same schedule, on the held-out prompts.
        height, width: of the pictures it was learned on, in pixels.
        guidance_scale: of the same pictures.
        package_version: of taylorseer-ov, which learned it.
    """

    plan: CachePlan
    calibration_db: float
    held_out_db: float
    taylor_db: float
    height: int
    width: int
    guidance_scale: float
    package_version: str

    @property
    def key(self) -> tuple[float, ...]:
        """Plans with the same key replace each other."""
        plan = self.plan
        return (
            plan.num_inference_steps,
            plan.transformer_runs,
            self.height,
            self.width,
            self.guidance_scale,
        )

    def __str__(self) -> str:
        runs, steps = self.plan.transformer_runs, self.plan.num_inference_steps
        return f"{runs} of {steps} steps at {self.width}x{self.height}"

    def differences(self, occasion: Occasion) -> list[str]:
        """Say in what a picture differs from those it was learned on, as far as that is known."""
        size, guidance_scale = occasion.size, occasion.guidance_scale
        found = []
        if size not in (None, (self.height, self.width)):
            found.append(f"{self.width}x{self.height}, not {size[1]}x{size[0]}")
        if guidance_scale is not None and not math.isclose(guidance_scale, self.guidance_scale):
            found.append(f"guidance_scale {self.guidance_scale:g}, not {guidance_scale:g}")
        return found


def read_plans(folder: ModelFolder) -> list[CalibratedPlan]:
    """Read the plans that lie beside a model; none if there is no such file.

    Raises:
        ValueError: if the file is not whole, or was made for other weights; says what to do.
    """
    path = folder.path / PLANS_FILE
    if not path.is_file():
        return []
    values = read_json(path)
    advice = "remove it, or run `taylorseer-ov calibrate` again"
    if values.get("format") != PLANS_FORMAT:
        raise ValueError(f"{path} has no calibrated plans of a known format; {advice}")
    if values.get("transformer") != folder.fingerprint():
        raise ValueError(f"{path} was made for other weights than those beside it; {advice}")
    try:
        return [_from_dict(entry) for entry in values["plans"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); {advice}") from error


def write_plans(folder: ModelFolder, plans: list[CalibratedPlan]) -> Path:
    """Write plans beside a model, keeping those that are there with other keys.

    A file that `read_plans` refuses is replaced: to calibrate again is what it advises.

    Args:
        folder: `pipeline.folder`, of whichever pipeline was calibrated.
        plans: what `calibrate` returned.

    Returns:
        The path of the file.

    Raises:
        OSError: if it cannot be written; what was there stays.
    """
    path = folder.path / PLANS_FILE
    try:
        present = read_plans(folder)
    except ValueError:
        present = []
    kept = {learned.key: learned for learned in [*present, *plans]}
    values = {
        "format": PLANS_FORMAT,
        "transformer": folder.fingerprint(),
        "plans": [_to_dict(kept[key]) for key in sorted(kept)],
    }
    write_over(path, (json.dumps(values, indent=1) + "\n").encode())
    return path


def _to_dict(learned: CalibratedPlan) -> dict[str, Any]:
    fields = {name: value for name, value in vars(learned).items() if name != "plan"}
    return fields | {"plan": json.loads(learned.plan.to_json())}


def _from_dict(entry: dict[str, Any]) -> CalibratedPlan:
    for name in ("height", "width"):
        whole_number(name, entry[name], 16)
    return CalibratedPlan(**(entry | {"plan": CachePlan.from_json(json.dumps(entry["plan"]))}))
