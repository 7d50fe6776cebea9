"""Calibration through the seam: what it records, against a loop written by hand."""

import shutil

import numpy as np
import pytest

from taylorseer_ov import CachePlan, calibrate, enable_cache
from taylorseer_ov.caching.calibrated_plans import write_plans
from taylorseer_ov.caching.presets import CalibrationWarning
from taylorseer_ov.optimum.calibration import RecordableOptimumPipeline
from tests.common import F32, PROMPT

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]

SIZE = {"height": 64, "width": 96, "guidance_scale": 3.5, "max_sequence_length": 32}
STEPS = 6


@pytest.fixture
def flux(exported):
    from optimum.intel import OVFluxPipeline

    flux = OVFluxPipeline.from_pretrained(exported[0], ov_config=dict(F32))
    flux.set_progress_bar_config(disable=True)
    return flux


@pytest.fixture(params=["one branch", "two branches"])
def settings(request):
    if request.param == "one branch":
        return SIZE
    return SIZE | {"negative_prompt": "a small green star", "true_cfg_scale": 2.0}


def test_outputs_and_latents_obey_the_eulers_equation(flux, settings):
    """The latents moved by what was recorded, so that a fit has the right numbers."""
    import torch

    recordable = RecordableOptimumPipeline(flux, **settings)
    sigmas = recordable.sigmas(STEPS)
    assert sigmas.shape == (STEPS + 1,)
    outputs = {}
    latents = recordable.run(
        PROMPT, 5, CachePlan.uncached(STEPS), lambda step, o: outputs.update({step: o.copy()})
    )
    assert list(outputs) == list(range(STEPS))
    np.testing.assert_array_equal(np.float32(sigmas), flux.scheduler.sigmas)

    generator = torch.Generator().manual_seed(5)
    expected = flux.prepare_latents(1, 16, 64, 96, torch.float32, "cpu", generator)[0].numpy()
    expected = expected.reshape(-1)
    for step, output in outputs.items():
        branches = np.split(output, output.size // expected.size)
        velocity = branches[0]
        if "true_cfg_scale" in settings:
            velocity = branches[1] + 2.0 * (branches[0] - branches[1])
        expected = expected + (sigmas[step + 1] - sigmas[step]) * velocity
    np.testing.assert_allclose(latents, expected, atol=2e-5)


def test_only_computed_outputs_are_recorded_and_the_pipeline_is_restored(flux, settings):
    recordable = RecordableOptimumPipeline(flux, **settings)
    plan = CachePlan.from_mask("CCC.CC", recordable.sigmas(STEPS))
    steps = []
    recordable.run(PROMPT, 5, plan, lambda step, output: steps.append(step))
    assert steps == [0, 1, 2, 4, 5]
    assert "forward" not in vars(flux.transformer)
    assert (recordable.height, recordable.width, recordable.guidance_scale) == (64, 96, 3.5)


def test_schedulers_whose_step_is_not_eulers_are_refused(flux):
    config = flux.scheduler.config
    flux.scheduler = type(flux.scheduler).from_config(config, stochastic_sampling=True)
    with pytest.raises(ValueError, match=r"OVFluxPipeline cannot be calibrated: .*stochastically"):
        RecordableOptimumPipeline(flux, **SIZE).sigmas(STEPS)
    assert "forward" not in vars(flux.transformer)


@pytest.mark.parametrize(
    ("name", "family", "settings"),
    [
        ("OVStableDiffusion3Pipeline", "sd3", {}),
        ("OVLTXPipeline", "ltx", {"num_frames": 9}),
    ],
)
def test_a_preset_takes_the_plan_that_was_learned_for_a_pipeline(
    family_folder, tmp_path, name, family, settings
):
    import optimum.intel

    folder = shutil.copytree(family_folder(family), tmp_path / family)
    pipeline = getattr(optimum.intel, name).from_pretrained(folder, ov_config=dict(F32))
    pipeline.set_progress_bar_config(disable=True)
    settings = settings | {"max_sequence_length": 32, "negative_prompt": "noise"}
    size = {"height": 32, "width": 32, "guidance_scale": 4.0}
    recordable = RecordableOptimumPipeline(pipeline, **size, **settings)
    prompts = ["a red circle", "a blue square", "a green star"]
    with pytest.warns(CalibrationWarning, match="3 prompts are few to calibrate on"):
        (learned,) = calibrate(recordable, prompts, 8, transformer_runs=(4,), rounds=1)
    assert learned.plan.transformer_runs == 4
    write_plans(recordable.folder, [learned], into=folder)
    assert (folder / "cache_plans.json").is_file()
    with enable_cache(pipeline, "high") as enabled:
        pipeline("a red circle", num_inference_steps=8, output_type="latent", **size, **settings)
    assert enabled.report.cache == "high: calibrated for this model"
    assert enabled.report.branches[0].schedule == str(learned.plan)
