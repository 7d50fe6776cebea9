"""Tiny models with random weights of every family that Optimum Intel exports and draws with.

Each builder makes a whole diffusers pipeline, tokenizers and text encoders included, of the real
classes and from nothing but numbers: no download. `export` turns it into a folder of IR.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import diffusers
import torch
import transformers
from diffusers import FlowMatchEulerDiscreteScheduler

from scripts.demo.text import build_clip_tokenizer, build_t5_tokenizer
from tests.optimum.parts import LANGUAGE_MODEL, WIDTH, clip, flow_vae, t5, word_tokenizer
from tests.optimum.unet_models import latent_consistency, stable_diffusion, stable_diffusion_xl
from tests.optimum.video_models import ltx, ltx2


def flux(scratch: Path, pipeline_class=diffusers.FluxPipeline, in_channels: int = 16):
    clip_tokenizer, t5_tokenizer = build_clip_tokenizer(), build_t5_tokenizer(scratch)
    return pipeline_class(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
        vae=flow_vae(4),
        text_encoder=clip(clip_tokenizer),
        tokenizer=clip_tokenizer,
        text_encoder_2=t5(t5_tokenizer),
        tokenizer_2=t5_tokenizer,
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=in_channels,
            out_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        ),
    )


def flux_fill(scratch: Path):
    # noise, masked picture (packed, 16 each) and mask (packed, 4 per latent pixel)
    return flux(scratch, diffusers.FluxFillPipeline, in_channels=16 + 16 + 4)


def flux2_klein(scratch: Path):
    return diffusers.Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
        vae=diffusers.AutoencoderKLFlux2(
            block_out_channels=(4,),
            down_block_types=("DownEncoderBlock2D",),
            up_block_types=("UpDecoderBlock2D",),
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=1,
            sample_size=32,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ),
        text_encoder=transformers.Qwen3ForCausalLM(
            transformers.Qwen3Config(vocab_size=100, head_dim=8, **LANGUAGE_MODEL)
        ),
        tokenizer=word_tokenizer(),
        transformer=diffusers.Flux2Transformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=2 * WIDTH,  # of two layers, side by side
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
    )


def sd3(scratch: Path):
    clip_tokenizer, t5_tokenizer = build_clip_tokenizer(), build_t5_tokenizer(scratch)
    return diffusers.StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=flow_vae(16),  # inpainting takes no other number
        text_encoder=clip(clip_tokenizer, with_projection=True),
        tokenizer=clip_tokenizer,
        text_encoder_2=clip(clip_tokenizer, with_projection=True),
        tokenizer_2=clip_tokenizer,
        text_encoder_3=t5(t5_tokenizer, 2 * WIDTH),  # as wide as both others together
        tokenizer_3=t5_tokenizer,
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=32,
            patch_size=1,
            in_channels=16,
            out_channels=16,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            caption_projection_dim=16,
            joint_attention_dim=2 * WIDTH,
            pooled_projection_dim=2 * WIDTH,
        ),
    )


def sana(
    scratch: Path, pipeline_class=diffusers.SanaPipeline, scheduler=None, guidance_embeds=False
):
    return pipeline_class(
        scheduler=scheduler
        or diffusers.DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        vae=diffusers.AutoencoderDC(
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=("ResBlock", "ResBlock"),
            decoder_block_types=("ResBlock", "ResBlock"),
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), ()),
            decoder_qkv_multiscales=((), ()),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
            scaling_factor=0.4,
        ),
        text_encoder=transformers.Gemma2Model(
            transformers.Gemma2Config(vocab_size=100, head_dim=8, **LANGUAGE_MODEL)
        ),
        tokenizer=word_tokenizer(),
        transformer=diffusers.SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=4,
            num_cross_attention_heads=2,
            cross_attention_head_dim=4,
            cross_attention_dim=8,
            caption_channels=WIDTH,
            sample_size=32,
            qk_norm="rms_norm_across_heads" if guidance_embeds else None,
            guidance_embeds=guidance_embeds,
        ),
    )


def sana_sprint(scratch: Path):
    scheduler = diffusers.SCMScheduler()
    return sana(scratch, diffusers.SanaSprintPipeline, scheduler, guidance_embeds=True)


def qwen_image(scratch: Path):
    channels = 4
    return diffusers.QwenImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=channels,
            dim_mult=[1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True],
            latents_mean=[0.0] * channels,
            latents_std=[1.0] * channels,
        ),
        text_encoder=transformers.Qwen2_5_VLForConditionalGeneration(
            transformers.Qwen2_5_VLConfig(
                text_config={
                    "vocab_size": 100,
                    **LANGUAGE_MODEL,
                    "rope_parameters": {
                        "rope_type": "default",
                        "rope_theta": 1e6,
                        "mrope_section": [1, 1, 2],
                    },
                },
                vision_config={
                    "depth": 1,
                    "hidden_size": WIDTH,
                    "intermediate_size": WIDTH,
                    "num_heads": 2,
                    "out_hidden_size": WIDTH,
                },
            )
        ),
        tokenizer=word_tokenizer(),
        transformer=diffusers.QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=4 * channels,
            out_channels=channels,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(8, 4, 4),
        ),
    )


def z_image(scratch: Path):
    transformer = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=16,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=WIDTH,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    for token in (transformer.x_pad_token, transformer.cap_pad_token):
        torch.nn.init.ones_(token)  # left uninitialized
    return diffusers.ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=flow_vae(16),
        text_encoder=transformers.Qwen3Model(
            transformers.Qwen3Config(vocab_size=100, head_dim=8, **LANGUAGE_MODEL)
        ),
        tokenizer=word_tokenizer(),
        transformer=transformer,
    )


FAMILIES: dict[str, Callable[[Path], diffusers.DiffusionPipeline]] = {
    family.__name__: family
    for family in (
        flux,
        flux_fill,
        flux2_klein,
        sd3,
        sana,
        sana_sprint,
        ltx,
        ltx2,
        qwen_image,
        z_image,
        stable_diffusion,
        stable_diffusion_xl,
        latent_consistency,
    )
}


def export(family: str, folder: Path) -> Path:
    """Build a family's pipeline and write its IR below `folder`; return where."""
    from optimum.exporters.openvino import main_export
    from optimum.intel import OVConfig

    torch.manual_seed(0)
    pipeline = FAMILIES[family](folder / "scratch")
    pipeline.save_pretrained(folder / "torch")
    task = "text-to-video" if family.startswith("ltx") else "text-to-image"
    main_export(
        str(folder / "torch"),
        folder / "ov",
        task=task,
        library_name="diffusers",
        ov_config=OVConfig(dtype="fp32"),
    )
    return folder / "ov"
