"""Error control and the guard against values that are not finite."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.demo.evaluate import choose_scenes
from taylorseer_ov import (
    CachePlan,
    ErrorControl,
    InactiveCacheWarning,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    demo_model_path,
)
from taylorseer_ov.caching.cached_velocity import CachedVelocity, start_cache
from taylorseer_ov.caching.policy import CachePolicy, NotFiniteError
from taylorseer_ov.flux.sampling import NoiseLevels, euler
from taylorseer_ov.pipelines.encoding import Conditioning
from tests.common import F32, PROMPT

pytestmark = pytest.mark.once

SIGMAS = NoiseLevels(use_dynamic_shifting=True).sigmas(28, 64)
NOISE = np.random.default_rng(0).standard_normal((1, 8, 4)).astype(np.float32)


def field(curvature):
    """A velocity that depends on sigma alone, so that the error of a forecast is its curvature."""
    linear, quadratic = np.random.default_rng(1).standard_normal((2, *NOISE.shape))

    def velocity(latents, sigma):
        return (linear * sigma + curvature * quadratic * sigma**2).astype(np.float32)

    return velocity


def run(cache, velocity, sigmas=SIGMAS):
    stand_in = start_cache(cache, velocity, sigmas)
    *_, latents = euler(stand_in, NOISE, sigmas)
    return latents, stand_in


def test_it_is_a_policy():
    assert isinstance(ErrorControl(), CachePolicy)


def test_a_linear_velocity_is_followed_exactly_with_the_longest_gaps():
    latents, stand_in = run(ErrorControl(1e-4, max_interval=5), field(0))
    expected, _ = run(CachePlan.uncached(28), field(0))
    np.testing.assert_allclose(latents, expected, atol=2e-5)
    assert sum(stand_in.mask) < 14
    assert max(np.diff(np.flatnonzero(stand_in.mask))) == 5
    assert stand_in.mask[-2:] == [True, True]


def test_zero_tolerance_computes_every_step():
    latents, stand_in = run(ErrorControl(0), field(1))
    assert all(stand_in.mask)
    assert np.array_equal(latents, run(CachePlan.uncached(28), field(1))[0])


@given(st.floats(0.05, 3), st.floats(1e-5, 1e-2))
@settings(deadline=None)
def test_the_error_stays_near_the_tolerance_and_falls_with_it(curvature, tolerance):
    velocity = field(curvature)
    expected, _ = run(CachePlan.uncached(28), velocity)
    errors, runs = [], []
    for factor in (1, 0.25):
        latents, stand_in = run(ErrorControl(tolerance * factor), velocity)
        errors.append(np.sqrt(np.mean((latents - expected) ** 2)))
        runs.append(sum(stand_in.mask))
    # the corrector leaves less than was allowed, in all gaps together
    assert errors[0] <= 3 * tolerance + 1e-5
    assert runs[1] >= runs[0]


def test_it_beats_the_fixed_schedule_with_as_many_runs():
    velocity = field(1)
    expected, _ = run(CachePlan.uncached(28), velocity)
    plan = CachePlan.taylor(TaylorSeerCacheConfig(), SIGMAS)
    fixed = np.abs(run(plan, velocity)[0] - expected).max()
    latents, stand_in = run(ErrorControl(1e-3), velocity)
    assert sum(stand_in.mask) <= plan.transformer_runs
    assert np.abs(latents - expected).max() < fixed


def idle_reason(control, stand_in, sigmas=SIGMAS):
    return control.idle_reason(sigmas, stand_in.mask, stand_in.errors)


@given(st.floats(0.05, 3), st.sampled_from([6, 7, 12, 28]))
@settings(deadline=None)
def test_the_tolerance_named_where_none_is_skipped_skips_and_a_smaller_one_does_not(
    curvature, steps
):
    sigmas, velocity = np.linspace(1, 0, steps + 1), field(curvature)
    control = ErrorControl(1e-9)
    _, stand_in = run(control, velocity, sigmas)
    assert all(stand_in.mask)
    reason = idle_reason(control, stand_in, sigmas)
    assert "no forecast was as good as tolerance=1e-09 asks; tolerance=" in reason
    named = float(reason.split("tolerance=")[-1].split()[0])
    _, stand_in = run(ErrorControl(named), velocity, sigmas)
    assert not all(stand_in.mask)
    assert idle_reason(ErrorControl(named), stand_in, sigmas) is None
    # it is rounded up to two digits
    assert all(run(ErrorControl(named * 0.9), velocity, sigmas)[1].mask)


def test_there_is_nothing_to_say_where_zero_was_asked_for_or_steps_were_left_out():
    control = ErrorControl(0)
    assert idle_reason(control, run(control, field(1))[1]) is None
    _, stand_in = run(ErrorControl(1e-9), field(1))
    assert ErrorControl(1e-9).idle_reason(SIGMAS, stand_in.mask[:9], stand_in.errors) is None


def test_in_so_few_steps_no_tolerance_would_do():
    sigmas = np.linspace(1, 0, 6)
    _, stand_in = run(ErrorControl(100.0), field(1), sigmas)
    assert all(stand_in.mask)
    assert "the first 3 and the last 2 steps; take 6 or more" in idle_reason(
        ErrorControl(100.0), stand_in, sigmas
    )


def test_a_pipeline_warns_and_reports_when_no_step_was_skipped(pipeline):
    asked = {"num_inference_steps": 9, "rng_seed": 1}
    with pytest.warns(InactiveCacheWarning, match="all 9 steps ran the transformer") as caught:
        report = pipeline.generate(PROMPT, cache=ErrorControl(1e-7), **asked).report
    (warning,) = caught
    reason = str(warning.message).partition("transformer: ")[2]
    assert report.cache == (
        f"ErrorControl(tolerance=1e-07, max_interval=6); it skipped no step: {reason}"
    )
    named = float(reason.split("tolerance=")[-1].split()[0])
    report = pipeline.generate(PROMPT, cache=ErrorControl(named), **asked).report
    assert "." in report.schedule
    assert report.cache == f"ErrorControl(tolerance={named}, max_interval=6)"
    stopped = {"callback": lambda step, *_: step == 4}
    pipeline.generate(PROMPT, cache=ErrorControl(1e-7), **asked, **stopped)  # without a warning


def test_errors_are_recorded_by_step():
    _, stand_in = run(ErrorControl(1e-3), field(1))
    assert set(stand_in.errors) == set(np.flatnonzero(stand_in.mask)[2:])
    assert all(error > 0 for error in stand_in.errors.values())


def test_a_second_generation_is_refused():
    _, stand_in = run(ErrorControl(1e-3), field(1))
    with pytest.raises(RuntimeError, match="all 28 steps are done"):
        stand_in(NOISE, SIGMAS[0])


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"tolerance": -1}, ValueError, "tolerance must be finite and not negative, got -1"),
        ({"tolerance": float("nan")}, ValueError, "finite"),
        ({"tolerance": "low"}, TypeError, "tolerance must be a number, got 'low'"),
        ({"max_interval": 1}, ValueError, "max_interval must be .* at least 2, got 1"),
    ],
)
def test_bad_values_are_refused(values, error, message):
    with pytest.raises(error, match=message):
        ErrorControl(**values)


def test_a_smaller_tolerance_never_takes_fewer_runs_on_the_demo_model(monkeypatch):
    # hundreds of runs of a small model: a second thread takes as many processor seconds again
    properties = F32 | {"INFERENCE_NUM_THREADS": 1}
    pipeline = Text2ImagePipeline(demo_model_path(), backend="python", **properties)
    backend = pipeline.backends.load_python()
    conditioned, known = backend._conditioned, {}

    def running_once(*given):
        """The drawings of a scene begin with the same latents: these are run for the first."""
        transformer = conditioned(*given)

        def velocity(latents, sigma):
            point = float(sigma), latents.tobytes()
            if point not in known:
                known[point] = transformer(latents, sigma).copy()
            return known[point]

        return velocity

    monkeypatch.setattr(backend, "_conditioned", running_once)
    for seed, scene in enumerate(choose_scenes(16, seed=77)):
        known.clear()
        settings = {"rng_seed": seed, "num_inference_steps": 12}
        first = pipeline.prepare(scene.caption(), cache=None, **settings)
        encode = backend.encode
        conditioning = Conditioning(text=encode.text(first), pooled=encode.pooled(first))
        runs = []
        for tolerance in (0.002, 0.004, 0.008, 0.016, 0.032, 0.064):
            job = pipeline.prepare(scene.caption(), cache=ErrorControl(tolerance), **settings)
            _, denoised = backend.denoise(job, conditioning)
            runs.append(sum(denoised.mask))
        assert runs == sorted(runs, reverse=True), (scene.caption(), seed)
        assert runs[-1] < runs[0]
        assert len(denoised.forecast_errors) == runs[-1] - 2


# --- not finite ---


PLAN = CachePlan.taylor(TaylorSeerCacheConfig(corrector=True), SIGMAS)


@pytest.mark.parametrize("cache", [PLAN, ErrorControl(1e-3), CachePlan.uncached(28)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_output_that_is_not_finite_stops_with_the_property_to_try(cache, value):
    velocity, calls = field(1), []

    def broken(latents, sigma):
        calls.append(sigma)
        output = velocity(latents, sigma)
        if len(calls) == 3:
            output[0, 1, 2] = value
        return output

    with pytest.raises(NotFiniteError, match=r"in step 2, .* INFERENCE_PRECISION_HINT='f32'"):
        run(cache, broken)
    assert len(calls) == 3


def test_a_forecast_that_overflows_is_computed_instead():
    """Finite outputs so large that their extrapolation is not."""
    plan = CachePlan.taylor(TaylorSeerCacheConfig(), SIGMAS)
    huge = np.float32(3e38)

    def velocity(latents, sigma):
        sign = 1 if np.searchsorted(-SIGMAS, -sigma) % 2 else -1
        return np.full((1, 2, 2), sign * huge)

    cached = CachedVelocity(velocity, plan)
    with np.errstate(over="ignore", invalid="ignore"):
        used = [cached(None, SIGMAS[i]).copy() for i in range(28)]
    assert all(np.isfinite(values).all() for values in used)
    assert cached.rescued
    assert all(cached.mask[i] for i in cached.rescued)
    assert not any(plan.mask[i] for i in cached.rescued)
