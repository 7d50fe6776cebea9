"""Calibrated plans, kept as JSON for the weights that they were learned for (`learned_files`)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..checks import whole_number
from ..files import write_over
from ..learned_files import learned_files, rewriting, target_folder
from ..model_files import read_json
from .occasion import Occasion
from .plan import CachePlan

PLANS_FILE, PLANS_FORMAT = "cache_plans.json", "taylorseer_ov.calibrated/1"

MOST_WEIGHTS = 10**7  # of all plans in a file; hundreds of plans for 100 steps


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
        without_db: of what a preset takes without this plan, on the held-out prompts; None where
            nobody has looked. It is not written.
        source: the file it was read from, None if it was not.
    """

    plan: CachePlan
    calibration_db: float
    held_out_db: float
    taylor_db: float
    height: int
    width: int
    guidance_scale: float
    package_version: str
    without_db: float | None = field(default=None, compare=False)
    source: Path | None = field(default=None, compare=False)

    @property
    def is_better(self) -> bool:
        """Whether it does better than what a preset takes without it, as far as that is known."""
        return self.without_db is None or self.held_out_db > self.without_db

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
    """Read the plans that there are for a model: the user's, then others that lie beside it.

    Of two with the same key the user's is taken, which was kept for doing better.

    Raises:
        ValueError: if a file is not whole, or was made for other weights; says what to do.
    """
    try:
        fingerprint = folder.fingerprint()
    except FileNotFoundError:  # a model that was not exported: nothing could be learned for it
        return []
    found: dict[tuple[float, ...], CalibratedPlan] = {}
    for path in learned_files(folder.path, fingerprint, PLANS_FILE):
        for learned in _read(path, fingerprint):
            found.setdefault(learned.key, learned)
    return list(found.values())


def present_plans(folder: ModelFolder, into: str | Path | None = None) -> list[CalibratedPlan]:
    """Return the plans that a new one has to do better than; none for files that are not whole.

    Args:
        into: where the new one is to be written, None for the user's folder. Who gets that folder
            does not get the user's plans, so that only those in it count.
    """
    try:
        if into is None:
            return read_plans(folder)
        path = Path(into) / PLANS_FILE
        return _read(path, folder.fingerprint()) if path.is_file() else []
    except ValueError:
        return []


def write_plans(
    folder: ModelFolder, plans: list[CalibratedPlan], *, into: str | Path | None = None
) -> Path | None:
    """Keep those plans that are better than what there was, beside others with other keys.

    Any number of processes may write at once. A file that `read_plans` refuses is replaced: to
    calibrate again is what it advises.

    Args:
        folder: `pipeline.folder`, of whichever pipeline was calibrated.
        plans: what `calibrate` returned.
        into: the folder of a model with these weights, to hand the plans on with it. By default
            they are kept in the user's folder, where every copy of the model finds them.

    Returns:
        The path of the file, None if no plan is better than what presets take without it.

    Raises:
        ValueError: if `into` is inside this package, or has other weights, or the folder cannot be
            written.
        OSError: if the file cannot be written; what was there stays.
    """
    better = [learned for learned in plans if learned.is_better]
    if not better:
        return None
    fingerprint = folder.fingerprint()
    path = target_folder(fingerprint, into) / PLANS_FILE
    with rewriting(path):
        try:
            present = _read(path, fingerprint) if path.is_file() else []
        except ValueError:
            present = []
        kept = {learned.key: learned for learned in [*present, *better]}
        values = {
            "format": PLANS_FORMAT,
            "transformer": fingerprint,
            "plans": [_to_dict(kept[key]) for key in sorted(kept)],
        }
        write_over(path, (json.dumps(values, indent=1) + "\n").encode())
    return path


def _read(path: Path, fingerprint: str) -> list[CalibratedPlan]:
    values = read_json(path)
    advice = "remove it, or run `taylorseer-ov calibrate` again, with --into if beside a model"
    if values.get("format") != PLANS_FORMAT:
        raise ValueError(f"{path} has no calibrated plans of a known format; {advice}")
    if values.get("transformer") != fingerprint:
        raise ValueError(f"{path} was made for other weights than those beside it; {advice}")
    try:
        return [_from_dict(entry, path) for entry in _bounded(values["plans"])]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); {advice}") from error


NOT_WRITTEN = ("plan", "without_db", "source")


def _to_dict(learned: CalibratedPlan) -> dict[str, Any]:
    fields = {name: value for name, value in vars(learned).items() if name not in NOT_WRITTEN}
    return fields | {"plan": json.loads(learned.plan.to_json())}


def _bounded(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return plans from a file as they are, before their weights are made, if they are not huge.

    A row without weights is written in four letters, and takes thousands of bytes of memory.
    """
    weights = sum(len(entry["plan"]["mask"]) ** 2 for entry in entries)
    if weights > MOST_WEIGHTS:
        raise ValueError(f"its plans have {weights} weights in all, over {MOST_WEIGHTS}")
    return entries


def _from_dict(entry: dict[str, Any], source: Path) -> CalibratedPlan:
    for name in ("height", "width"):
        whole_number(name, entry[name], 16)
    plan = CachePlan.from_json(json.dumps(entry["plan"]))
    return CalibratedPlan(**(entry | {"plan": plan, "without_db": None, "source": source}))
