"""openvino_genai's performance metrics: its names and units, and true values on both backends."""

import time

import numpy as np
import pytest

from taylorseer_ov import (
    Image2ImagePipeline,
    ImageGenerationPerfMetrics,
    RawImageGenerationPerfMetrics,
    Text2ImagePipeline,
    demo_model_path,
)
from tests.common import F32, PROMPT
from tests.pipelines.common import QUICK_CACHE

SETTINGS = {"num_inference_steps": 9, "taylorseer_config": QUICK_CACHE}
EMPTY = {
    "get_load_time": 0.0,
    "get_generate_duration": 0.0,
    "get_inference_duration": 0.0,
    "get_iteration_duration": (-1.0, -1.0),
    "get_transformer_infer_duration": (-1.0, -1.0),
    "get_unet_infer_duration": (-1.0, -1.0),
    "get_first_and_other_iter_duration": (0.0, 0.0),
    "get_first_and_other_trans_infer_duration": (0.0, 0.0),
    "get_first_and_other_unet_infer_duration": (0.0, 0.0),
    "get_text_encoder_infer_duration": {},
    "get_vae_encoder_infer_duration": 0.0,
    "get_vae_decoder_infer_duration": 0.0,
}
RAW = ("unet_inference_durations", "transformer_inference_durations", "iteration_durations")


def values_of(metrics):
    """What all getters return, with pairs of mean and deviation as tuples."""
    values = {name: getattr(metrics, name)() for name in dir(metrics) if name.startswith("get_")}
    return {
        name: (value.mean, value.std) if hasattr(value, "mean") else value
        for name, value in values.items()
    }


def test_metrics_of_nothing_are_empty():
    metrics = ImageGenerationPerfMetrics()
    assert values_of(metrics) == EMPTY
    assert metrics.raw_metrics == RawImageGenerationPerfMetrics()
    mean, std = metrics.get_iteration_duration()
    assert (mean, std) == tuple(metrics.get_iteration_duration())


@pytest.mark.native
def test_metrics_have_all_that_openvino_genai_s_have():
    import openvino_genai

    theirs = openvino_genai.ImageGenerationPerfMetrics()
    assert values_of(theirs) == EMPTY
    names = {name for name in dir(theirs) if not name.startswith("_")}
    assert names == {name for name in dir(ImageGenerationPerfMetrics) if name[0] != "_"}
    theirs, ours = openvino_genai.RawImageGenerationPerfMetrics(), RawImageGenerationPerfMetrics()
    assert {name for name in dir(theirs) if not name.startswith("_")} == set(RAW)
    assert [getattr(theirs, name) for name in RAW] == [getattr(ours, name) for name in RAW]


@pytest.mark.native
def test_metrics_have_openvino_genai_s_kinds_and_units(pipeline):
    """Both are milliseconds, and in `raw_metrics` microseconds."""
    import openvino_genai

    native = openvino_genai.Text2ImagePipeline(demo_model_path(), "CPU", **F32)
    native.generate(PROMPT, width=64, height=64, num_inference_steps=3, taylorseer_config=None)
    pipeline.generate(PROMPT, width=64, height=64, num_inference_steps=3, taylorseer_config=None)
    theirs, ours = native.get_performance_metrics(), pipeline.get_performance_metrics()
    for name, value in values_of(theirs).items():
        mine = values_of(ours)[name]
        assert type(mine) is type(value), name
        if isinstance(value, tuple):
            assert [*map(type, mine)] == [*map(type, value)]
        if isinstance(value, dict):
            assert mine.keys() == value.keys() == {"text_encoder", "text_encoder_2"}
    for metrics in (theirs, ours):
        raw = metrics.raw_metrics
        assert [len(getattr(raw, name)) for name in RAW] == [0, 3, 3]
        assert all(type(duration) is float for duration in raw.iteration_durations)
        mean_us = 1000 * metrics.get_iteration_duration().mean
        assert np.mean(raw.iteration_durations) == pytest.approx(mean_us, rel=1e-4)


@pytest.fixture(scope="module", params=["python", pytest.param("native", marks=pytest.mark.native)])
def drawn(request):
    """A pipeline, its report and metrics, and the milliseconds that a clock around it shows."""
    pipeline = Text2ImagePipeline(demo_model_path(), backend=request.param, **F32)
    start_s = time.perf_counter()
    report = pipeline.generate(PROMPT, **SETTINGS).report
    clock_ms = 1000 * (time.perf_counter() - start_s)
    return pipeline, report, pipeline.get_performance_metrics(), clock_ms


def test_the_parts_are_less_than_the_whole(drawn):
    _, report, metrics, clock_ms = drawn
    assert 0 < metrics.get_inference_duration() <= metrics.get_generate_duration() < clock_ms
    assert 0 < metrics.get_load_time() < clock_ms
    assert metrics.get_load_time() + metrics.get_generate_duration() <= clock_ms
    raw = metrics.raw_metrics
    parts_ms = (
        sum(metrics.get_text_encoder_infer_duration().values()),
        sum(raw.transformer_inference_durations) / 1000,
        metrics.get_vae_encoder_infer_duration(),
        metrics.get_vae_decoder_infer_duration(),
    )
    assert metrics.get_inference_duration() == pytest.approx(sum(parts_ms))
    assert metrics.get_generate_duration() == 1000 * report.total_s
    assert report.to_dict()["text_encoding_s"] == sum(report.text_encoder_s)
    assert set(metrics.get_text_encoder_infer_duration()) == {"text_encoder", "text_encoder_2"}
    assert min(metrics.get_text_encoder_infer_duration().values()) >= 0


def test_predicted_steps_are_kept_apart_from_transformer_runs(drawn):
    _, report, metrics, _ = drawn
    raw = metrics.raw_metrics
    assert len(raw.transformer_inference_durations) == report.computed_steps == 5
    assert len(raw.predicted_durations) == report.predicted_steps == 4
    assert len(raw.iteration_durations) == 9
    apart = raw.transformer_inference_durations + raw.predicted_durations
    assert sorted(apart) == sorted(raw.iteration_durations)
    computed_ms = [duration / 1000 for duration in raw.transformer_inference_durations]
    mean, std = metrics.get_transformer_infer_duration()
    assert (mean, std) == pytest.approx((np.mean(computed_ms), np.std(computed_ms)))
    first, others = metrics.get_first_and_other_trans_infer_duration()
    assert (first, others) == pytest.approx((computed_ms[0], np.mean(computed_ms[1:])))
    steps_ms = [duration / 1000 for duration in raw.iteration_durations]
    first, others = metrics.get_first_and_other_iter_duration()
    assert (first, others) == pytest.approx((steps_ms[0], np.mean(steps_ms[1:])))


def test_metrics_do_not_change_when_the_pipeline_draws_again(drawn):
    pipeline, _, metrics, _ = drawn
    before, raw = values_of(metrics), metrics.raw_metrics
    metrics.raw_metrics.iteration_durations.clear()
    pipeline.generate(PROMPT, num_inference_steps=2)
    assert values_of(metrics) == before
    assert metrics.raw_metrics == raw
    assert len(pipeline.get_performance_metrics().raw_metrics.iteration_durations) == 2


def test_a_stopped_generation_s_decoding_is_timed(drawn):
    pipeline, *_ = drawn
    assert pipeline.generate(PROMPT, stop=lambda: True, **SETTINGS).report.interrupted
    metrics = pipeline.get_performance_metrics()
    assert metrics.get_vae_decoder_infer_duration() > 0
    assert metrics.get_inference_duration() <= metrics.get_generate_duration()


def test_before_the_first_generation_there_is_only_loading():
    pipeline = Text2ImagePipeline(demo_model_path(), backend="python", **F32)
    assert pipeline.get_performance_metrics().get_generate_duration() == 0
    pipeline.compile("CPU")
    values = values_of(pipeline.get_performance_metrics())
    assert values.pop("get_load_time") > 0
    assert values == {name: value for name, value in EMPTY.items() if name != "get_load_time"}


def test_encoding_a_picture_is_timed():
    pipeline = Image2ImagePipeline(demo_model_path(), backend="python", **F32)
    pipeline.generate(PROMPT, np.zeros((64, 64, 3), np.uint8), num_inference_steps=2)
    metrics = pipeline.get_performance_metrics()
    assert metrics.get_vae_encoder_infer_duration() > 0
    assert metrics.get_inference_duration() <= metrics.get_generate_duration()
