"""Parity with diffusers: noise levels, and a whole picture from the same noise."""

import numpy as np
import pytest

from taylorseer_ov import Text2ImagePipeline
from taylorseer_ov.flux.generators import StandardNormalGenerator
from taylorseer_ov.flux.sampling import NoiseLevels
from tests.common import F32, PROMPT

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("steps", [2, 4, 28, 50])
@pytest.mark.parametrize("tokens", [16, 64, 256, 1024, 4096, 5000])
@pytest.mark.parametrize(
    "options",
    [
        {"use_dynamic_shifting": True, "shift": 3.0},
        {"use_dynamic_shifting": True, "time_shift_type": "linear"},
        {"shift": 1.0},
        {"shift": 3.0, "shift_terminal": 0.1},
    ],
)
def test_sigmas_equal_diffusers(options, tokens, steps):
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    scheduler = FlowMatchEulerDiscreteScheduler(**options)
    mu = calculate_shift(tokens, 256, 4096, 0.5, 1.15)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
    ours = NoiseLevels.from_config(scheduler.config).sigmas(steps, tokens)
    np.testing.assert_array_max_ulp(ours, scheduler.sigmas.numpy(), maxulp=1)


@pytest.mark.parametrize("guidance_scale", [0.0, 3.5])
def test_a_picture_is_within_one_grey_level_of_torch(exported, pipeline_folder, guidance_scale):
    import torch
    from diffusers import FluxPipeline

    height, width, steps, tokens, seed = 64, 96, 6, 32, 7
    ours = (
        Text2ImagePipeline(exported[0], backend="python", **F32)
        .generate(
            PROMPT,
            generator=StandardNormalGenerator(seed),
            height=height,
            width=width,
            num_inference_steps=steps,
            max_sequence_length=tokens,
            guidance_scale=guidance_scale,
        )
        .data
    )
    noise = StandardNormalGenerator(seed).randn_tensor((1, 16, height // 8, width // 8))
    reference = FluxPipeline.from_pretrained(pipeline_folder, torch_dtype=torch.float32)
    reference.set_progress_bar_config(disable=True)
    theirs = reference(
        PROMPT,
        latents=FluxPipeline._pack_latents(torch.from_numpy(noise), 1, 16, height // 8, width // 8),
        height=height,
        width=width,
        num_inference_steps=steps,
        max_sequence_length=tokens,
        guidance_scale=guidance_scale,
        output_type="pil",
    ).images[0]
    difference = np.abs(ours[0].astype(int) - np.asarray(theirs))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01
