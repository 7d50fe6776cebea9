"""Noise levels and the Euler loop, against exact solutions (diffusers: `test_parity_diffusers`)."""

import math

import numpy as np
import pytest

from taylorseer_ov.flux.sampling import NoiseLevels, euler

DEV = NoiseLevels(shift=3.0, use_dynamic_shifting=True)


def test_dynamic_shift_of_known_sizes():
    # mu = 0.5 at 256 tokens and 1.15 at 4096, the two points that define its line
    for tokens, mu in ((256, 0.5), (4096, 1.15)):
        sigmas = DEV.sigmas(4, tokens)
        linear = np.array([1, 0.75, 0.5, 0.25])
        expected = math.exp(mu) / (math.exp(mu) + 1 / linear - 1)
        np.testing.assert_allclose(sigmas, [*expected, 0], rtol=2e-7)
        assert sigmas.dtype == np.float32


def test_static_shift_of_distilled_models():
    assert NoiseLevels(shift=1.0).sigmas(4, 64).tolist() == [1, 0.75, 0.5, 0.25, 0]
    shifted = NoiseLevels(shift=3.0).sigmas(2, 64)
    np.testing.assert_allclose(shifted, [1, 0.75, 0], rtol=1e-7)


def test_linear_form_and_terminal_have_diffusers_meaning():
    linear = NoiseLevels(use_dynamic_shifting=True, time_shift_type="linear")
    np.testing.assert_allclose(linear.sigmas(2, 256), [1, 0.5 / (0.5 + 1), 0], rtol=1e-6)
    stretched = NoiseLevels(shift_terminal=0.1).sigmas(4, 64)
    np.testing.assert_allclose(stretched[[0, -2]], [1, 0.1], rtol=1e-6)


def test_one_step_goes_from_one_to_zero():
    assert DEV.sigmas(1, 64).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"_class_name": "DDIMScheduler"}, "'DDIMScheduler' is not supported"),
        ({"use_karras_sigmas": True}, "use_karras_sigmas=true is not supported"),
        ({"time_shift_type": "cubic"}, "'exponential' or 'linear', got 'cubic'"),
    ],
)
def test_schedulers_that_would_sample_differently_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        NoiseLevels.from_config(config)


def test_euler_is_exact_for_a_straight_path():
    noise, data = np.float32([3, -1]), np.float32([0.5, 2])
    steps = list(euler(lambda latents, sigma: noise - data, noise, DEV.sigmas(7, 64)))
    assert len(steps) == 7
    np.testing.assert_allclose(steps[-1], data, rtol=1e-6)
    assert steps[-1].dtype == np.float32


def test_euler_leaves_stopping_to_the_caller():
    calls = []

    def velocity(latents, sigma):
        calls.append(sigma)
        return latents

    loop = euler(velocity, np.ones(2), DEV.sigmas(9, 64))
    next(loop)
    next(loop)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": float("nan")}, "levels are not finite with 8 steps and 64 image tokens"),
        ({"use_dynamic_shifting": True, "max_shift": 1e38}, "noise levels are not finite"),
        ({"num_train_timesteps": 1e300}, "num_train_timesteps must be from 1 to 1000000, got 1e"),
        ({"num_train_timesteps": float("nan")}, "num_train_timesteps must be from 1 to 1000000"),
    ],
)
def test_levels_that_are_not_finite_are_refused_as_such(options, message):
    with pytest.raises(ValueError, match=message):
        NoiseLevels.from_config(options)


def test_levels_are_checked_for_the_picture_that_is_drawn():
    """Well at the sizes that are tried when the file is read, and not at larger ones."""
    with pytest.raises(ValueError, match="4 steps and 16777216 image tokens; draw fewer pixels"):
        DEV.sigmas(4, 2**24)
