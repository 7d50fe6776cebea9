"""EasyCache and MagCache, which the quality benchmark compares with."""

import numpy as np
import pytest

from scripts.benchmarks.cache_policies import EasyCache, MagCache, Recording
from taylorseer_ov.caching.policy import CachePolicy, NotFiniteError
from taylorseer_ov.flux.sampling import euler
from tests.common import PROMPT

pytestmark = pytest.mark.once

SIGMAS = np.append(np.linspace(1, 1 / 28, 28), 0).astype(np.float32)
NOISE = np.random.default_rng(0).standard_normal((1, 4, 6)).astype(np.float32)
CONSTANT = np.random.default_rng(1).standard_normal(NOISE.shape).astype(np.float32)


def curved(latents, sigma):
    return np.sin(3 * latents) + sigma * CONSTANT


def moves_with_the_latents(latents, sigma):
    return latents + CONSTANT


def stands_still(latents, sigma):
    return CONSTANT


def sample(policy, velocity, sigmas=SIGMAS):
    """Return the final latents and the mask as text."""
    stand_in = policy.start(velocity, sigmas)
    *_, final = euler(stand_in, NOISE, sigmas)
    return final, "".join("C" if runs else "." for runs in stand_in.mask)


def uncached(velocity):
    *_, final = euler(velocity, NOISE, SIGMAS)
    return final


@pytest.mark.parametrize("policy", [EasyCache(), MagCache((1.0,)), Recording()])
def test_are_cache_policies(policy):
    assert isinstance(policy, CachePolicy)


@pytest.mark.parametrize("cached", ["output", "residual"])
def test_easy_cache_without_threshold_computes_every_step(cached):
    final, mask = sample(EasyCache(0, cached=cached), curved)
    assert mask == "C" * 28
    assert np.array_equal(final, uncached(curved))


@pytest.mark.parametrize(
    ("policy", "velocity"),
    [
        (EasyCache(1e9), moves_with_the_latents),
        (EasyCache(1e9, cached="output"), stands_still),
        (MagCache((1.0,), max_skip_steps=99), stands_still),
        (MagCache((1.0,), max_skip_steps=99, cached="residual"), moves_with_the_latents),
    ],
)
def test_policies_are_exact_where_their_forecast_is(policy, velocity):
    final, mask = sample(policy, velocity)
    assert mask[6:-1] == "." * 21
    np.testing.assert_allclose(final, uncached(velocity), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("steps", "mask"), [(28, "CCCCCC" + 21 * "." + "C"), (9, "CC......C")])
def test_easy_cache_computes_the_first_steps_and_the_last(steps, mask):
    sigmas = np.linspace(1, 0, steps + 1).astype(np.float32)
    assert sample(EasyCache(1e9), curved, sigmas)[1] == mask


def test_easy_cache_runs_more_often_the_lower_its_threshold():
    runs = [sample(EasyCache(tau), curved)[1].count("C") for tau in (0.01, 0.1, 0.5, 1e9)]
    assert runs == sorted(runs, reverse=True)
    assert runs[0] > runs[-1]


def test_mag_cache_skips_what_keeps_its_magnitude():
    assert sample(MagCache((1.0,), threshold=0), curved)[1] == "CCCCCC" + "...C" * 5 + ".."
    ratios = (1.0, *([0.95] * 27))
    assert sample(MagCache(ratios, threshold=0.04), curved)[1] == "C" * 28
    # 0.05 and 0.05 + 0.0975 accumulate
    assert sample(MagCache(ratios, threshold=0.1), curved)[1] == "CCCCCC" + ".C" * 11
    assert sample(MagCache(ratios, threshold=0.15), curved)[1][6:12] == "..C..C"


def test_mag_cache_takes_its_ratios_from_full_runs():
    recordings = []
    for _ in range(2):
        recordings.append(Recording())
        _, mask = sample(recordings[-1], lambda latents, sigma: sigma * CONSTANT)
        assert mask == "C" * 28
    assert np.array_equal(recordings[0].inputs[0], NOISE)
    ratios = MagCache.calibrate(recordings, threshold=0.2).ratios
    np.testing.assert_allclose(ratios, [1, *(SIGMAS[1:-1] / SIGMAS[:-2])], rtol=1e-5)
    assert MagCache.calibrate(recordings, cached="residual").ratios != ratios
    with pytest.raises(ValueError, match="one number of steps"):
        MagCache.calibrate([])
    with pytest.raises(RuntimeError, match="one generation"):
        sample(recordings[0], curved)


def test_mag_cache_takes_the_nearest_ratio_for_other_numbers_of_steps():
    sigmas = np.linspace(1, 0, 11).astype(np.float32)
    policy = MagCache((1.0, 1.0, 1.0, 2.0, 1.0, 1.0), threshold=0.1, max_skip_steps=99)
    assert sample(policy, curved, sigmas)[1] == "CC...CC..."


@pytest.mark.parametrize("policy", [EasyCache(1e9, cached="output"), MagCache((1.0,))])
def test_policies_refuse_nonsense(policy):
    stand_in = policy.start(stands_still, np.array([1, 0.5, 0]))
    for sigma in (1, 0.5):
        stand_in(NOISE, sigma)
    with pytest.raises(RuntimeError, match="2 steps are done"):
        stand_in(NOISE, 0)
    with pytest.raises(NotFiniteError, match="step 0"):
        policy.start(lambda latents, sigma: latents * np.nan, SIGMAS)(NOISE, 1)


def test_a_forecast_that_is_not_finite_is_not_used():
    policy = MagCache((1.0,), retention_ratio=0, cached="residual")
    stand_in = policy.start(stands_still, SIGMAS)
    stand_in(NOISE, 1)
    assert np.array_equal(stand_in(np.full_like(NOISE, np.inf), 0.9), CONSTANT)
    assert stand_in.mask == [True, True]
    assert stand_in.rescued == [1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EasyCache(-1), "threshold"),
        (lambda: EasyCache(first_share=2), "first_share"),
        (lambda: EasyCache(cached="input"), "cached"),
        (lambda: MagCache(()), "ratios"),
        (lambda: MagCache((1.0,), max_skip_steps=0), "max_skip_steps"),
        (lambda: MagCache((1.0,), retention_ratio=-1), "retention_ratio"),
    ],
)
def test_policies_check_their_values(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_policies_draw_with_the_pipeline(pipeline):
    plain = pipeline.generate(PROMPT, num_inference_steps=4)
    easy = pipeline.generate(PROMPT, num_inference_steps=4, cache=EasyCache(0))
    assert np.array_equal(plain.data, easy.data)
    reused = pipeline.generate(PROMPT, num_inference_steps=4, cache=EasyCache(1e9))
    assert reused.report.schedule == "CC.C"
