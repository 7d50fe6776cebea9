"""What openvino_genai cannot do exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..caching.config import TaylorSeerCacheConfig
from ..flux.folder import FluxFolder
from ..flux.sampling import first_step
from ..genai import missing_native_support
from ..generation.job import Job
from ..generation.settings import ImageGenerationConfig
from ..generation.setup import Setup

if TYPE_CHECKING:
    from ..flux.tokenizer import Tokenizer


def standing_obstacle(setup: Setup) -> str | None:
    """Say why openvino_genai can do no job of a pipeline at all, None if it can."""
    if setup.folder.is_fill:
        return "openvino_genai does not cache Fill models, and starts them from noise alone"
    part = setup.folder.part
    for name in ("text_encoder", "text_encoder_2"):
        # it replaces the first "text_encoder" in the whole path
        tokenizer = str(part(name)).replace("text_encoder", "tokenizer", 1)
        if tokenizer != str(part(name.replace("text_encoder", "tokenizer"))):
            return "openvino_genai misses the tokenizers of a folder called text_encoder"
    if not (part("transformer").parent / "vae_decoder" / "config.json").is_file():
        return "openvino_genai looks for vae_decoder beside the transformer"
    # installed or not, these are what to know
    return setup.memory.native_obstacle or missing_native_support()


def native_obstacle(
    job: Job, folder: FluxFolder, tokenizers: tuple[Tokenizer, Tokenizer]
) -> str | None:
    """Say why openvino_genai cannot do exactly this job, None if it can."""
    reason = settings_obstacle(job.settings, folder)
    if reason:
        return reason
    if job.hooks.recorder is not None:
        return "openvino_genai does not show the transformer's outputs"
    if job.hooks.callback is not None:
        return "openvino_genai drops callbacks and aborts when one raises"
    if job.initial is not None and job.settings.num_images_per_prompt > 1:
        return "openvino_genai draws one picture at a time from a given one"
    lengths = (folder.clip_length, job.settings.max_sequence_length)
    for tokenizer, prompt, length in zip(
        tokenizers, (job.prompt, job.prompt_2), lengths, strict=True
    ):
        if not tokenizer.fits(prompt, length):
            return f"openvino_genai loses the end token of prompts over {length} tokens"
    return None


def settings_obstacle(settings: ImageGenerationConfig, folder: FluxFolder) -> str | None:
    """Say why openvino_genai cannot draw exactly so, whatever the prompt, None if it can."""
    cache = settings.cache
    if cache is not None and not (isinstance(cache, TaylorSeerCacheConfig) and cache.is_native):
        return "openvino_genai caches with max_order=1, abscissa='step' and no corrector only"
    steps, strength = settings.num_inference_steps, settings.strength
    if first_step(steps, strength) != _native_first_step(steps, strength):
        return f"openvino_genai takes another number of steps at strength={strength}"
    levels = folder.noise_levels
    if levels.use_dynamic_shifting and levels.time_shift_type != "exponential":
        return f"openvino_genai gives time_shift_type={levels.time_shift_type!r} another meaning"
    return None


def _native_first_step(num_inference_steps: int, strength: float) -> int:
    """`sampling.first_step` in float32, as openvino_genai computes it."""
    steps = np.float32(num_inference_steps)
    return int(max(steps - min(steps * np.float32(strength), steps), np.float32(0)))
