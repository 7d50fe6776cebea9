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
from tokenizers import Tokenizer, models, pre_tokenizers

from scripts.demo.text import WORDS, build_clip_tokenizer, build_t5_tokenizer

WIDTH = 16  # of every text encoder

# --- text ----------------------------------------------------------------------------------------


def clip(tokenizer, with_projection: bool = False):
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    if with_projection:
        return transformers.CLIPTextModelWithProjection(config)
    return transformers.CLIPTextModel(config)


def t5(tokenizer, width: int = WIDTH):
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=width, num_layers=1, num_heads=2
    )
    return transformers.T5EncoderModel(config)


def word_tokenizer():
    """Splits at spaces and knows the demo's words; for the language models."""
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<bos>"}
    special["eos_token"] = "<eos>"
    vocabulary = {word: index for index, word in enumerate([*special.values(), *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **special,
        # an empty prompt has a token too: attention to nothing is not finite
        chat_template="<bos>{% for message in messages %}{{ message.content }}{% endfor %}",
    )


LANGUAGE_MODEL = {
    "hidden_size": WIDTH,
    "intermediate_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}

# --- families ------------------------------------------------------------------------------------


def small_vae(latent_channels: int, **options):
    return diffusers.AutoencoderKL(
        block_out_channels=(4,),
        layers_per_block=1,
        latent_channels=latent_channels,
        norm_num_groups=1,
        sample_size=32,
        **options,
    )


def flow_vae(latent_channels: int):
    return small_vae(
        latent_channels,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.06,
        scaling_factor=1.5,
    )


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


def ltx(scratch: Path):
    tokenizer = build_t5_tokenizer(scratch)
    return diffusers.LTXPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=diffusers.AutoencoderKLLTXVideo(
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
            spatio_temporal_scaling=(True, True, False, False),
            decoder_spatio_temporal_scaling=(True, True, False, False),
            decoder_inject_noise=(False, False, False, False, False),
            upsample_residual=(False, False, False, False),
            upsample_factor=(1, 1, 1, 1),
            timestep_conditioning=False,
            patch_size=1,
            patch_size_t=1,
            encoder_causal=True,
            decoder_causal=False,
        ),
        text_encoder=t5(tokenizer),
        tokenizer=tokenizer,
        transformer=diffusers.LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            patch_size=1,
            patch_size_t=1,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            num_layers=1,
            caption_channels=WIDTH,
        ),
    )


def ltx2(scratch: Path):
    from diffusers.pipelines.ltx2 import LTX2TextConnectors
    from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder

    audio_vae = diffusers.AutoencoderKLLTX2Audio(
        base_channels=16,  # latent channels times latent mel bins
        output_channels=2,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        attn_resolutions=None,
        in_channels=2,
        resolution=32,
        latent_channels=1,
        norm_type="pixel",
        causality_axis="height",
        dropout=0.0,
        mid_block_add_attention=False,
        sample_rate=16000,
        mel_hop_length=160,
        is_causal=True,
        mel_bins=64,
    )
    text_encoder = transformers.Gemma3ForConditionalGeneration(
        transformers.Gemma3Config(
            text_config={"vocab_size": 100, "head_dim": 8, **LANGUAGE_MODEL},
            vision_config={
                "hidden_size": WIDTH,
                "intermediate_size": WIDTH,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "image_size": 32,
                "patch_size": 16,
            },
        )
    )
    connector = {
        f"{kind}_connector_{name}": value
        for kind in ("video", "audio")
        for name, value in {
            "num_attention_heads": 2,
            "attention_head_dim": 8,
            "num_layers": 1,
            "num_learnable_registers": None,
        }.items()
    }
    return diffusers.LTX2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=diffusers.AutoencoderKLLTX2Video(
            latent_channels=4,
            block_out_channels=(8,),
            decoder_block_out_channels=(8,),
            layers_per_block=(1,),
            decoder_layers_per_block=(1, 1),
            spatio_temporal_scaling=(True,),
            decoder_spatio_temporal_scaling=(True,),
            decoder_inject_noise=(False, False),
            downsample_type=("spatial",),
            spatial_compression_ratio=2,  # the exporter needs it said
            upsample_residual=(False,),
            upsample_factor=(1,),
            timestep_conditioning=False,
            patch_size=1,
            patch_size_t=1,
            encoder_causal=True,
            decoder_causal=False,
        ),
        audio_vae=audio_vae,
        text_encoder=text_encoder,
        tokenizer=word_tokenizer(),
        connectors=LTX2TextConnectors(
            caption_channels=WIDTH,
            text_proj_in_factor=LANGUAGE_MODEL["num_hidden_layers"] + 1,
            **connector,
            connector_rope_base_seq_len=32,
            rope_theta=10000.0,
            rope_double_precision=False,
            causal_temporal_positioning=False,
            rope_type="split",
        ),
        transformer=diffusers.LTX2VideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            patch_size=1,
            patch_size_t=1,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            audio_in_channels=16,
            audio_out_channels=16,
            audio_num_attention_heads=2,
            audio_attention_head_dim=4,
            audio_cross_attention_dim=8,
            num_layers=1,
            qk_norm="rms_norm_across_heads",
            caption_channels=WIDTH,
            rope_double_precision=False,
            rope_type="split",
        ),
        vocoder=LTX2Vocoder(
            in_channels=128,  # 2 channels of 64 mel bins
            hidden_channels=8,
            out_channels=2,
            upsample_kernel_sizes=[4, 4],
            upsample_factors=[2, 2],
            resnet_kernel_sizes=[3],
            resnet_dilations=[[1, 3, 5]],
            output_sampling_rate=16000,
        ),
    )


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
