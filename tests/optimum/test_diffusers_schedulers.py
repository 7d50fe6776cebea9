"""What is read from diffusers' schedulers: against the schedulers at work."""

from types import SimpleNamespace

import numpy as np
import pytest

from taylorseer_ov.optimum.diffusers_schedulers import Timeline, position

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]

STEPS = 9


def build(name, **options):
    import diffusers

    return getattr(diffusers, name)(**options)


def walk(scheduler, begin=0):
    """A sampling loop of a pipeline; yields at each step what the denoiser is called with."""
    import torch

    torch.manual_seed(0)
    sample = torch.randn(1, 4, 2, 2)
    timesteps = scheduler.timesteps[begin:]
    if hasattr(scheduler, "set_begin_index") and begin:
        scheduler.set_begin_index(begin)
    pipeline = SimpleNamespace(scheduler=scheduler, num_timesteps=len(timesteps))
    for timestep in timesteps:
        if hasattr(scheduler, "scale_model_input"):
            scheduler.scale_model_input(sample, timestep)
        yield pipeline, timestep
        output = torch.randn(sample.shape)
        sample = scheduler.step(output, timestep, sample, return_dict=False)[0]


SCHEDULERS = [
    ("FlowMatchEulerDiscreteScheduler", {}),
    ("FlowMatchHeunDiscreteScheduler", {}),
    ("EulerDiscreteScheduler", {}),
    ("EulerAncestralDiscreteScheduler", {}),
    ("HeunDiscreteScheduler", {}),
    ("DDIMScheduler", {}),
    ("DDPMScheduler", {}),
    ("PNDMScheduler", {"skip_prk_steps": True}),
    ("PNDMScheduler", {}),
    ("LMSDiscreteScheduler", {}),
    ("LCMScheduler", {}),
    ("DPMSolverMultistepScheduler", {}),
    ("DPMSolverSinglestepScheduler", {}),
    ("UniPCMultistepScheduler", {}),
    ("KDPM2DiscreteScheduler", {}),
]


@pytest.mark.parametrize("begin", [0, 2])
@pytest.mark.parametrize(("name", "options"), SCHEDULERS)
def test_every_step_is_one_position_and_all_steps_are_counted(name, options, begin):
    scheduler = build(name, **options)
    scheduler.set_timesteps(STEPS)
    if name == "PNDMScheduler" and begin:
        begin = len(scheduler.timesteps) - 4  # it begins later only where it has a history
    positions = []
    for pipeline, timestep in walk(scheduler, begin):
        positions += [position(scheduler, timestep), position(scheduler, timestep.expand(2))]
        if len(positions) == 2:
            timeline = Timeline.of(pipeline)
    assert timeline.steps == len(scheduler.timesteps) - begin == len(positions) // 2
    assert positions[::2] == positions[1::2]
    assert len(set(positions)) == timeline.steps
    assert timeline.timesteps is scheduler.timesteps
    assert (np.diff(timeline.sigmas) < 0).all()
    if timeline.no_sigmas is None:
        sigmas = scheduler.sigmas.numpy()[begin : begin + timeline.steps + 1]
        np.testing.assert_allclose(timeline.sigmas, sigmas)


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "DDIMScheduler"])
def test_before_timesteps_are_set_there_is_no_generation(name):
    assert Timeline.of(SimpleNamespace(scheduler=build(name))) is None


def test_a_loop_cut_off_at_its_end_is_as_long_as_the_pipeline_says():
    scheduler = build("EulerDiscreteScheduler")
    scheduler.set_timesteps(STEPS)
    pipeline, _ = next(walk(scheduler))
    pipeline.num_timesteps = 6
    assert Timeline.of(pipeline).steps == 6


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("FlowMatchEulerDiscreteScheduler", {}, None),
        ("FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": True}, "stochastically"),
        ("FlowMatchEulerDiscreteScheduler", {"invert_sigmas": True}, "no falling sigmas"),
        ("EulerDiscreteScheduler", {}, None),
        ("EulerDiscreteScheduler", {"prediction_type": "v_prediction"}, "not linear"),
        ("EulerAncestralDiscreteScheduler", {}, "not Euler's"),
        ("DDIMScheduler", {}, "not Euler's"),
        ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True}, "not Euler's"),
    ],
)
def test_correctors_are_for_steps_that_are_eulers(name, options, reason):
    """The step is taken, and compared with the equation that correctors rest on."""
    import torch

    scheduler = build(name, **options)
    scheduler.set_timesteps(STEPS)
    timeline = Timeline.of(SimpleNamespace(scheduler=scheduler))
    if reason is not None:
        assert reason in timeline.no_corrector
        return
    assert timeline.no_corrector is None
    torch.manual_seed(0)
    sample = torch.randn(1, 4, 2, 2)
    for timestep, step in zip(scheduler.timesteps, np.diff(timeline.sigmas), strict=True):
        if hasattr(scheduler, "scale_model_input"):
            scheduler.scale_model_input(sample, timestep)
        output = torch.randn(sample.shape)
        expected = sample + float(step) * output
        sample = scheduler.step(output, timestep, sample, return_dict=False)[0]
        np.testing.assert_allclose(sample, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["DDIMScheduler", "PNDMScheduler", "LCMScheduler"])
def test_without_sigmas_the_levels_are_equally_spaced(name):
    scheduler = build(name)
    scheduler.set_timesteps(STEPS)
    timeline = Timeline.of(SimpleNamespace(scheduler=scheduler))
    assert timeline.no_sigmas == f"{name} has no falling sigmas"
    np.testing.assert_allclose(np.diff(timeline.sigmas), -1 / timeline.steps)
