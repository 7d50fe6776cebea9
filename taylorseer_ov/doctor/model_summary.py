"""What a model folder holds, from its files alone: no model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..caching.calibrated_plans import read_plans
from ..flux.folder import FluxFolder, task_of
from ..flux.folder_checks import IR_FILES, check_ir, stored_bytes
from ..model_files import read_json


@dataclass(frozen=True)
class PartSummary:
    """A model of the folder.

    Attributes:
        size: bytes on disk.
        precisions: bytes of its constants by element type, such as `{"f16": 1000, "f32": 4}`.
        fingerprint: what identifies its weights.
    """

    size: int
    precisions: dict[str, int]
    fingerprint: str


@dataclass(frozen=True)
class ModelSummary:
    """What a folder is.

    Attributes:
        path: of the folder.
        pipeline_class: as its `model_index.json` says.
        parts: by folder name.
        guidance_embeds: whether it takes a guidance scale (dev) or not (schnell).
        defaults: its own settings of a generation.
        plans: the calibrated cache plans for it, each with the file it is from (`source`), or why
            they cannot be read.
    """

    path: str
    pipeline_class: str
    parts: dict[str, PartSummary]
    guidance_embeds: bool
    defaults: dict[str, Any]
    plans: list[dict[str, Any]] | str


def summarize(path: Path) -> ModelSummary:
    """Read what a model folder holds.

    Raises:
        FileNotFoundError, ModelFolderError: as `FluxFolder.read` does.
    """
    folder = FluxFolder.read(path, task_of(path))
    parts = [part for part in IR_FILES if not part.startswith("tokenizer")]
    plans: list[dict[str, Any]] | str
    try:
        plans = [
            {
                "steps": learned.plan.num_inference_steps,
                "transformer_runs": learned.plan.transformer_runs,
                "height": learned.height,
                "width": learned.width,
                "schedule": str(learned.plan),
                "held_out_db": learned.held_out_db,
                "taylor_db": learned.taylor_db,
                "source": str(learned.source),
            }
            for learned in read_plans(folder)
        ]
    except ValueError as error:
        plans = str(error)
    return ModelSummary(
        path=str(folder.path),
        pipeline_class=str(read_json(folder.path / "model_index.json")["_class_name"]),
        parts={part: _part(folder, part) for part in parts},
        guidance_embeds=folder.guidance_embeds,
        defaults=folder.defaults,
        plans=plans,
    )


def _part(folder: FluxFolder, part: str) -> PartSummary:
    stem = folder.path / IR_FILES[part]
    check_ir(stem, part)
    stored = stored_bytes(stem)
    return PartSummary(
        size=sum(stem.with_suffix(suffix).stat().st_size for suffix in (".xml", ".bin")),
        precisions=dict(sorted(stored.items(), key=lambda item: -item[1])),
        fingerprint=folder.fingerprint(part),
    )
