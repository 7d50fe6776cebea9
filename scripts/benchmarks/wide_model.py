"""A Flux of FLUX.1-dev's width with random weights, and what it says about FLUX.1-dev's speed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from taylorseer_ov.export.checkpoint import ExportError
from taylorseer_ov.export.export import export_model
from taylorseer_ov.version import install_command

# FLUX.1-dev: its number of blocks of either kind, and the weights in one of them.
DOUBLE_BLOCKS, SINGLE_BLOCKS = 19, 38
DOUBLE_WEIGHTS, SINGLE_WEIGHTS = 36 * 3072**2, 15 * 3072**2


def write_wide_model(source: Path, blocks: int, work: Path, **changes: Any) -> Path:
    """Export a Flux of FLUX.1-dev's width with random weights and so many blocks of either kind.

    Tokenizers, autoencoder and settings are those of `source`; its text encoders are widened.
    `changes` are to the transformer's configuration.
    """
    for library in ("DIFFUSERS", "TRANSFORMERS"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    try:
        import diffusers
        import torch
        import transformers
    except ImportError as error:
        needed = f"--width-of-flux needs {error.name}; install with: {install_command('export')}"
        raise ExportError(needed) from error
    torch.manual_seed(0)
    clip = transformers.CLIPTextConfig.from_pretrained(source / "text_encoder", hidden_size=768)
    t5 = transformers.T5Config.from_pretrained(source / "text_encoder_2", d_model=4096)
    vae, scheduler = diffusers.AutoencoderKL, diffusers.FlowMatchEulerDiscreteScheduler
    # what is not said here is FLUX.1-dev's by default
    config = {"num_layers": blocks, "num_single_layers": blocks, "guidance_embeds": True}
    pipeline = diffusers.FluxPipeline(
        scheduler=scheduler.from_pretrained(source / "scheduler"),
        vae=vae.from_config(vae.load_config(source / "vae_decoder")),
        text_encoder=transformers.CLIPTextModel(clip),
        tokenizer=transformers.CLIPTokenizer.from_pretrained(source / "tokenizer"),
        text_encoder_2=transformers.T5EncoderModel(t5),
        tokenizer_2=transformers.T5Tokenizer.from_pretrained(source / "tokenizer_2"),
        transformer=diffusers.FluxTransformer2DModel(**config | changes),
    )
    pipeline.to(torch.float16).save_pretrained(work / "pipeline")
    del pipeline  # its memory is wanted
    folder = export_model(work / "pipeline", work / "exported")
    shutil.rmtree(work / "pipeline")
    if (source / "generation_config.json").exists():
        shutil.copy(source / "generation_config.json", folder)
    return folder


def times_of_flux(blocks: int) -> float:
    """How many times so many blocks of either kind all those of FLUX.1-dev take.

    By weights, as where reading them bounds the step; where arithmetic does, it is 16 % more, for
    a block of either kind does as much of it.
    """
    all_weights = DOUBLE_BLOCKS * DOUBLE_WEIGHTS + SINGLE_BLOCKS * SINGLE_WEIGHTS
    return all_weights / (blocks * (DOUBLE_WEIGHTS + SINGLE_WEIGHTS))
