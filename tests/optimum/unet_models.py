"""Tiny models of the families whose denoiser is a UNet."""

from __future__ import annotations

from pathlib import Path

import diffusers

from scripts.demo.text import build_clip_tokenizer
from tests.optimum.parts import WIDTH, clip, small_vae


def small_unet(**options):
    return diffusers.UNet2DConditionModel(
        block_out_channels=(4, 8),
        layers_per_block=1,
        sample_size=32,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=2,
        attention_head_dim=2,
        **options,
    )


def stable_diffusion(
    scratch: Path, pipeline_class=diffusers.StableDiffusionPipeline, scheduler=None, **unet_options
):
    tokenizer = build_clip_tokenizer()
    return pipeline_class(
        scheduler=scheduler
        or diffusers.DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False),
        vae=small_vae(4),
        text_encoder=clip(tokenizer),
        tokenizer=tokenizer,
        unet=small_unet(cross_attention_dim=WIDTH, **unet_options),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def latent_consistency(scratch: Path):
    return stable_diffusion(
        scratch,
        diffusers.LatentConsistencyModelPipeline,
        diffusers.LCMScheduler(),
        time_cond_proj_dim=8,
    )


def stable_diffusion_xl(scratch: Path):
    tokenizer = build_clip_tokenizer()
    return diffusers.StableDiffusionXLPipeline(
        scheduler=diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear"),
        vae=small_vae(4),
        text_encoder=clip(tokenizer),
        tokenizer=tokenizer,
        text_encoder_2=clip(tokenizer, with_projection=True),
        tokenizer_2=tokenizer,
        unet=small_unet(
            cross_attention_dim=2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
            use_linear_projection=True,
        ),
    )
