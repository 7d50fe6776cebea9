"""diffusers' cache configurations: against diffusers' own hooks on torch modules."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taylorseer_ov import InactiveCacheWarning
from taylorseer_ov.optimum.diffusers_configs import from_diffusers

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]


def lite(**fields):
    import torch
    from diffusers import TaylorSeerCacheConfig

    return TaylorSeerCacheConfig(use_lite_mode=True, taylor_factors_dtype=torch.float32, **fields)


def run_taylorseer(config, outputs):
    """What diffusers makes of a sequence of outputs, and in which steps it asked for one."""
    import torch
    from diffusers.hooks import HookRegistry
    from diffusers.hooks.taylorseer_cache import apply_taylorseer_cache

    asked = []

    class Output(torch.nn.Module):
        def forward(self, step):
            asked.append(step)
            return outputs[step]

    class Denoiser(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.proj_out = Output()

        def forward(self, step):
            return self.proj_out(step)

    denoiser = Denoiser()
    apply_taylorseer_cache(denoiser, config)
    HookRegistry.check_if_exists_or_initialize(denoiser)._set_context("cond")
    return torch.stack([denoiser(step) for step in range(len(outputs))]), asked


@given(
    steps=st.integers(1, 30),
    interval=st.integers(1, 7),
    before=st.integers(1, 12),
    after=st.none() | st.integers(-2, 30),
    max_order=st.integers(0, 3),
)
@settings(deadline=None, max_examples=60)
def test_taylorseer_forecasts_are_diffusers(steps, interval, before, after, max_order):
    import torch

    config = lite(
        cache_interval=interval,
        disable_cache_before_step=before,
        disable_cache_after_step=after,
        max_order=max_order,
    )
    outputs = torch.from_numpy(np.random.default_rng(0).standard_normal((steps, 5))).float()
    expected, asked = run_taylorseer(config, outputs)
    plan = from_diffusers(config).plan(steps)
    assert [step for step, runs in enumerate(plan.mask) if runs] == asked
    scale = np.abs(plan.weights).sum(axis=1).max()
    np.testing.assert_allclose(plan.weights @ outputs.numpy(), expected, atol=1e-5 * scale)


@pytest.mark.parametrize(
    ("triple", "steps", "schedule"),
    [
        ((3, 6, 26), 28, "CCCCCC.C..C..C..C..C..C..CCC"),
        ((5, 3, None), 28, "CCC.C....C....C....C....C..."),
        ((3, 1, None), 10, "C.C..C..C."),
    ],
)
def test_taylorseer_schedules_a_person_can_read(triple, steps, schedule):
    interval, before, after = triple
    config = lite(
        cache_interval=interval, disable_cache_before_step=before, disable_cache_after_step=after
    )
    assert str(from_diffusers(config).plan(steps)) == schedule


@pytest.fixture(scope="module")
def small_flux():
    import torch
    from diffusers import FluxTransformer2DModel

    torch.manual_seed(0)
    return FluxTransformer2DModel(
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=1,
        joint_attention_dim=4,
        pooled_projection_dim=4,
        axes_dims_rope=(2, 2, 4),
    ).eval()


def run_magcache(transformer, config, steps):
    """In which steps diffusers' MagCache runs the blocks of a torch Flux."""
    import torch

    ran, now = [], []
    inner = transformer.transformer_blocks[0].attn
    counter = inner.register_forward_hook(lambda *ignored: ran.append(now[-1]))
    transformer.enable_cache(config)
    try:
        with torch.no_grad():
            for step in range(steps):
                now.append(step)
                transformer(
                    hidden_states=torch.ones(1, 4, 4),
                    timestep=torch.ones(1),
                    pooled_projections=torch.ones(1, 4),
                    encoder_hidden_states=torch.ones(1, 2, 4),
                    txt_ids=torch.zeros(2, 3),
                    img_ids=torch.zeros(4, 3),
                )
    finally:
        transformer.disable_cache()
        counter.remove()
    return ran


@given(
    ratios=st.lists(st.floats(0.75, 1.25, width=32), min_size=2, max_size=30),
    steps=st.integers(2, 24),
    threshold=st.sampled_from([0.0, 0.02, 0.06, 0.1, 0.3]),
    max_skip_steps=st.integers(0, 5),
    retention_ratio=st.sampled_from([0.0, 0.1, 0.2, 0.5]),
)
@settings(deadline=None, max_examples=40)
def test_magcache_skips_the_steps_that_diffusers_skips(
    small_flux, ratios, steps, threshold, max_skip_steps, retention_ratio
):
    from diffusers import MagCacheConfig

    config = MagCacheConfig(
        mag_ratios=ratios,
        num_inference_steps=steps,
        threshold=threshold,
        max_skip_steps=max_skip_steps,
        retention_ratio=retention_ratio,
    )
    plan = from_diffusers(config).plan(steps)
    ran = run_magcache(small_flux, config, steps)
    assert [step for step, runs in enumerate(plan.mask) if runs] == ran
    # a skipped step reuses the last output
    for step, row in enumerate(plan.weights):
        last = max(computed for computed in ran if computed <= step)
        assert np.flatnonzero(row).tolist() == [last]
        assert row[last] == 1


def test_magcache_with_the_ratios_of_flux(small_flux):
    from diffusers import MagCacheConfig
    from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS

    config = MagCacheConfig(mag_ratios=FLUX_MAG_RATIOS)
    rule = from_diffusers(config)
    schedule = "CCCCCC.C.C...C...C...C..C.CC"
    assert str(rule.plan(28)) == schedule
    ran = run_magcache(small_flux, config, 28)
    assert ran == [step for step, kind in enumerate(schedule) if kind == "C"]
    with pytest.raises(ValueError, match=r"28 steps, not for 20; .*num_inference_steps=20"):
        rule.plan(20)


@pytest.mark.parametrize(
    "name",
    [
        "FirstBlockCacheConfig",
        "FasterCacheConfig",
        "PyramidAttentionBroadcastConfig",
        "TextKVCacheConfig",
    ],
)
def test_what_lies_inside_the_model_is_refused_with_the_way_out(name):
    import diffusers.hooks

    with pytest.raises(ValueError, match=f"{name} is not possible.*'balanced'"):
        from_diffusers(getattr(diffusers.hooks, name)())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"disable_cache_before_step": 0}, "at least 1"),
        ({"cache_interval": 0}, "cache_interval"),
        ({"use_lite_mode": False, "cache_identifiers": ["attn"]}, "leave .* out"),
    ],
)
def test_taylorseer_configurations_that_cannot_be_honoured_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        from_diffusers(dataclasses.replace(lite(), **fields))


def test_magcache_calibration_is_refused():
    from diffusers import MagCacheConfig

    with pytest.raises(ValueError, match=r"calibrate=True.*taylorseer_ov\.calibrate"):
        from_diffusers(MagCacheConfig(calibrate=True))


@pytest.mark.filterwarnings("error")
def test_a_configuration_that_skips_nothing_warns():
    with pytest.warns(InactiveCacheWarning, match="all 4 steps"):
        from_diffusers(lite(disable_cache_before_step=4)).plan(4)


def test_other_objects_are_not_diffusers():
    assert from_diffusers(None) is None
    assert from_diffusers("balanced") is None
