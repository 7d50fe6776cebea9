"""The loop in Python on openvino_genai's models: the same bits, and nothing is loaded twice."""

import numpy as np
import pytest

from taylorseer_ov import (
    Image2ImagePipeline,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    demo_model_path,
)
from tests.common import F32, PROMPT
from tests.pipelines.common import NATIVE_PARTS as PARTS
from tests.pipelines.common import PIPELINES, QUICK_CACHE, SHORT, given

pytestmark = [
    pytest.mark.native,
    pytest.mark.filterwarnings("ignore::taylorseer_ov.PromptWarning"),
    pytest.mark.filterwarnings("ignore::taylorseer_ov.CalibrationWarning"),
]

LONG = PROMPT + " and a red circle" * 40  # too long for both encoders


def watched(pipeline, prompt, *pictures, **settings):
    """A result, and the latents that a callback got."""
    latents = []
    result = pipeline.generate(
        prompt, *pictures, callback=lambda step, steps, x: latents.append(np.array(x)), **settings
    )
    return result, latents


@pytest.fixture(scope="module", params=[F32, {}], ids=["f32", "default"])
def of_both(request):
    """Pipelines with our own models and with openvino_genai's, of which others are made."""
    first = PIPELINES[0]
    ours = first(demo_model_path(), backend="python", **request.param)
    return ours, first(demo_model_path(), **request.param)


@pytest.mark.parametrize("kind", PIPELINES)
def test_the_loop_draws_what_it_draws_with_our_own_models(kind, of_both):
    ours, auto = map(kind, of_both)
    for settings in (
        {"num_images_per_prompt": 2, "height": 96, "width": 160},
        {"max_sequence_length": 64, "taylorseer_config": QUICK_CACHE, "num_inference_steps": 7},
        {"prompt_2": LONG},  # read by our T5 encoder
        {"cache": "fast", "num_inference_steps": 16},
    ):
        settings = {"num_inference_steps": 4} | settings
        expected, expected_latents = watched(ours, PROMPT, *given(kind), **settings)
        drawn, latents = watched(auto, PROMPT, *given(kind), **settings)
        assert (drawn.report.backend, auto.backends.loaded) == ("python", "native")
        assert np.array_equal(latents, expected_latents), settings
        assert np.array_equal(drawn.data, expected.data), settings
    # and so does openvino_genai's own pipeline, on the same models
    native = auto.generate(PROMPT, *given(kind), taylorseer_config=None, **SHORT)
    expected = ours.generate(PROMPT, *given(kind), taylorseer_config=None, **SHORT)
    assert native.report.backend == "native"
    assert np.array_equal(native.data, expected.data)


def test_going_back_and_forth_loads_nothing(loads):
    auto = Text2ImagePipeline(demo_model_path(), **F32)
    auto.compile("CPU")
    assert [loads[name] for name in PARTS] == [1, 1, 1, 1]
    ours = loads["ours"]
    drawn = []
    for backend, settings in (
        ("native", {}),
        ("python", {"callback": lambda *_: None}),
        ("native", {}),
        ("python", {"recorder": lambda *_: None}),
        ("python", {"cache": TaylorSeerCacheConfig(3, 2, -1, corrector=True)}),
        ("native", {}),
    ):
        result = auto.generate(PROMPT, num_inference_steps=5, **({"cache": None} | settings))
        assert result.report.backend == backend
        if "cache" not in settings:
            drawn.append(result.data)
    assert all(np.array_equal(data, drawn[0]) for data in drawn)
    auto.decode(np.zeros((1, 64, 64), np.float32), height=128, width=128)
    assert [loads[name] for name in PARTS] == [1, 1, 1, 1]
    assert loads["ours"] == ours


def test_another_text_length_loads_a_t5_encoder_and_says_so(loads):
    auto = Text2ImagePipeline(demo_model_path(), **F32)
    first = auto.generate(PROMPT, **SHORT)
    ours = loads["ours"]
    hooks = {"callback": lambda *_: None}
    for length, settings, loads_it in (
        (32, {}, False),
        (64, {}, True),
        (32, hooks, True),  # ours, which takes any length from now on
        (64, hooks, False),
        (16, hooks, False),
        (16, {}, True),
        (16, hooks, False),
    ):
        again = auto.generate(PROMPT, max_sequence_length=length, **SHORT, **settings)
        assert (again.report.load_s > first.report.load_s) == loads_it
    assert [loads[name] for name in PARTS] == [1, 3, 1, 1]
    assert loads["ours"] == ours + 1


@pytest.mark.parametrize("kind", PIPELINES)
def test_native_s_pipeline_is_made_while_loading(monkeypatch, kind):
    """It compiles what resizes pictures, which `total_s` is not to count."""
    pipeline = kind(demo_model_path(), "CPU", **F32)
    monkeypatch.setattr("taylorseer_ov.pipelines.native_models.PIPELINES", {})  # any more fails
    drawn = pipeline.generate(PROMPT, *given(kind), taylorseer_config=None, **SHORT)
    assert drawn.report.backend == "native"


def test_a_text_length_that_nobody_chose_is_not_kept_by_loading(loads, model_copy):
    """openvino_genai's T5 encoder takes one for ever; here the call says which."""
    (model_copy / "generation_config.json").unlink()
    auto = Text2ImagePipeline(model_copy, "CPU", **F32)
    ours = loads["ours"]
    size = {"width": 64, "height": 64, "max_sequence_length": 32}
    for hooks in ({}, {"callback": lambda *_: None}):
        auto.generate(PROMPT, **size, **SHORT, **hooks)
    assert [loads[name] for name in PARTS] == [1, 1, 1, 1]
    assert loads["ours"] == ours


def test_a_prompt_that_is_too_long_loads_our_encoders_only(loads, pipeline):
    auto = Text2ImagePipeline(demo_model_path(), **F32)
    auto.compile("CPU")
    pipeline.backends.load_python()
    ours = loads["ours"]
    for prompt in (LONG, PROMPT, LONG):
        drawn, latents = watched(auto, prompt, **SHORT)
        expected, expected_latents = watched(pipeline, prompt, **SHORT)
        assert np.array_equal(latents, expected_latents)
        assert np.array_equal(drawn.data, expected.data)
    assert loads["ours"] == ours + 2
    assert [loads[name] for name in PARTS] == [1, 1, 1, 1]
    # of the T5 encoder, which is large, there is one at a time
    assert auto.generate(PROMPT, **SHORT).report.backend == "native"
    assert [loads[name] for name in PARTS] == [1, 2, 1, 1]


def test_several_pictures_from_one_in_a_fixed_shape(loads):
    """The encoder of a fixed shape takes as many pictures as are drawn, and there is one."""
    drawn = []
    for backend in ("auto", "python"):
        pipeline = Image2ImagePipeline(demo_model_path(), backend=backend, **F32)
        pipeline.reshape(2, 96, 128, 3.5)
        drawn.append(pipeline.generate(PROMPT, *given(Image2ImagePipeline), **SHORT).data)
    assert drawn[0].shape == (2, 96, 128, 3)
    assert np.abs(drawn[0].astype(int) - drawn[1]).max() <= 1
    assert loads["FluxTransformer2DModel"] == 1


def test_an_exception_of_a_generator_comes_out_of_encoding():
    class Broken:
        def randn_tensor(self, shape):
            raise ZeroDivisionError("from the generator")

    auto = Image2ImagePipeline(demo_model_path(), **F32)
    hooks = {"generator": Broken(), "callback": lambda *_: None}
    with pytest.raises(ZeroDivisionError, match="from the generator"):
        auto.generate(PROMPT, *given(Image2ImagePipeline), **hooks, **SHORT)
    assert auto.generate(PROMPT, *given(Image2ImagePipeline), **SHORT).data.any()


def test_decode_beside_adapters(pipeline):
    import openvino_genai

    _, latents = watched(pipeline, PROMPT, **SHORT)
    adapted = Text2ImagePipeline(demo_model_path(), adapters=openvino_genai.AdapterConfig(), **F32)
    drawn = adapted.generate(PROMPT, **SHORT)
    assert np.array_equal(adapted.decode(latents[-1]), drawn.data)
    assert adapted.backends.loaded == "native"


def test_a_folder_in_which_native_misses_the_tokenizers(model_copy, pipeline):
    """It puts "tokenizer" in the place of the first "text_encoder" of a path."""
    folder = model_copy.rename(model_copy.parent / "my text_encoder")
    drawn = Text2ImagePipeline(folder, **F32).generate(PROMPT, **SHORT)
    assert drawn.report.backend == "python"
    assert "misses the tokenizers" in drawn.report.backend_reason
    assert np.array_equal(drawn.data, pipeline.generate(PROMPT, **SHORT).data)
