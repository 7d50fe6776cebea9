"""The calibrated plans of a model, kept for the weights they were learned for (`learned_files`)."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ..learned_files import learned_files, rewriting, target_folder
from .learned_plan import CalibratedPlan, PlanKey
from .plans_file import PLANS_FILE, WrittenPlan, build_all, read_file, write_file


class ModelFolder(Protocol):
    """A model's folder, as far as plans are kept beside a model."""

    @property
    def path(self) -> Path:
        """Where the plans lie."""

    def fingerprint(self) -> str:
        """Return what identifies the weights that plans were calibrated for."""


def read_plans(folder: ModelFolder) -> list[CalibratedPlan]:
    """Read the plans that there are for a model: the user's, then others that lie beside it.

    Of two with the same key the user's is taken, which was kept for doing better.

    Raises:
        ValueError: if a file is not whole, or was made for other weights; says what to do.
    """
    return build_all(written_plans(folder))


def written_plans(folder: ModelFolder) -> list[WrittenPlan]:
    """Return the same plans as they are written, none of them built.

    Raises:
        ValueError: as `read_plans` does, but for what only building a plan tells.
    """
    try:
        fingerprint = folder.fingerprint()
    except FileNotFoundError:  # a model that was not exported: nothing could be learned for it
        return []
    found: dict[PlanKey, WrittenPlan] = {}
    for path in learned_files(folder.path, fingerprint, PLANS_FILE):
        for plan in read_file(path, fingerprint):
            found.setdefault(plan.key, plan)
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
        return _read(path, folder.fingerprint())
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
            present = _read(path, fingerprint)
        except ValueError:
            present = []
        kept = {learned.key: learned for learned in [*present, *better]}
        write_file(path, fingerprint, kept)
    return path


def _read(path: Path, fingerprint: str) -> list[CalibratedPlan]:
    return build_all(read_file(path, fingerprint)) if path.is_file() else []
