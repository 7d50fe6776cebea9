"""The native backend, and parity: Python computes what openvino_genai computes, bit for bit."""

import functools
import json

import numpy as np
import pytest

from taylorseer_ov import (
    CachePlan,
    ErrorControl,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    demo_model_path,
)
from tests.common import F32, PROMPT
from tests.pipelines.common import assert_native_has_the_latents

pytestmark = pytest.mark.native

CONFIGURATIONS = [
    {},  # openvino_genai's default is to cache
    {"taylorseer_config": None},
    {"taylorseer_config": TaylorSeerCacheConfig()},
    {"taylorseer_config": TaylorSeerCacheConfig(5, 2, -1)},
    {"taylorseer_config": TaylorSeerCacheConfig(2, 0, 100), "num_inference_steps": 11},
    {"taylorseer_config": TaylorSeerCacheConfig(7, 3, -2), "rng_seed": 7},
    {"height": 96, "width": 160, "taylorseer_config": TaylorSeerCacheConfig()},
    {"num_images_per_prompt": 2, "taylorseer_config": TaylorSeerCacheConfig()},
    {"guidance_scale": 0.0, "num_inference_steps": 5},
    {"max_sequence_length": 64, "num_inference_steps": 5},
    {"prompt_2": "a small white star on black", "num_inference_steps": 5},
]


@pytest.fixture(scope="module")
def native():
    return Text2ImagePipeline(demo_model_path(), backend="native", **F32)


@pytest.fixture(scope="module")
def openvino_genai_pipeline():
    """openvino_genai itself, with nothing of ours between; one for each text length it can take."""
    import openvino_genai

    @functools.cache
    def make(max_sequence_length):
        return openvino_genai.Text2ImagePipeline(demo_model_path(), "CPU", **F32)

    return make


@pytest.mark.parametrize("settings", CONFIGURATIONS)
def test_both_backends_draw_the_same_picture(pipeline, native, settings):
    python, genai = pipeline.generate(PROMPT, **settings), native.generate(PROMPT, **settings)
    assert np.array_equal(python.data, genai.data)
    assert python.report.schedule == genai.report.schedule
    assert python.report.computed_steps == genai.report.computed_steps
    assert len(genai.report.step_s) == len(python.report.step_s)


@pytest.mark.parametrize("settings", CONFIGURATIONS)
def test_latents_of_every_step_equal_native_s(pipeline, openvino_genai_pipeline, settings):
    """The exported demo scheduler has no `time_shift_type`, so native samples as diffusers does."""
    ours = {}
    pipeline.generate(
        PROMPT, callback=lambda step, _, latents: ours.update({step: latents}), **settings
    )
    defaults = {
        "height": 128,
        "width": 128,
        "max_sequence_length": 32,
        "num_inference_steps": 28,
        "rng_seed": 42,
    }
    options = defaults | settings
    if options.get("taylorseer_config") is not None:
        options["taylorseer_config"] = options["taylorseer_config"].to_native()
    genai = openvino_genai_pipeline(options["max_sequence_length"])
    assert_native_has_the_latents(
        ours, lambda callback: genai.generate(PROMPT, callback=callback, **options)
    )


# --- defects of openvino_genai that the native backend mends ---


def test_the_scheduler_key_that_misleads_native_is_taken_out(model_copy, pipeline):
    path = model_copy / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"time_shift_type": "exponential"}))
    expected = pipeline.generate(PROMPT, num_inference_steps=5).data
    native = Text2ImagePipeline(model_copy, backend="native", **F32)
    assert np.array_equal(native.generate(PROMPT, num_inference_steps=5).data, expected)
    assert "time_shift_type" in json.loads(path.read_text())  # the user's file stays as it is

    import openvino_genai

    unmended = openvino_genai.Text2ImagePipeline(model_copy, "CPU", **F32).generate(
        PROMPT, height=128, width=128, max_sequence_length=32, num_inference_steps=5
    )
    assert np.abs(unmended.data.astype(int) - expected).max() > 10


def test_the_text_length_may_change_from_call_to_call(pipeline, native):
    for length in (32, 64, 16, 32):
        settings = {"max_sequence_length": length, "num_inference_steps": 2}
        expected = pipeline.generate(PROMPT, **settings).data
        assert np.array_equal(native.generate(PROMPT, **settings).data, expected)


def test_caching_is_off_when_refused(native):
    assert native.generate(PROMPT, cache=None).report.predicted_steps == 0
    assert native.generate(PROMPT, taylorseer_config=None).report.predicted_steps == 0


def test_predicted_steps_are_not_counted_as_transformer_runs(native):
    report = native.generate(PROMPT, taylorseer_config=TaylorSeerCacheConfig()).report
    assert (report.computed_steps, report.predicted_steps) == (14, 14)
    assert max(report.predicted_step_s) < min(report.computed_step_s)


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
def test_an_exception_in_progress_reaches_the_caller(native, error):
    """In native's thread it would end the process, without a word of Python's."""

    def progress(done, runs):
        raise error("from progress")

    def generate_often():  # native may drop calls
        for _ in range(50):
            native.generate(PROMPT, progress=progress)

    with pytest.raises(error, match="from progress"):
        generate_often()
    assert native.generate(PROMPT, num_inference_steps=1).data.any()


def test_static_shapes(pipeline):
    static = Text2ImagePipeline(demo_model_path(), backend="native", **F32)
    static.reshape(1, 96, 128, 3.5)
    fixed = static.generate(PROMPT, num_inference_steps=4)
    dynamic = pipeline.generate(PROMPT, num_inference_steps=4, height=96, width=128)
    assert np.abs(fixed.data.astype(int) - dynamic.data).max() <= 1


# --- who draws ---


OBSTACLES = [
    ({"callback": lambda *_: None}, "drops callbacks and aborts when one raises"),
    ({"cache": TaylorSeerCacheConfig(max_order=2)}, "max_order=1, abscissa='step'"),
    ({"cache": TaylorSeerCacheConfig(corrector=True)}, "and no corrector only"),
    ({"cache": CachePlan.uncached(2)}, "caches with max_order=1"),
    ({"cache": ErrorControl()}, "caches with max_order=1"),
    ({"recorder": lambda *_: None}, "does not show the transformer's outputs"),
    ({"max_sequence_length": 5}, "loses the end token of prompts over 5 tokens"),
]


@pytest.mark.filterwarnings("ignore::taylorseer_ov.PromptWarning")
@pytest.mark.filterwarnings("ignore::taylorseer_ov.InactiveCacheWarning")
@pytest.mark.parametrize(("settings", "reason"), OBSTACLES)
def test_what_native_cannot_do_exactly(native, settings, reason):
    auto = Text2ImagePipeline(demo_model_path())
    report = auto.generate(PROMPT, num_inference_steps=2, **settings).report
    assert report.backend == "python"
    assert reason in report.backend_reason
    with pytest.raises(RuntimeError, match=f"backend='native' cannot do this: .*{reason}"):
        native.generate(PROMPT, num_inference_steps=2, **settings)


def test_auto_takes_native_and_changes_over_when_it_must(pipeline):
    auto = Text2ImagePipeline(demo_model_path(), **F32)
    settings = {"num_inference_steps": 3}
    first = auto.generate(PROMPT, **settings)
    assert first.report.backend == "native"
    assert first.report.backend_reason == "openvino_genai does exactly what was asked"
    second = auto.generate(PROMPT, callback=lambda *_: None, **settings)
    assert second.report.backend == "python"
    assert np.array_equal(first.data, second.data)


def test_native_generators_and_configurations_are_taken(pipeline, native):
    import openvino_genai

    config = openvino_genai.TaylorSeerCacheConfig()
    config.disable_cache_before_step = 2
    drawn = [
        backend.generate(
            PROMPT,
            generator=openvino_genai.CppStdGenerator(5),
            taylorseer_config=config,
            num_inference_steps=9,
        )
        for backend in (pipeline, native)
    ]
    assert drawn[0].report.schedule == drawn[1].report.schedule == "CC..C..CC"
    assert np.array_equal(drawn[0].data, drawn[1].data)
