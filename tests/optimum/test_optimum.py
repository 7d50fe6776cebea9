"""Caching in Optimum Intel's pipelines, on Flux: against loops that know nothing of it."""

import gc
import json
import threading
from contextlib import nullcontext

import numpy as np
import pytest

from taylorseer_ov import (
    CachePlan,
    ErrorControl,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    cache_report,
    demo_model_path,
    disable_cache,
    enable_cache,
)
from taylorseer_ov.caching.cached_velocity import CachedVelocity
from taylorseer_ov.caching.calibrated_plans import CalibratedPlan, write_plans
from taylorseer_ov.flux.noise import StandardNormalGenerator
from taylorseer_ov.optimum.enable import OptimumFolder
from tests.common import F32, PROMPT

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]

HEIGHT, WIDTH, TOKENS = 64, 96, 32
STEPS, SCHEDULE = 10, "CCC..C..CC"
CONFIG = TaylorSeerCacheConfig(
    cache_interval=3, disable_cache_before_step=3, disable_cache_after_step=-2
)
NEGATIVE = {"negative_prompt": "a small green star", "true_cfg_scale": 2.0}


def load(kind, folder):
    import optimum.intel

    pipeline = getattr(optimum.intel, kind).from_pretrained(folder, ov_config=dict(F32))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def flux(exported):
    return load("OVFluxPipeline", exported[0])


@pytest.fixture(scope="module")
def img2img(exported):
    return load("OVFluxImg2ImgPipeline", exported[0])


@pytest.fixture(scope="module")
def inpaint(exported):
    return load("OVFluxInpaintPipeline", exported[0])


@pytest.fixture(autouse=True)
def restored(request):
    """No cache outlives its test."""
    yield
    for name in {"flux", "img2img", "inpaint"} & set(request.fixturenames):
        disable_cache(request.getfixturevalue(name))


def draw(pipeline, seed=0, **settings):
    """Final latents as an array."""
    import torch

    settings = {
        "prompt": PROMPT,
        "height": HEIGHT,
        "width": WIDTH,
        "num_inference_steps": STEPS,
        "max_sequence_length": TOKENS,
        "guidance_scale": 3.5,
        "output_type": "latent",
        "generator": torch.Generator().manual_seed(seed),
    } | settings
    return pipeline(**settings).images.numpy()


def picture(height=HEIGHT, width=WIDTH):
    from PIL import Image

    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


def counted(part, monkeypatch):
    """Count the runs of a part's own infer request."""
    part.compile()
    request, runs = part.request, []

    def run(*args, **kwargs):
        runs.append(None)
        return request(*args, **kwargs)

    monkeypatch.setattr(part, "request", run)
    return runs


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


def close(left, right):
    np.testing.assert_allclose(left, right, atol=2e-5, rtol=1e-4)


# --- the right values ---


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
    from diffusers import FluxPipeline, TaylorSeerCacheConfig

    config = TaylorSeerCacheConfig(use_lite_mode=True, taylor_factors_dtype=torch.float32, **fields)
    reference = FluxPipeline.from_pretrained(pipeline_folder, torch_dtype=torch.float32)
    reference.set_progress_bar_config(disable=True)
    blocks = []
    reference.transformer.enable_cache(config)
    inner = reference.transformer.transformer_blocks[0].attn
    inner.register_forward_hook(lambda *ignored: blocks.append(None))
    expected = draw(reference, **NEGATIVE)
    runs = counted(flux.transformer, monkeypatch)
    enable_cache(flux, config)
    close(draw(flux, **NEGATIVE), expected)
    report = cache_report(flux)
    assert [branch.schedule for branch in report.branches] == [schedule] * 2
    assert len(runs) == len(blocks) == 2 * schedule.count("C")
    assert report.cache.startswith("diffusers' TaylorSeerCacheConfig(")


def test_diffusers_magcache_runs_as_often_as_with_torch(flux, pipeline_folder, monkeypatch):
    import torch
    from diffusers import FluxPipeline, MagCacheConfig
    from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS

    config = MagCacheConfig(mag_ratios=FLUX_MAG_RATIOS, num_inference_steps=STEPS, threshold=0.2)
    reference = FluxPipeline.from_pretrained(pipeline_folder, torch_dtype=torch.float32)
    reference.set_progress_bar_config(disable=True)
    blocks = []
    reference.transformer.enable_cache(config)
    inner = reference.transformer.transformer_blocks[0].attn
    inner.register_forward_hook(lambda *ignored: blocks.append(None))
    draw(reference)
    runs = counted(flux.transformer, monkeypatch)
    enable_cache(flux, config)
    draw(flux)
    assert len(runs) == len(blocks) < STEPS
    with pytest.raises(ValueError, match=f"is for {STEPS} steps, not for 12"):
        draw(flux, num_inference_steps=12)


# --- one generation ends where the next begins ---


def test_generations_share_nothing(flux):
    different = [
        {"seed": 1},
        {"prompt": "a small white star"},
        {"height": 96},
        {"num_inference_steps": 12},
        {"num_images_per_prompt": 2},
        {"prompt": [PROMPT, "two stars"]},
        NEGATIVE,
        {},
    ]
    expected = []
    for settings in different:
        with enable_cache(flux, CONFIG):
            expected.append(draw(flux, **settings))
    enable_cache(flux, CONFIG)
    for settings, latents in zip(different, expected, strict=True):
        assert np.array_equal(draw(flux, **settings), latents)


def interrupt(pipeline, step, timestep, values):
    pipeline._interrupt = step == 4
    return {}


def fail(pipeline, step, timestep, values):
    if step == 4:
        raise KeyError("the caller's own")
    return {}


@pytest.mark.parametrize("callback", [interrupt, fail])
def test_a_generation_that_ends_early_leaves_nothing(flux, callback):
    enable_cache(flux, CONFIG)
    expected = draw(flux)
    with pytest.raises(KeyError) if callback is fail else nullcontext():
        draw(flux, seed=1, callback_on_step_end=callback)
    report = cache_report(flux)
    assert report.steps_taken == 5
    assert report.branches[0].schedule == SCHEDULE[:5]
    assert np.array_equal(draw(flux), expected)


def test_a_failing_denoiser_ends_the_generation(flux, monkeypatch):
    enable_cache(flux, CONFIG)
    expected = draw(flux)
    with monkeypatch.context() as broken:
        runs = counted(flux.transformer, broken)
        working = flux.transformer.request

        def breaks(*args, **kwargs):
            if len(runs) == 3:
                raise RuntimeError("out of memory")
            return working(*args, **kwargs)

        broken.setattr(flux.transformer, "request", breaks)
        with pytest.raises(RuntimeError, match="out of memory"):
            draw(flux)
    assert cache_report(flux).branches[0].schedule == SCHEDULE[:5]
    assert not [held for held in gc.get_objects() if isinstance(held, CachedVelocity)]
    assert np.array_equal(draw(flux), expected)


def test_kept_outputs_are_gone_before_the_vae_decodes(flux, monkeypatch):
    held = []
    decode = flux.vae.decode

    def decoding(*args, **kwargs):
        held.extend(found for found in gc.get_objects() if isinstance(found, CachedVelocity))
        return decode(*args, **kwargs)

    monkeypatch.setattr(flux.vae, "decode", decoding)
    enable_cache(flux, CONFIG)
    flux(PROMPT, height=HEIGHT, width=WIDTH, num_inference_steps=STEPS, max_sequence_length=TOKENS)
    assert cache_report(flux).predicted_calls
    assert held == []


def test_pipelines_in_threads_share_nothing(flux, exported):
    other = load("OVFluxPipeline", exported[0])
    expected = []
    for pipeline, seed, cache in ((flux, 0, CONFIG), (other, 1, "fast")):
        with enable_cache(pipeline, cache):
            expected.append(draw(pipeline, seed))
    enable_cache(flux, CONFIG)
    enable_cache(other, "fast")
    found = {}

    def work(pipeline, seed):
        found[seed] = [draw(pipeline, seed) for _ in range(3)]

    threads = [threading.Thread(target=work, args=pair) for pair in ((flux, 0), (other, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, latents in enumerate(expected):
        assert all(np.array_equal(again, latents) for again in found[seed])


# --- calls of the denoiser itself ---


def inputs(flux, timestep, batch=1):
    """What the pipeline would call its denoiser with, but for random latents."""
    import torch

    embeddings, pooled, text_ids = flux.encode_prompt(PROMPT, None, max_sequence_length=TOKENS)
    tokens = HEIGHT * WIDTH // 256
    generator = torch.Generator().manual_seed(int(timestep))
    return {
        "hidden_states": torch.randn(batch, tokens, 64, generator=generator),
        "timestep": timestep.expand(batch) / 1000,
        "guidance": torch.full((batch,), 3.5),
        "pooled_projections": pooled.expand(batch, -1),
        "encoder_hidden_states": embeddings.expand(batch, -1, -1),
        "txt_ids": text_ids,
        "img_ids": torch.zeros(tokens, 3),
    }


def calls(flux, batch_from=STEPS, **settings):
    """Yield the outputs of a bare loop over the denoiser; from a step on of two pictures."""
    flux.scheduler.set_timesteps(sigmas=np.linspace(1, 1 / STEPS, STEPS), mu=0.5)
    for step, timestep in enumerate(flux.scheduler.timesteps):
        given = inputs(flux, timestep, 2 if step >= batch_from else 1)
        yield flux.transformer(**given, **settings)
        flux.scheduler.step(given["hidden_states"], timestep, given["hidden_states"])


def values(flux, **settings):
    """The outputs of that loop as arrays."""
    return [output["out_sample"].numpy() for output in calls(flux, **settings)]


@pytest.mark.parametrize("settings", [{}, {"return_dict": True}, {"return_dict": False}])
def test_forecasts_have_the_form_of_outputs(flux, settings):
    computed = list(calls(flux, **settings))
    enable_cache(flux, CONFIG)
    outputs = list(calls(flux, **settings))
    assert cache_report(flux).branches[0].schedule == SCHEDULE
    first, second, forecast = outputs[1], outputs[2], outputs[3]
    for output in outputs:
        assert type(output) is type(computed[0])
        assert list(output) == list(computed[0])
    key = "out_sample"
    assert forecast[key].dtype == first[key].dtype
    close(forecast[key], 2 * second[key] - first[key])
    assert np.array_equal(outputs[-1][key], computed[-1][key])


def test_several_outputs_of_any_type_keep_their_form():
    import torch

    from taylorseer_ov.optimum.generation import Form, _as_array

    torch.manual_seed(0)
    video, audio = torch.randn(2, 3, 4), torch.randn(2, 5).to(torch.bfloat16)
    for output in ((video, audio), [video, audio], {"out_sample": video, "audio": audio}):
        array = _as_array(output)
        assert array.dtype == np.float32
        rebuilt = Form(output).build(array)
        array[:] = 0  # the engine's buffer, which it writes again
        assert type(rebuilt) is type(output)
        for name in output if isinstance(output, dict) else range(2):
            assert rebuilt[name].dtype == output[name].dtype
            assert torch.equal(rebuilt[name], output[name])


@pytest.mark.parametrize("cache", [CONFIG, ErrorControl(10), "balanced"])
def test_outputs_belong_to_the_caller(flux, cache):
    enable_cache(flux, cache)
    outputs, expected = [], []
    for output in calls(flux):
        outputs.append(output["out_sample"])
        expected.append(output["out_sample"].numpy().copy())
    assert cache_report(flux).predicted_calls
    for output, first in zip(outputs, expected, strict=True):
        assert np.array_equal(output, first)  # not written again
    for output, first in zip(calls(flux), expected, strict=True):
        assert np.array_equal(output["out_sample"], first)
        output["out_sample"].zero_()  # what the pipeline does to it changes no forecast


def test_a_change_of_shape_within_a_generation_computes_until_forecasts_are_possible(flux):
    schedule = "CCC...C..C"
    expected = values(flux, batch_from=4)
    enable_cache(flux, CachePlan(*without_sigmas(schedule)))
    outputs = values(flux, batch_from=4)
    (branch,) = cache_report(flux).branches
    # steps 4, 5, 7 and 8 would have used outputs of one picture
    assert branch.schedule == "CCC.CCCCCC"
    assert branch.restarted_steps == (4,)
    for step, kind in enumerate(branch.schedule):
        assert np.array_equal(outputs[step], expected[step]) == (kind == "C")


def without_sigmas(schedule):
    plan = CachePlan.from_mask(schedule, np.linspace(1, 0, len(schedule) + 1))
    return plan.mask, plan.weights


def test_calls_outside_a_generation_run_the_denoiser(exported, monkeypatch):
    import torch

    flux = load("OVFluxPipeline", exported[0])
    runs = counted(flux.transformer, monkeypatch)
    given = inputs(flux, torch.tensor(500.0))
    with enable_cache(flux, CONFIG) as enabled:
        for _ in range(5):
            flux.transformer(**given)
        assert len(runs) == 5
        with pytest.raises(RuntimeError, match="nothing was generated"):
            _ = enabled.report
        draw(flux)
        flux.transformer(**given)
        assert len(runs) == 5 + SCHEDULE.count("C") + 1
        assert enabled.report.branches[0].schedule == SCHEDULE


# --- the pipeline stays what it was ---


def test_disabling_restores_the_denoiser_exactly(flux):
    draw(flux)
    part = flux.transformer
    before, pipeline_before = dict(vars(part)), set(vars(flux))
    enable_cache(flux, CONFIG)
    second = enable_cache(flux, "fast")
    draw(flux)
    assert "fast" in cache_report(flux).cache
    disable_cache(flux)
    assert dict(vars(part)) == before
    assert set(vars(flux)) == pipeline_before
    disable_cache(flux)
    second.disable()
    assert dict(vars(part)) == before
    assert second.report.steps_taken == STEPS
    with pytest.raises(RuntimeError, match="no cache is enabled"):
        cache_report(flux)
    with pytest.raises(ZeroDivisionError), enable_cache(flux, CONFIG):
        raise ZeroDivisionError
    assert dict(vars(part)) == before


def test_an_earlier_cache_replaced_does_not_disable_the_later(flux):
    first = enable_cache(flux, CONFIG)
    enable_cache(flux, "fast")
    first.disable()
    draw(flux)
    assert "fast" in cache_report(flux).cache


def test_what_a_user_had_put_in_place_comes_back(flux):
    mine = flux.transformer.forward
    flux.transformer.forward = mine
    try:
        with enable_cache(flux, CONFIG):
            draw(flux)
        assert vars(flux.transformer)["forward"] is mine
    finally:
        del flux.transformer.forward


def test_a_pipeline_with_a_cache_saves_and_loads(flux, tmp_path, exported):
    enable_cache(flux, CONFIG)
    expected = draw(flux)
    flux.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index == json.loads((exported[0] / "model_index.json").read_text())
    loaded = load("OVFluxPipeline", tmp_path)
    enable_cache(loaded, CONFIG)
    close(draw(loaded), expected)


def test_reshape_to_and_compile_keep_the_cache(exported):
    flux = load("OVFluxPipeline", exported[0])
    enable_cache(flux, CONFIG)
    settings = {"max_sequence_length": 512}  # what reshape fixes the text length to
    expected = draw(flux, **settings)
    for change in (
        lambda: flux.clear_requests(),
        lambda: flux.to("CPU"),
        lambda: flux.compile(),
        lambda: flux.reshape(1, HEIGHT, WIDTH, 1),
    ):
        change()
        close(draw(flux, **settings), expected)
        assert cache_report(flux).branches[0].schedule == SCHEDULE


# --- what is refused, and when ---


def test_other_objects_are_refused(flux, pipeline):
    with pytest.raises(TypeError, match="cache= in generate"):
        enable_cache(pipeline, CONFIG)
    with pytest.raises(TypeError, match="must be a preset"):
        enable_cache(flux, 3)
    with pytest.raises(ValueError, match="no preset"):
        enable_cache(flux, "quick")
    enable_cache(flux, CONFIG)
    with pytest.raises(ValueError, match="no preset"):
        enable_cache(flux, "quick")
    draw(flux)
    assert cache_report(flux).branches[0].schedule == SCHEDULE


def test_a_plan_for_other_steps_is_refused_before_the_denoiser_runs(flux, monkeypatch, tmp_path):
    runs = counted(flux.transformer, monkeypatch)
    path = tmp_path / "plan.json"
    path.write_text(CachePlan.uncached(STEPS + 1).to_json())
    for plan in (CachePlan.uncached(STEPS + 1), str(path)):
        enable_cache(flux, plan)
        with pytest.raises(ValueError, match=f"is for {STEPS + 1} steps, not for {STEPS}"):
            draw(flux)
    assert runs == []
    with pytest.raises(RuntimeError, match="nothing was generated"):
        cache_report(flux)
    draw(flux, num_inference_steps=STEPS + 1)
    with pytest.raises(ValueError, match="is for"):
        draw(flux)
    with pytest.raises(RuntimeError, match="nothing was generated"):  # not what was before
        cache_report(flux)


def test_a_plan_can_be_made_from_the_report(flux):
    with enable_cache(flux, None) as enabled:
        draw(flux)
    plan = CachePlan.from_mask(SCHEDULE, enabled.report.sigmas, abscissa="sigma", corrector=True)
    with enable_cache(flux, plan) as enabled:
        draw(flux)
    assert enabled.report.branches[0].schedule == SCHEDULE


@pytest.fixture
def stochastic(flux):
    """Flux with a scheduler whose step is not Euler's."""
    scheduler = flux.scheduler
    flux.scheduler = type(scheduler).from_config(scheduler.config, stochastic_sampling=True)
    yield flux
    flux.scheduler = scheduler


@pytest.mark.parametrize(
    "cache", [TaylorSeerCacheConfig(3, 3, -2, corrector=True), "high", ErrorControl(10)]
)
def test_without_euler_steps_outputs_are_used_as_they_are(stochastic, cache):
    outputs = {}
    enable_cache(
        stochastic, cache, recorder=lambda step, output: outputs.update({step: output.copy()})
    )
    handed = values(stochastic)
    report = cache_report(stochastic)
    assert report.predicted_calls
    assert report.left_out == (
        "the corrector, since FlowMatchEulerDiscreteScheduler samples stochastically",
    )
    assert report.left_out[0] in str(report)
    for step, output in outputs.items():
        assert np.array_equal(handed[step], output)


def test_a_plan_with_a_corrector_needs_euler_steps(stochastic, monkeypatch):
    with enable_cache(stochastic, None) as enabled:
        draw(stochastic)
    sigmas = enabled.report.sigmas
    runs = counted(stochastic.transformer, monkeypatch)
    enable_cache(stochastic, CachePlan.from_mask(SCHEDULE, sigmas, corrector=True))
    with pytest.raises(ValueError, match=r"samples stochastically.*corrector=False"):
        draw(stochastic)
    assert runs == []
    with enable_cache(stochastic, CachePlan.from_mask(SCHEDULE, sigmas)):
        draw(stochastic)
    assert len(runs) == SCHEDULE.count("C")


# --- the report ---


def test_the_report_is_whole(flux):
    enable_cache(flux, ErrorControl(10))
    draw(flux, **NEGATIVE)
    report = cache_report(flux)
    values = json.loads(report.to_json())
    assert values["computed_calls"] + values["predicted_calls"] == 2 * STEPS
    assert values["branches"][1]["name"] == "uncond"
    for branch in report.branches:
        assert len(branch.call_s) == len(branch.schedule) == STEPS
        runs = [step for step, kind in enumerate(branch.schedule) if kind == "C"]
        assert set(branch.forecast_errors) == set(runs[2:])
    text = str(report)
    assert "OVFluxPipeline with FlowMatchEulerDiscreteScheduler, 10 of 10 steps" in text
    assert "uncond" in text


def test_a_preset_finds_the_plans_beside_the_denoiser(exported, tmp_path):
    import shutil

    folder = shutil.copytree(exported[0], tmp_path / "model")
    flux = load("OVFluxPipeline", folder)
    with enable_cache(flux, None) as enabled:
        draw(flux)
    plan = CachePlan.from_mask("CC..C...CC", enabled.report.sigmas, corrector=True)
    learned = CalibratedPlan(plan, 1, 1, 1, HEIGHT, WIDTH, 3.5, "test")
    write_plans(OptimumFolder(folder, "transformer"), [learned])
    with enable_cache(flux, "high") as enabled:
        draw(flux)
    assert enabled.report.branches[0].schedule == str(plan)
    assert enabled.report.cache == "high: calibrated for this model"
    weights = folder / "transformer" / "openvino_model.bin"
    changed = bytearray(weights.read_bytes())
    changed[0] ^= 1
    weights.unlink()
    weights.write_bytes(changed)
    with pytest.raises(ValueError, match="other weights"):
        enable_cache(flux, "high")
