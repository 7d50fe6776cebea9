"""Native parity where a picture is given: Python draws what openvino_genai draws, bit for bit."""

import numpy as np
import pytest

from taylorseer_ov import (
    Image2ImagePipeline,
    InpaintingPipeline,
    TaylorSeerCacheConfig,
    demo_model_path,
)
from taylorseer_ov.pipelines.native_limits import _native_first_step
from tests.common import F32
from tests.pipelines.common import assert_native_has_the_latents

pytestmark = pytest.mark.native

PROMPT = "a large green circle on a white background"
PIPELINES = {"Image2ImagePipeline": Image2ImagePipeline, "InpaintingPipeline": InpaintingPipeline}
CONFIGURATIONS = [
    {},
    {"strength": 0.9, "taylorseer_config": TaylorSeerCacheConfig()},
    {"strength": 0.4, "taylorseer_config": TaylorSeerCacheConfig(2, 2, -1)},
    {"strength": 1.0, "num_inference_steps": 5, "rng_seed": 7},
    {"height": 96, "width": 160, "num_inference_steps": 6},
    {"max_sequence_length": 64, "num_inference_steps": 5},
]


@pytest.fixture(scope="module")
def pictures(pipeline):
    mask = np.zeros((128, 128), np.uint8)
    mask[20:100, 50:90] = 255
    circle = pipeline.generate("a large red circle on a white background", cache=None)
    return circle.data, mask


@pytest.fixture(scope="module", params=PIPELINES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def backends(name):
    return [PIPELINES[name](demo_model_path(), backend=b, **F32) for b in ("python", "native")]


@pytest.fixture(scope="module")
def genai(name):
    """openvino_genai itself, for one text length: the first that is asked for stays."""
    import openvino_genai

    return getattr(openvino_genai, name)(demo_model_path(), "CPU", **F32)


@pytest.fixture(scope="module")
def auto(name):
    return PIPELINES[name](demo_model_path(), **F32)


@pytest.fixture(scope="module")
def given(name, pictures):
    return pictures if name == "InpaintingPipeline" else pictures[:1]


@pytest.mark.parametrize("settings", CONFIGURATIONS)
def test_both_backends_draw_the_same_picture(backends, given, settings):
    settings = settings | {"keep_unmasked": False}
    python, native = (backend.generate(PROMPT, *given, **settings) for backend in backends)
    assert np.array_equal(python.data, native.data)
    assert python.report.schedule == native.report.schedule
    assert len(native.report.step_s) == len(python.report.step_s)
    assert native.report.image_encoding_s > 0


@pytest.mark.parametrize("settings", CONFIGURATIONS[1:4])
def test_latents_of_every_step_equal_native_s(genai, backends, given, settings):
    import openvino as ov

    ours = {}
    backends[0].generate(
        PROMPT, *given, callback=lambda step, _, latents: ours.update({step: latents}), **settings
    )
    options = {"height": 128, "width": 128, "max_sequence_length": 32, "num_inference_steps": 28}
    options |= {"strength": 0.6, "guidance_scale": 3.5} | settings
    if "taylorseer_config" in options:
        options["taylorseer_config"] = options["taylorseer_config"].to_native()
    tensors = [ov.Tensor(given[0]), *(ov.Tensor(mask[None, ..., None]) for mask in given[1:])]
    assert_native_has_the_latents(
        ours, lambda callback: genai.generate(PROMPT, *tensors, callback=callback, **options)
    )


def test_pictures_of_other_sizes_are_resized_alike(backends, given):
    resized = {"height": 64, "width": 64, "num_inference_steps": 3}
    python, native = (backend.generate(PROMPT, *given, **resized).data for backend in backends)
    assert np.array_equal(python, native)


def test_native_keeps_what_lies_outside_the_mask(pictures):
    image, mask = pictures
    native = InpaintingPipeline(demo_model_path(), backend="native", **F32)
    drawn, other = (
        native.generate(PROMPT, image, mask, num_inference_steps=4, keep_unmasked=keep)
        for keep in (True, False)
    )
    assert np.array_equal(drawn.data[:, mask == 0], image[:, mask == 0])
    assert not np.array_equal(other.data[:, mask == 0], image[:, mask == 0])
    assert np.array_equal(drawn.data[:, 24:96, 54:86], other.data[:, 24:96, 54:86])


def test_static_shapes(name, backends, given):
    static = PIPELINES[name](demo_model_path(), backend="native", **F32)
    static.reshape(1, 96, 128, 3.5)
    fixed = static.generate(PROMPT, *given, num_inference_steps=4).data
    dynamic = backends[0].generate(PROMPT, *given, num_inference_steps=4, height=96, width=128).data
    assert np.abs(fixed.astype(int) - dynamic).max() <= 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"num_images_per_prompt": 2}, "draws one picture at a time from a given one"),
        ({"num_inference_steps": 25, "strength": 0.56}, "another number of steps at strength=0.56"),
    ],
)
def test_what_native_cannot_do_exactly(auto, backends, given, settings, reason):
    report = auto.generate(PROMPT, *given, **({"num_inference_steps": 3} | settings)).report
    assert report.backend == "python"
    assert reason in report.backend_reason
    with pytest.raises(RuntimeError, match=f"backend='native' cannot do this: .*{reason}"):
        backends[1].generate(PROMPT, *given, **settings)


def test_native_takes_so_many_steps(pictures):
    """What decides whether native rounds a strength as diffusers does."""
    import openvino as ov
    import openvino_genai

    genai = openvino_genai.Image2ImagePipeline(demo_model_path(), "CPU", **F32)
    options = {"height": 32, "width": 32, "max_sequence_length": 32}
    for steps, strength in [(25, 0.56), (25, 0.6), (50, 0.6), (10, 0.3), (7, 0.5)]:
        options |= {"num_inference_steps": steps, "strength": strength}
        genai.generate(PROMPT, ov.Tensor(pictures[0]), **options)
        taken = len(genai.get_performance_metrics().raw_metrics.iteration_durations)
        assert taken == steps - _native_first_step(steps, strength)


def test_auto_takes_native(name, given):
    report = PIPELINES[name](demo_model_path()).generate(PROMPT, *given).report
    assert report.backend == "native"
