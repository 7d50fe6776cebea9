"""The configuration: native's names, defaults and rules, and its ways in and out."""

import dataclasses
import json

import numpy as np
import pytest

from taylorseer_ov import ErrorControl, ImageGenerationConfig, TaylorSeerCacheConfig
from taylorseer_ov.caching.decision import as_cache


def test_defaults_are_documented_native_defaults():
    config = TaylorSeerCacheConfig()
    assert dataclasses.astuple(config) == (3, 6, -2, 1, "step", False)
    assert config.is_native


def test_fields_are_set_as_native_s_users_do_and_compared_by_value():
    config = TaylorSeerCacheConfig()
    config.cache_interval = 5
    config.disable_cache_before_step = np.int64(2)
    assert config == TaylorSeerCacheConfig(5, 2)
    assert config != TaylorSeerCacheConfig()
    with pytest.raises(TypeError, match="unhashable"):
        hash(config)  # as a key it could change under the dictionary


def test_no_other_attribute_can_be_set():
    config = TaylorSeerCacheConfig()
    with pytest.raises(AttributeError, match="no 'cache_intervall'; did you mean 'cache_interval'"):
        config.cache_intervall = 4
    with pytest.raises(AttributeError, match=r"no 'speed'. Its fields are cache_interval, disable"):
        config.speed = 4


def test_what_keeps_a_configuration_keeps_a_copy():
    config = TaylorSeerCacheConfig()
    settings = ImageGenerationConfig(cache=config)
    config.cache_interval = 7
    assert settings.cache == TaylorSeerCacheConfig()
    kept = as_cache(config)
    config.cache_interval = 8
    assert kept == TaylorSeerCacheConfig(7)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"cache_interval": 1}, ValueError, "cache_interval must be .* at least 2, got 1"),
        ({"cache_interval": 2.5}, TypeError, "cache_interval must be a whole number.*got 2.5"),
        ({"cache_interval": True}, TypeError, "cache_interval must be a whole number.*got True"),
        ({"disable_cache_before_step": -1}, ValueError, "at least 0, got -1"),
        ({"disable_cache_after_step": "x"}, TypeError, "whole number, got 'x'"),
        ({"max_order": -1}, ValueError, "max_order must be .* at least 0, got -1"),
        ({"corrector": 1}, TypeError, "corrector must be True or False, got 1"),
        ({"cache_interval": np.array([3, 4])}, TypeError, "cache_interval must be a whole number"),
        ({"corrector": np.array([True, False])}, TypeError, "corrector must be True or False"),
        ({"abscissa": np.zeros(2)}, ValueError, "abscissa must be 'step' or 'sigma', got array"),
        ({"abscissa": "time"}, ValueError, "abscissa must be 'step' or 'sigma', got 'time'"),
    ],
)
def test_bad_values_are_refused_at_once(values, error, message):
    with pytest.raises(error, match=message):
        TaylorSeerCacheConfig(**values)
    [(name, value)] = values.items()
    config = TaylorSeerCacheConfig()
    with pytest.raises(error, match=message):
        setattr(config, name, value)
    assert config == TaylorSeerCacheConfig()


def test_numpy_values_become_plain_ones():
    config = TaylorSeerCacheConfig(cache_interval=np.int64(4), corrector=np.bool_(True))
    assert type(config.cache_interval) is int
    assert config.corrector is True


def test_json_of_too_many_brackets_is_no_configuration():
    with pytest.raises(ValueError, match="not a configuration: brackets nested too deeply"):
        TaylorSeerCacheConfig.from_json("[" * 100_000)


@pytest.mark.native
def test_only_that_configuration_of_openvino_genai_is_a_cache():
    import openvino_genai

    with pytest.raises(TypeError, match=r"cache must be a preset, .* got <openvino_genai"):
        ImageGenerationConfig(cache=openvino_genai.SchedulerConfig())


def test_dict_and_json_round_trip():
    config = TaylorSeerCacheConfig(5, 2, -1, max_order=2, abscissa="sigma", corrector=True)
    assert TaylorSeerCacheConfig.from_dict(config.to_dict()) == config
    assert TaylorSeerCacheConfig.from_json(config.to_json()) == config
    assert json.loads(config.to_json())["cache_interval"] == 5


def test_json_of_something_else_is_refused():
    with pytest.raises(ValueError, match=r"unknown field 'interval'.*cache_interval"):
        TaylorSeerCacheConfig.from_dict({"interval": 3})
    with pytest.raises(ValueError, match="is a JSON object, got '\\[3\\]'"):
        TaylorSeerCacheConfig.from_json("[3]")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, TaylorSeerCacheConfig()),
        ({"max_order": 0}, TaylorSeerCacheConfig(max_order=0)),
        ({"max_interval": 4}, ErrorControl(max_interval=4)),
        ({"tolerance": 0.1}, ErrorControl(0.1)),
    ],
)
def test_a_dictionary_is_what_has_its_fields(values, expected):
    assert as_cache(values) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tolerence": 0.1}, "'tolerence' in an ErrorControl; its fields are tolerance, max_"),
        ({"tolerance": 0.1, "max_intervall": 4}, "'max_intervall' in an ErrorControl"),
        ({"cache_intervall": 3}, "'cache_intervall' in a TaylorSeerCacheConfig; its fields are"),
        ({"max_order": 2, "correct": True}, "'correct' in a TaylorSeerCacheConfig"),
        ({1: 2}, "unknown field 1 in a TaylorSeerCacheConfig"),
    ],
)
def test_a_typo_in_a_dictionary_gives_the_error_of_what_was_meant(values, message):
    with pytest.raises(ValueError, match=message):
        as_cache(values)


@pytest.mark.native
def test_native_round_trip():
    config = TaylorSeerCacheConfig(5, 2, -1)
    native = config.to_native()
    assert native.cache_interval == 5
    assert native.disable_cache_before_step == 2
    assert native.disable_cache_after_step == -1
    assert TaylorSeerCacheConfig.from_native(native) == config


@pytest.mark.native
def test_defaults_equal_those_of_the_installed_openvino_genai():
    import openvino_genai

    native = openvino_genai.TaylorSeerCacheConfig()
    assert TaylorSeerCacheConfig.from_native(native) == TaylorSeerCacheConfig()


@pytest.mark.native
def test_as_text_it_begins_as_native_s():
    text = TaylorSeerCacheConfig(4, 5, -3).to_string()
    native = TaylorSeerCacheConfig(4, 5, -3).to_native().to_string()
    assert text.startswith(native.removesuffix("}"))
    assert text.endswith("  max_order: 1\n  abscissa: step\n  corrector: False\n}")


@pytest.mark.parametrize("values", [{"max_order": 2}, {"abscissa": "sigma"}, {"corrector": True}])
def test_what_native_cannot_express_is_refused(values):
    config = TaylorSeerCacheConfig(**values)
    assert not config.is_native
    with pytest.raises(ValueError, match="backend='python'"):
        config.to_native()
