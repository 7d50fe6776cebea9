"""Fuse LoRA adapters into a diffusers pipeline before it is exported."""

from __future__ import annotations

import gc
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from ..flux.folder_checks import FILL_CLASS, PLAIN_CLASSES
from .checkpoint import Checkpoint, parts_of

Lora = tuple[Path, float]  # a file and the scale of what it adds
FUSED_PARTS = ("transformer", "text_encoder")


def check_files(loras: Sequence[Lora]) -> None:
    """Check adapters before any work.

    Raises:
        ValueError: for a file that is not there or of another kind, or a scale that is no number.
    """
    for path, scale in loras:
        if path.suffix != ".safetensors" or not path.is_file():
            raise ValueError(f"there is no LoRA file {str(path)!r} (.safetensors)")
        if not math.isfinite(scale):
            raise ValueError(f"the scale of {path} must be finite, got {scale}")


def check_class(class_name: str) -> None:
    """Check what adapters are to be fused into.

    Raises:
        ValueError: for a pipeline that is not FLUX.1.
    """
    if class_name not in (*PLAIN_CLASSES, FILL_CLASS):
        raise ValueError(f"LoRA files are fused into FLUX.1 only, not into a {class_name}")


def fuse(checkpoint: Checkpoint, fused: Path, loras: Sequence[Lora], *, half: bool) -> Checkpoint:
    """Write a diffusers folder with adapters fused into it; parts without any are linked to.

    Args:
        fused: the folder to make.
        half: write float16 weights, else float32.

    Raises:
        ValueError: if an adapter has nothing for this model.
    """
    import torch
    from diffusers import DiffusionPipeline

    dtype = torch.float16 if half else torch.float32
    others: dict[str, None] = dict.fromkeys(
        name for name in parts_of(checkpoint.index) if name not in (*FUSED_PARTS, "scheduler")
    )
    pipeline = DiffusionPipeline.from_pretrained(checkpoint.folder, torch_dtype=dtype, **others)
    names = [f"lora_{i}" for i in range(len(loras))]
    for name, (path, _) in zip(names, loras, strict=True):
        pipeline.load_lora_weights(path.parent, weight_name=path.name, adapter_name=name)
        if not any(name in found for found in pipeline.get_list_adapters().values()):
            raise ValueError(f"{path} has no LoRA weights for this model")
    pipeline.set_adapters(names, [scale for _, scale in loras])
    pipeline.fuse_lora(components=list(FUSED_PARTS), adapter_names=names)
    pipeline.unload_lora_weights()
    fused.mkdir()
    for name in FUSED_PARTS:
        getattr(pipeline, name).save_pretrained(fused / name)
    del pipeline
    gc.collect()
    for path in checkpoint.folder.iterdir():
        if path.name not in FUSED_PARTS:
            _link(path, fused / path.name)
    return Checkpoint(fused, checkpoint.index)


def _link(path: Path, place: Path) -> None:
    try:
        place.symlink_to(path, target_is_directory=path.is_dir())
    except OSError:  # Windows allows links to administrators only
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, place)
