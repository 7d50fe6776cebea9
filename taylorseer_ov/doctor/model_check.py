"""Look at a model folder part by part: all that is wrong with it, not only the first thing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..caching.calibrated_plans import read_plans
from ..caching.plans_file import PLANS_FILE
from ..files import write_over
from ..flux.folder import FluxFolder, task_of
from ..flux.folder_checks import (
    CONFIGS,
    IR_FILES,
    check_ir,
    pipeline_class,
    read_defaults,
    read_scheduler,
    stored_bytes,
)
from ..flux.trained_on import FILE as TRAINED_ON_FILE
from ..flux.trained_on import TrainedOn
from ..genai import draws_wrong_levels
from ..generation.settings import model_defaults
from ..learned_files import learned_files
from ..model_files import EXPORT_ADVICE, ModelFolderError, read_json
from ..pictures.preview_map import PREVIEW_FILE, read_preview
from .device_check import Weights
from .finding import Finding, examine
from .machine import Machine

DEFAULTS_FILE = "generation_config.json"
SCHEDULER_FILE = Path("scheduler", "scheduler_config.json")

# What diffusers (`_class_name`) and transformers (`model_type`) write into a part's config.json.
KINDS = {
    "text_encoder": "clip_text_model",
    "text_encoder_2": "t5",
    "transformer": "FluxTransformer2DModel",
    "vae_decoder": "AutoencoderKL",
}
WEIGHT_NAMES = {
    **dict.fromkeys(("i4", "u4", "nf4", "f4e2m1"), "int4"),
    **dict.fromkeys(("i8", "u8"), "int8"),
    "f16": "float16",
    "bf16": "bfloat16",
    "f32": "float32",
}


def check_folder(path: Path, machine: Machine, *, fix: bool = False) -> Iterator[Finding]:
    """Look at every part of a folder, whether or not the others are well.

    Args:
        fix: mend the scheduler's file where openvino_genai misreads it.
    """
    yield examine("model_index.json", lambda: pipeline_class(path, task_of(path)), "a FluxPipeline")
    for part in IR_FILES:
        model = examine(part, partial(_describe_model, path, part))
        config = examine(part, partial(_check_config, path, part))
        yield from [found for found in (model, config) if found.status != "ok"] or [model]
    yield _check_vae_encoder(path)
    yield _check_scheduler(path, machine, fix)
    if (path / DEFAULTS_FILE).exists():
        yield examine(DEFAULTS_FILE, lambda: _read_defaults(path), "its values are allowed")
    if (path / TRAINED_ON_FILE).exists():
        yield examine(TRAINED_ON_FILE, lambda: TrainedOn.read(path), "warns of other things")


def check_extras(folder: FluxFolder) -> Iterator[Finding]:
    """Look at what `taylorseer-ov calibrate` may have learned for a model that is whole."""
    if learned_files(folder.path, folder.fingerprint(), PLANS_FILE):
        yield examine(PLANS_FILE, lambda: _describe_plans(folder))
    else:
        text = "no calibrated plans; presets use corrected Taylor plans"
        yield Finding(PLANS_FILE, "ok", text, "`taylorseer-ov calibrate` makes some")
    previews = learned_files(folder.path, folder.fingerprint("vae_decoder"), PREVIEW_FILE)
    if previews:
        where = _place(folder, previews[0])
        yield examine(PREVIEW_FILE, lambda: read_preview(folder), f"fits the VAE, {where}")
    else:
        text = "no previews during a generation"
        yield Finding(PREVIEW_FILE, "ok", text, "`taylorseer-ov calibrate` makes them possible")


def stored_weights(path: Path) -> Weights | None:
    """Return what a model's transformer is stored in; None if that cannot be told."""
    try:
        check_ir(path / IR_FILES["transformer"], "transformer")
        stored = stored_bytes(path / IR_FILES["transformer"])
    except (ModelFolderError, OSError):
        return None
    return Weights(_most(stored), sum(stored.values()))


def _most(bytes_by_type: dict[str, int]) -> str:
    most = max(bytes_by_type, key=lambda name: bytes_by_type[name], default="nothing")
    return WEIGHT_NAMES.get(most, most)


def _describe_model(path: Path, part: str) -> str:
    check_ir(path / IR_FILES[part], part)
    if "tokenizer" in part:
        return "converted"
    stored = stored_bytes(path / IR_FILES[part])
    return f"{sum(stored.values()) / 1e6:,.1f} MB, most of it {_most(stored)}"


def _check_config(path: Path, part: str) -> None:
    """Check a part's own JSON: the values that are used, and the class it was made for."""
    if part in CONFIGS:
        CONFIGS[part](path / part)
    file = path / part / "config.json"
    if part in KINDS and file.is_file():
        config = read_json(file)
        found = config.get("_class_name", config.get("model_type"))
        if found not in (None, KINDS[part]):
            raise ModelFolderError(f"{file} is of {found!r}, not {KINDS[part]!r}; {EXPORT_ADVICE}")


def _check_vae_encoder(path: Path) -> Finding:
    if not (path / "vae_encoder").is_dir():
        return Finding("vae_encoder", "ok", "none; only image to image and inpainting need it")
    stem = path / "vae_encoder" / "openvino_model"
    return examine("vae_encoder", lambda: check_ir(stem, "vae_encoder"), "whole")


def _read_defaults(path: Path) -> None:
    model_defaults(path, read_defaults(path))


def _describe_plans(folder: FluxFolder) -> str:
    by_place: dict[str, list[str]] = {}
    for plan in read_plans(folder):
        by_place.setdefault(_place(folder, plan.source), []).append(str(plan))
    return "; ".join(
        f"{len(plans)} calibrated, {place}: {', '.join(plans)}" for place, plans in by_place.items()
    )


def _place(folder: FluxFolder, source: Path | None) -> str:
    """Say where something learned is from."""
    if source is None or source.parent == folder.path:
        return "beside the model"
    return f"in {source.parent}"


# --- the scheduler -------------------------------------------------------------------------------


def _check_scheduler(path: Path, machine: Machine, fix: bool) -> Finding:
    scheduler = path / SCHEDULER_FILE.parent
    found = examine("scheduler", lambda: read_scheduler(scheduler), "its noise levels fall to 0")
    if found.status != "ok" or not _is_misread(path):
        return found
    if fix:
        return examine("scheduler", lambda: f"mended; the file as it was is {mend_scheduler(path)}")
    version = machine.versions["openvino-genai"]
    theirs = "the openvino_genai here" if draws_wrong_levels(version) else "newer openvino_genai"
    return Finding(
        "scheduler",
        "warning",
        f'"time_shift_type": "exponential" makes {theirs} draw with FLUX.2\'s noise levels, unless '
        "this package calls it",
        "--fix takes that key, which says what is the default, out of the file",
    )


def _is_misread(path: Path) -> bool:
    config = read_json(path / SCHEDULER_FILE)
    return bool(config.get("use_dynamic_shifting")) and (
        config.get("time_shift_type") == "exponential"
    )


def mend_scheduler(path: Path) -> Path:
    """Take `time_shift_type` out of a model's scheduler file, and return its backup.

    The key's value "exponential" is the default, so that diffusers reads the same.

    Raises:
        OSError: if the folder cannot be written.
    """
    file = path / SCHEDULER_FILE
    before = file.read_bytes()
    config = json.loads(before)
    del config["time_shift_type"]
    backup = _write_backup(file, before)
    write_over(file, (json.dumps(config, indent=2) + "\n").encode())
    return backup


def _write_backup(file: Path, content: bytes) -> Path:
    number = 0
    while True:
        backup = file.with_suffix(f".json.bak{number or ''}")
        try:
            with backup.open("xb") as stream:
                stream.write(content)
            return backup
        except FileExistsError:
            number += 1
