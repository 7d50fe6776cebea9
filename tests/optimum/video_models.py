"""Tiny models of the families that draw videos."""

from __future__ import annotations

from pathlib import Path

import diffusers
import transformers
from diffusers import FlowMatchEulerDiscreteScheduler

from scripts.demo.text import build_t5_tokenizer
from tests.optimum.parts import LANGUAGE_MODEL, WIDTH, t5, word_tokenizer


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
