"""Caching by default: as openvino_genai has it, silent where it is of no use, and refusable."""

import json

import pytest

from taylorseer_ov import (
    Image2ImagePipeline,
    InactiveCacheWarning,
    InpaintingPipeline,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    demo_model_path,
    psnr,
)
from tests.common import F32, PROMPT
from tests.pipelines.common import QUICK_CACHE, SHORT

BY_DEFAULT = f"{TaylorSeerCacheConfig()}, as openvino_genai does by default"
TASKS = (Text2ImagePipeline, Image2ImagePipeline, InpaintingPipeline)


@pytest.fixture
def own():
    """A pipeline whose settings a test may change."""
    return Text2ImagePipeline(demo_model_path(), backend="python", **F32)


@pytest.mark.native
@pytest.mark.parametrize("task", TASKS)
def test_a_task_caches_by_default_as_in_openvino_genai(task):
    import openvino_genai

    theirs = getattr(openvino_genai, task.__name__)(demo_model_path(), "CPU")
    ours = task(demo_model_path()).get_generation_config()
    expected = theirs.get_generation_config().taylorseer_config
    if expected is not None:
        expected = TaylorSeerCacheConfig.from_native(expected)
    assert ours.taylorseer_config == ours.cache == expected
    assert (expected is not None) == (task is Text2ImagePipeline)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"cache": "fast"}, "fast"),
        ({"cache": None}, None),
        ({"taylorseer_config": {"cache_interval": 5}}, TaylorSeerCacheConfig(5)),
    ],
)
def test_a_model_may_name_another_default(model_copy, named, expected):
    path = model_copy / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | named))
    pipeline = Text2ImagePipeline(model_copy)
    assert pipeline.get_generation_config().cache == expected
    assert "by default" not in pipeline.prepare(PROMPT).cache_name


@pytest.mark.parametrize(
    ("steps", "rest"),
    [
        (28, "; cache='high' is closer at the same cost"),  # 14 runs both
        (20, ""),  # 12 runs, "high" 10
        (4, "; it caches nothing in 4 steps"),
    ],
)
def test_the_report_names_the_default(pipeline, steps, rest):
    report = pipeline.generate(PROMPT, num_inference_steps=steps).report
    assert report.cache == BY_DEFAULT + rest
    assert f"cache: {BY_DEFAULT}{rest}\n" in str(report)


@pytest.mark.filterwarnings("ignore::taylorseer_ov.CalibrationWarning")
def test_the_preset_that_the_report_advises_costs_the_same(pipeline):
    advised = []
    for steps in range(10, 51):
        settings = {"num_inference_steps": steps}
        usual = pipeline.prepare(PROMPT, **settings)
        high = pipeline.prepare(PROMPT, cache="high", **settings)
        same = usual.cache.transformer_runs == high.cache.transformer_runs
        assert ("at the same cost" in usual.cache_name) == same
        advised += [steps] * same
    assert {27, 28, 30, 32, 33} <= {*advised}


@pytest.mark.filterwarnings("ignore::taylorseer_ov.CalibrationWarning")
@pytest.mark.parametrize("steps", [28, 30])  # calibrated, and not calibrated
def test_the_preset_that_the_report_advises_is_closer(pipeline, steps):
    plain, usual, high = (
        pipeline.generate(PROMPT, num_inference_steps=steps, height=64, width=64, **cache).data
        for cache in ({"cache": None}, {}, {"cache": "high"})
    )
    assert psnr(plain, high) > psnr(plain, usual)


def test_none_is_no_caching_in_a_call_and_in_the_settings(pipeline, own):
    for name in ("cache", "taylorseer_config"):
        assert pipeline.prepare(PROMPT, **{name: None}).cache.is_uncached
        config = own.get_generation_config()
        setattr(config, name, None)
        own.set_generation_config(config)
        job = own.prepare(PROMPT)
        assert job.cache.is_uncached
        assert job.cache_name == "none"


def test_too_few_steps_are_warned_of_only_if_the_cache_was_asked_for(pipeline, own):
    pipeline.prepare(PROMPT, **SHORT)  # a warning would be an error
    config = own.get_generation_config()
    config.num_inference_steps = 4
    own.set_generation_config(config)
    own.prepare(PROMPT)
    with pytest.warns(InactiveCacheWarning):
        pipeline.prepare(PROMPT, taylorseer_config=TaylorSeerCacheConfig(), **SHORT)
    config.taylorseer_config = TaylorSeerCacheConfig(cache_interval=4)
    own.set_generation_config(config)
    with pytest.warns(InactiveCacheWarning):
        own.prepare(PROMPT)


def test_the_picture_is_that_of_the_configuration_given_by_name(pipeline):
    usual = pipeline.prepare(PROMPT)
    given = pipeline.prepare(PROMPT, cache=TaylorSeerCacheConfig())
    assert usual.cache == given.cache
    assert given.cache_name == str(TaylorSeerCacheConfig())
    assert pipeline.prepare(PROMPT, cache=QUICK_CACHE).cache != usual.cache
