"""The settings of a generation, set one by one as openvino_genai's users do."""

import dataclasses

import numpy as np
import pytest

from taylorseer_ov import ImageGenerationConfig, TaylorSeerCacheConfig
from taylorseer_ov.generation.settings import CHECKS


def test_every_field_has_a_check():
    assert set(CHECKS) == {field.name for field in dataclasses.fields(ImageGenerationConfig)}


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("num_inference_steps", 0, ValueError, "num_inference_steps must be .* 1 to 1000, got 0"),
        ("height", 100, ValueError, "height must be a multiple of 16, got 100; 96 is the nearest"),
        ("guidance_scale", float("nan"), ValueError, "guidance_scale must be finite"),
        ("guidance_scale", True, TypeError, "guidance_scale must be a number, got True"),
        ("strength", np.float32(1.5), ValueError, "strength must be from 0 to 1, got 1.5"),
        ("rng_seed", "x", TypeError, "rng_seed must be a whole number"),
        ("generator", 3, TypeError, "generator must have a randn_tensor"),
        ("taylorseer_config", 3, TypeError, "cache must be a preset"),
        ("negative_prompt", "blue", ValueError, "negative_prompt is not used by Flux; leave it"),
    ],
)
def test_an_assignment_is_checked_at_once(name, value, error, message):
    config = ImageGenerationConfig()
    with pytest.raises(error, match=message):
        setattr(config, name, value)
    assert config == ImageGenerationConfig()


def test_a_misspelt_field_is_not_kept_silently():
    config = ImageGenerationConfig()
    message = "has no 'num_inference_step'; did you mean 'num_inference_steps'"
    with pytest.raises(AttributeError, match=message):
        config.num_inference_step = 4


def test_numbers_of_numpy_are_taken():
    config = ImageGenerationConfig()
    config.num_inference_steps, config.height = np.int64(4), np.uint16(64)
    config.guidance_scale, config.strength = np.float32(2.5), np.float16(0.5)
    found = config.num_inference_steps, config.height, config.guidance_scale, config.strength
    assert found == (4, 64, 2.5, 0.5)
    assert [type(value) for value in found] == [int, int, float, float]


def test_several_settings_at_once_or_none():
    config = ImageGenerationConfig()
    config.update_generation_config(width=64, taylorseer_config=TaylorSeerCacheConfig(4))
    assert config == ImageGenerationConfig(width=64, cache=TaylorSeerCacheConfig(4))
    with pytest.raises(ValueError, match="height must be a multiple of 16"):
        config.update_generation_config(width=128, height=100)
    assert config.width == 64
    with pytest.raises(TypeError, match="unknown setting 'widht'; did you mean 'width'"):
        config.update_generation_config(widht=128)


def test_a_name_from_a_stranger_s_file_may_be_any():
    with pytest.raises(TypeError, match=r"unknown setting 'self'\. Known: adapters, cache"):
        ImageGenerationConfig().updated({"self": 1})


@pytest.mark.native
def test_it_has_every_name_of_native_s_and_the_unused_ones_are_empty():
    import openvino_genai

    ours = ImageGenerationConfig()
    native = openvino_genai.ImageGenerationConfig()
    names = [name for name in dir(native) if not name.startswith("_")]
    assert [name for name in names if not hasattr(ours, name)] == []
    assert ours.negative_prompt is ours.negative_prompt_3 is ours.prompt_3 is None
    ours.negative_prompt = None  # as a copy of native's settings would
