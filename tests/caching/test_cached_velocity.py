"""The engine: it applies a plan, keeps no more than needed, and is loud about misuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taylorseer_ov import CachePlan, TaylorSeerCacheConfig
from taylorseer_ov.caching.cached_velocity import CachedVelocity

pytestmark = pytest.mark.once

SIGMAS = np.append(np.linspace(1, 0.05, 28), 0)
DEFAULT = CachePlan.taylor(TaylorSeerCacheConfig(), SIGMAS)


class Recorded:
    """A velocity function with random outputs that, like an infer request, reuses its buffer."""

    def __init__(self, plan, shape=(2, 3)):
        self.outputs = np.random.default_rng(0).standard_normal((len(plan.mask), *shape))
        self.outputs = self.outputs.astype(np.float32)
        self.steps = iter(np.flatnonzero(plan.mask))
        self.buffer = np.empty(shape, np.float32)
        self.calls = 0

    def __call__(self, *arguments):
        self.calls += 1
        self.buffer[...] = self.outputs[next(self.steps)]
        return self.buffer


@st.composite
def plans(draw):
    steps = draw(st.integers(1, 12))
    mask = [True, *draw(st.lists(st.booleans(), min_size=steps - 1, max_size=steps - 1))]
    seed = draw(st.integers(0, 2**32 - 1))
    weights = np.tril(np.random.default_rng(seed).standard_normal((steps, steps))) * mask
    weights *= np.random.default_rng(seed + 1).random((steps, steps)) < 0.6
    weights[:, 0] += 1  # no row is empty
    return CachePlan(mask, weights)


@given(plans())
@settings(deadline=None)
def test_any_plan_is_weights_times_outputs(plan):
    velocity = Recorded(plan)
    cached = CachedVelocity(velocity, plan)
    used = np.array([cached(None, None).copy() for _ in plan.mask])
    expected = np.tensordot(plan.weights, velocity.outputs * _column(plan), axes=1)
    np.testing.assert_allclose(used, expected, rtol=1e-4, atol=1e-4)
    assert velocity.calls == plan.transformer_runs


def _column(plan):
    # outputs of predicted steps do not exist; make sure that none of their values could be used
    return np.where(plan.mask, 1.0, 0.0)[:, None, None]


def test_default_plan_repeats_native_arithmetic_bit_for_bit():
    velocity = Recorded(DEFAULT)
    cached = CachedVelocity(velocity, DEFAULT)
    history = []
    for step, computed in enumerate(DEFAULT.mask):
        used = cached(None, None).copy()
        if computed:
            expected = velocity.outputs[step]
            history.append((step, expected))
        else:
            (previous, before), (last, newest) = history[-2:]
            derivative = (newest - before) * (np.float32(1) / np.float32(last - previous))
            expected = newest + derivative * np.float32(step - last)
        assert np.array_equal(used, expected)


def test_memory_is_the_outputs_still_needed():
    cached = CachedVelocity(Recorded(DEFAULT, (1, 8)), DEFAULT)
    for _ in DEFAULT.mask:
        cached(None, None)
    assert cached._history.shape == (2, 8)
    assert cached._history.dtype == np.float32
    order_zero = CachePlan.taylor(TaylorSeerCacheConfig(max_order=0), SIGMAS)
    reuse = CachedVelocity(Recorded(order_zero, (1, 8)), order_zero)
    for _ in order_zero.mask:
        reuse(None, None)
    assert reuse._history.shape == (1, 8)


def test_uncached_plan_keeps_and_copies_nothing():
    plan = CachePlan.uncached(3)
    velocity = Recorded(plan)
    cached = CachedVelocity(velocity, plan)
    for _ in plan.mask:
        assert cached(None, None) is velocity.buffer
    assert not hasattr(cached, "_history")


def test_arguments_reach_the_velocity_function():
    seen = []
    cached = CachedVelocity(
        lambda *arguments: seen.append(arguments) or np.zeros(2, np.float32), CachePlan.uncached(1)
    )
    cached("latents", 0.5)
    assert seen == [("latents", 0.5)]


def test_a_second_generation_is_refused():
    cached = CachedVelocity(Recorded(CachePlan.uncached(1)), CachePlan.uncached(1))
    cached(None, None)
    with pytest.raises(RuntimeError, match="has 1 steps and all are done; make a new"):
        cached(None, None)


def test_a_changed_output_shape_is_refused():
    outputs = iter([np.zeros((1, 4), np.float32), np.zeros((1, 5), np.float32)])
    plan = CachePlan([True, True, False], [[1, 0, 0], [0, 1, 0], [-1, 2, 0]])
    cached = CachedVelocity(lambda *_: next(outputs), plan)
    cached(None, None)
    with pytest.raises(ValueError, match=r"step 1 has shape \(1, 5\), earlier ones had \(1, 4\)"):
        cached(None, None)
