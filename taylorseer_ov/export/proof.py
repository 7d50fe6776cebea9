"""Prove an export: compare it with torch, and draw with it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ..flux.folder_checks import FILL_CLASS, PLAIN_CLASSES
from ..pipelines.tasks import InpaintingPipeline, Text2ImagePipeline
from .checkpoint import Checkpoint


def compare_with_torch(checkpoint: Checkpoint, exported: Path) -> str:
    """Run the diffusers pipeline on both in float32, from the same noise, and compare its ends.

    Returns:
        A sentence with the largest difference of the final latents.

    Raises:
        ArithmeticError: if they are not finite.
    """
    import torch
    from diffusers import DiffusionPipeline
    from optimum.intel import OVDiffusionPipeline

    pictures = {}
    if checkpoint.is_fill:
        from PIL import Image

        pictures["image"] = Image.new("RGB", (128, 128), "gray")
        pictures["mask_image"] = Image.new("L", (128, 128), "white")
    precise = {"INFERENCE_PRECISION_HINT": "f32"}
    reference = DiffusionPipeline.from_pretrained(checkpoint.folder, torch_dtype=torch.float32)
    expected = _final_latents(reference, pictures)
    del reference
    converted = OVDiffusionPipeline.from_pretrained(exported, ov_config=precise)
    difference = float((_final_latents(converted, pictures) - expected).abs().max())
    if not math.isfinite(difference):
        raise ArithmeticError(f"its latents and torch's differ by {difference}")
    return (
        f"maximum absolute difference of final latents from torch: {difference:.2e} "
        f"(latents up to {float(expected.abs().max()):.1f}, 4 steps, 128x128, float32)"
    )


def _final_latents(pipeline: Any, pictures: dict[str, Any]) -> Any:
    import torch

    pipeline.set_progress_bar_config(disable=True)
    result = pipeline(
        prompt="a red circle on a blue background",
        num_inference_steps=4,
        height=128,
        width=128,
        generator=torch.Generator().manual_seed(0),
        output_type="latent",
        **pictures,
    )
    return torch.as_tensor(result.images)


def draw_one_step(folder: Path, class_name: str) -> None:
    """Draw one step of 64x64 pixels with an export.

    Args:
        class_name: of the diffusers pipeline that it was.

    Raises:
        ArithmeticError: if the picture has another shape.
    """
    request: dict[str, Any] = {"num_inference_steps": 1, "width": 64, "height": 64}
    if class_name in PLAIN_CLASSES:
        drawing = Text2ImagePipeline(folder, "CPU", backend="python")
        picture = drawing.generate("a test", rng_seed=0, **request).data
    elif class_name == FILL_CLASS:
        filling = InpaintingPipeline(folder, "CPU", backend="python")
        black, everything = np.zeros((64, 64, 3), np.uint8), np.ones((64, 64), bool)
        picture = filling.generate("a test", black, everything, rng_seed=0, **request).data
    else:  # what this package does not draw, Optimum does
        from optimum.intel import OVDiffusionPipeline

        request |= {"prompt": "a test", "output_type": "np"}
        picture = OVDiffusionPipeline.from_pretrained(folder)(**request).images
    if picture.shape != (1, 64, 64, 3):
        raise ArithmeticError(f"its picture is {picture.shape} instead of (1, 64, 64, 3)")
