"""Caching in Optimum Intel's pipelines, on Flux: against loops that know nothing of it."""

import numpy as np
import pytest

from taylorseer_ov import (
    CachePlan,
    ErrorControl,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    cache_report,
    demo_model_path,
    enable_cache,
)
from taylorseer_ov.flux.generators import StandardNormalGenerator
from tests.common import F32, PROMPT
from tests.optimum.common import (
    CONFIG,
    HEIGHT,
    NEGATIVE,
    SCHEDULE,
    STEPS,
    TOKENS,
    WIDTH,
    close,
    counted,
    draw,
    load,
)

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]


def picture(height=HEIGHT, width=WIDTH):
    from PIL import Image

    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


class Reference:
    """Order 1 in the step index over a schedule, written down anew.

    Knows branches by what conditions them and steps by their timestep, unlike what it checks.
    """

    def __init__(self, part, schedule):
        self.part, self.schedule, self.branches = part, schedule, {}

    def __enter__(self):
        self.part.forward = self
        return self

    def __exit__(self, *exception):
        del self.part.forward

    def __call__(self, **kwargs):
        text = kwargs["encoder_hidden_states"].numpy().tobytes()
        timesteps, outputs = self.branches.setdefault(text, ([], []))
        timesteps.append(kwargs["timestep"][0].item())
        step = len(set(timesteps)) - 1
        assert step == len(timesteps) - 1
        if self.schedule[step] == "C":
            output = type(self.part).forward(self.part, **kwargs)[0]
            outputs.append((step, output))
        else:
            (p, before), (u, last) = outputs[-2:]
            output = last + (step - u) / (u - p) * (last - before)
        return (output,)


@pytest.mark.parametrize("settings", [{}, NEGATIVE, {"num_images_per_prompt": 2}])
def test_text_to_image_equals_a_loop_written_by_hand(flux, settings, monkeypatch):
    with Reference(flux.transformer, SCHEDULE):
        expected = draw(flux, **settings)
    runs = counted(flux.transformer, monkeypatch)
    enable_cache(flux, CONFIG)
    close(draw(flux, **settings), expected)
    report = cache_report(flux)
    names = ["cond", "uncond"] if "negative_prompt" in settings else ["cond"]
    assert [(b.name, b.schedule) for b in report.branches] == [(name, SCHEDULE) for name in names]
    assert len(runs) == report.computed_calls == SCHEDULE.count("C") * len(names)


@pytest.mark.parametrize("kind", ["img2img", "inpaint"])
@pytest.mark.parametrize("guidance", [{}, NEGATIVE])
@pytest.mark.parametrize(("strength", "schedule"), [(1.0, SCHEDULE), (0.8, "CCC..CCC")])
def test_image_to_image_begins_later_and_tells_branches_by_order(
    kind, guidance, strength, schedule, request, monkeypatch
):
    pipeline = request.getfixturevalue(kind)
    settings = guidance | {"image": picture(), "strength": strength}
    if kind == "inpaint":
        settings["mask_image"] = picture().convert("L")
    with Reference(pipeline.transformer, schedule):
        expected = draw(pipeline, **settings)
    runs = counted(pipeline.transformer, monkeypatch)
    enable_cache(pipeline, CONFIG)
    close(draw(pipeline, **settings), expected)
    report = cache_report(pipeline)
    names = ["call 1", "call 2"] if guidance else ["call 1"]
    assert [(b.name, b.schedule) for b in report.branches] == [(name, schedule) for name in names]
    assert report.num_inference_steps == len(schedule)
    assert len(runs) == report.computed_calls
    np.testing.assert_array_equal(
        np.float32(report.sigmas), pipeline.scheduler.sigmas.numpy()[-len(schedule) - 1 :]
    )


@pytest.mark.parametrize("cache", [None, CachePlan.uncached(STEPS), ErrorControl(0)])
def test_what_computes_every_step_changes_no_bit(flux, cache):
    expected = draw(flux)
    enable_cache(flux, cache)
    assert np.array_equal(draw(flux), expected)
    assert cache_report(flux).predicted_calls == 0


@pytest.mark.parametrize(
    "cache", [TaylorSeerCacheConfig(corrector=True, abscissa="sigma"), "balanced", ErrorControl()]
)
def test_pictures_equal_those_of_the_python_backend(cache):
    import torch
    from diffusers import FluxPipeline

    noise = StandardNormalGenerator(3).randn_tensor((1, 16, 16, 16))
    settings = {"height": 128, "width": 128, "num_inference_steps": 28, "guidance_scale": 3.5}
    latents = []
    result = Text2ImagePipeline(demo_model_path(), backend="python", **F32).generate(
        PROMPT,
        cache=cache,
        generator=StandardNormalGenerator(3),
        callback=lambda step, steps, now: latents.append(now),
        max_sequence_length=TOKENS,
        **settings,
    )
    flux = load("OVFluxPipeline", demo_model_path())
    settings["latents"] = FluxPipeline._pack_latents(torch.from_numpy(noise), 1, 16, 16, 16)
    with enable_cache(flux, cache) as enabled:
        close(draw(flux, **settings), latents[-1])
        drawn = np.asarray(flux(PROMPT, max_sequence_length=TOKENS, **settings).images[0])
    assert enabled.report.branches[0].schedule == result.report.schedule
    assert enabled.report.cache == result.report.cache
    assert np.abs(drawn.astype(int) - result.data[0]).max() <= 1


def with_torch(folder, config):
    """A pipeline of diffusers with its cache, and a list that each run of its blocks adds to."""
    import torch
    from diffusers import FluxPipeline

    pipeline = FluxPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.transformer.enable_cache(config)
    blocks = []
    inner = pipeline.transformer.transformer_blocks[0].attn
    inner.register_forward_hook(lambda *ignored: blocks.append(None))
    return pipeline, blocks


@pytest.mark.parametrize(
    ("fields", "schedule"),
    [
        ({"cache_interval": 3, "disable_cache_before_step": 3}, "CCC.C..C.."),
        (
            {"cache_interval": 4, "disable_cache_after_step": 8, "max_order": 2},
            "CCC.C...CC",
        ),
    ],
)
def test_diffusers_taylorseer_draws_what_it_draws_with_torch(
    flux, pipeline_folder, monkeypatch, fields, schedule
):
    import torch
    from diffusers import TaylorSeerCacheConfig

    config = TaylorSeerCacheConfig(use_lite_mode=True, taylor_factors_dtype=torch.float32, **fields)
    reference, blocks = with_torch(pipeline_folder, config)
    expected = draw(reference, **NEGATIVE)
    runs = counted(flux.transformer, monkeypatch)
    enable_cache(flux, config)
    close(draw(flux, **NEGATIVE), expected)
    report = cache_report(flux)
    assert [branch.schedule for branch in report.branches] == [schedule] * 2
    assert len(runs) == len(blocks) == 2 * schedule.count("C")
    assert report.cache.startswith("diffusers' TaylorSeerCacheConfig(")


def test_diffusers_magcache_runs_as_often_as_with_torch(flux, pipeline_folder, monkeypatch):
    from diffusers import MagCacheConfig
    from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS

    config = MagCacheConfig(mag_ratios=FLUX_MAG_RATIOS, num_inference_steps=STEPS, threshold=0.2)
    reference, blocks = with_torch(pipeline_folder, config)
    draw(reference)
    runs = counted(flux.transformer, monkeypatch)
    enable_cache(flux, config)
    draw(flux)
    assert len(runs) == len(blocks) < STEPS
    with pytest.raises(ValueError, match=f"is for {STEPS} steps, not for 12"):
        draw(flux, num_inference_steps=12)
