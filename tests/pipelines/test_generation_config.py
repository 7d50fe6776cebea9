"""A configuration given whole to `generate`, ours or openvino_genai's, and numbers of numpy."""

import numpy as np
import pytest

from taylorseer_ov import (
    ErrorControl,
    Image2ImagePipeline,
    ImageGenerationConfig,
    InpaintingPipeline,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    demo_model_path,
)
from tests.common import F32, PROMPT
from tests.pipelines.common import QUICK_CACHE

SMALL = {"height": 64, "width": 96, "max_sequence_length": 16, "num_inference_steps": 2}
GIVEN = {
    Text2ImagePipeline: (),
    Image2ImagePipeline: (np.full((64, 96, 3), 200, np.uint8),),
    InpaintingPipeline: (np.full((64, 96, 3), 200, np.uint8), np.ones((64, 96), bool)),
}


@pytest.fixture(scope="module", params=GIVEN)
def task(request):
    """A pipeline of each task, and the pictures it is given."""
    made = request.param(demo_model_path(), backend="python", **F32)
    return made, GIVEN[request.param]


def test_a_configuration_is_taken_instead_of_the_pipeline_s_for_this_call(task):
    pipeline, given = task
    before = pipeline.get_generation_config()
    config = ImageGenerationConfig(rng_seed=7, **SMALL)
    expected = pipeline.generate(PROMPT, *given, rng_seed=7, strength=1, cache=None, **SMALL).data
    assert expected.shape == (1, 64, 96, 3)
    assert np.array_equal(pipeline.generate(PROMPT, *given, config).data, expected)
    named = pipeline.generate(PROMPT, *given, generation_config=config)
    assert np.array_equal(named.data, expected)
    assert pipeline.get_generation_config() == before
    none = pipeline.prepare(PROMPT, *given, generation_config=None, **SMALL)
    assert none.settings == pipeline.prepare(PROMPT, *given, **SMALL).settings


def test_settings_given_by_name_go_before_it(task):
    pipeline, given = task
    config = ImageGenerationConfig(cache=QUICK_CACHE, **SMALL)
    job = pipeline.prepare(PROMPT, *given, generation_config=config, num_inference_steps=9)
    assert str(job.cache) == "CC..C..CC"
    result = pipeline.generate(PROMPT, *given, config, width=64, cache=None)
    assert result.data.shape == (1, 64, 64, 3)
    assert config == ImageGenerationConfig(cache=QUICK_CACHE, **SMALL)


def test_it_is_copied(pipeline):
    config = ImageGenerationConfig(cache=TaylorSeerCacheConfig(), **SMALL)
    job = pipeline.prepare(PROMPT, generation_config=config)
    config.num_inference_steps, config.cache.cache_interval = 9, 5
    assert job.settings == ImageGenerationConfig(cache=TaylorSeerCacheConfig(), **SMALL)


def test_all_its_values_count(pipeline):
    job = pipeline.prepare(PROMPT, generation_config=ImageGenerationConfig())
    assert job.settings == ImageGenerationConfig()
    assert job.settings.size == (1024, 1024)
    assert job.cache.is_uncached
    unknown = ImageGenerationConfig(height=None)
    with pytest.raises(ValueError, match="height is None and there is no picture to take it from"):
        pipeline.prepare(PROMPT, generation_config=unknown)
    redrawing = Image2ImagePipeline(demo_model_path())
    (picture,) = GIVEN[Image2ImagePipeline]
    unknown.width = None
    job = redrawing.prepare(PROMPT, picture, generation_config=unknown)
    assert job.settings.size == (64, 96)


def test_what_is_wrong_is_told(task):
    pipeline, given = task
    config = ImageGenerationConfig(**SMALL)
    with pytest.raises(TypeError, match="multiple values for argument 'generation_config'"):
        pipeline.generate(PROMPT, *given, config, generation_config=config)
    for wrong in ({"width": 64}, "high", np.zeros((64, 64, 3), np.uint8), TaylorSeerCacheConfig()):
        with pytest.raises(TypeError, match="generation_config must be an ImageGenerationConfig"):
            pipeline.generate(PROMPT, *given, wrong)
        with pytest.raises(TypeError, match="width=256, a dictionary of them as"):
            pipeline.set_generation_config(wrong)
    with pytest.raises(TypeError, match="unknown setting 'widht'"):
        pipeline.generate(PROMPT, *given, config, widht=64)


def test_the_strength_is_that_of_the_task(pipeline):
    with pytest.raises(ValueError, match=r"strength must be 1\.0 for text to image"):
        pipeline.generate(PROMPT, ImageGenerationConfig(strength=0.5, **SMALL))


# --- openvino_genai's own ---


@pytest.fixture
def native_config():
    import openvino_genai

    return openvino_genai.ImageGenerationConfig()


@pytest.mark.native
def test_what_openvino_genai_s_was_not_told_is_the_pipeline_s(task, native_config):
    pipeline, given = task
    own = pipeline.get_generation_config()
    settings = pipeline.prepare(PROMPT, *given, generation_config=native_config).settings
    assert settings.size == ((64, 96) if given else (own.height, own.width))
    assert settings.max_sequence_length == own.max_sequence_length == 32
    # what it has without having been told is no sign of that
    assert (settings.guidance_scale, settings.num_inference_steps) == (7.5, 50)
    assert settings.cache is settings.generator is settings.adapters is None
    pipeline.set_generation_config(native_config)
    assert pipeline.get_generation_config().height == own.height
    pipeline.set_generation_config(own)


@pytest.mark.native
def test_every_field_of_openvino_genai_s_is_read(native_config):
    import openvino_genai

    pipeline = InpaintingPipeline(demo_model_path())
    told = SMALL | {"guidance_scale": 2.3, "strength": 0.6, "rng_seed": 5, "prompt_2": "a star"}
    for name, value in told.items():
        setattr(native_config, name, value)
    native_config.generator = openvino_genai.CppStdGenerator(5)
    native_config.taylorseer_config = openvino_genai.TaylorSeerCacheConfig()
    pipeline.set_generation_config(native_config)
    config = pipeline.get_generation_config()
    assert isinstance(config, ImageGenerationConfig)
    assert isinstance(config.generator, openvino_genai.CppStdGenerator)
    config.generator = None
    assert config == ImageGenerationConfig(cache=TaylorSeerCacheConfig(), **told)
    native_config.negative_prompt = "blue"
    with pytest.raises(ValueError, match="negative_prompt is not used by Flux; leave it out"):
        pipeline.set_generation_config(native_config)
    native_config.negative_prompt, native_config.height = None, 100
    with pytest.raises(ValueError, match="height must be a multiple of 16, got 100"):
        pipeline.set_generation_config(native_config)
    assert pipeline.get_generation_config().height == 64


@pytest.mark.native
def test_the_picture_is_openvino_genai_s(pipeline, native_config):
    import openvino_genai

    for name, value in (SMALL | {"num_inference_steps": 9, "max_sequence_length": 32}).items():
        setattr(native_config, name, value)
    native_config.taylorseer_config = QUICK_CACHE.to_native()
    theirs = openvino_genai.Text2ImagePipeline(demo_model_path(), "CPU", **F32)
    theirs.set_generation_config(native_config)
    expected = theirs.generate(PROMPT, rng_seed=3).data
    result = pipeline.generate(PROMPT, generation_config=native_config, rng_seed=3)
    assert result.report.schedule == "CC..C..CC"
    assert np.abs(result.data.astype(int) - expected).max() <= 1  # it cuts decimals off


# --- numbers of numpy ---

NUMPY = {
    "height": np.int64(64),
    "width": np.uint16(96),
    "max_sequence_length": np.int16(16),
    "num_inference_steps": np.int8(9),
    "num_images_per_prompt": np.int32(1),
    "guidance_scale": np.float32(2.5),
    "strength": np.float16(1),
    "rng_seed": np.uint32(7),
}


@pytest.mark.native
@pytest.mark.parametrize("backend", ["python", "native"])
def test_numpy_s_numbers_are_taken_everywhere(backend):
    numbers = {"INFERENCE_NUM_THREADS": np.int64(2), "ENABLE_CPU_PINNING": np.bool_(False)}
    pipeline = Text2ImagePipeline(demo_model_path(), backend=backend, **numbers)
    cache = TaylorSeerCacheConfig(np.int64(3), np.int8(2), np.int32(-1))
    result = pipeline.generate(PROMPT, taylorseer_config=cache, **NUMPY)
    assert result.report.schedule == "CC..C..CC"
    plain = {name: value.item() for name, value in NUMPY.items()}
    assert np.array_equal(result.data, pipeline.generate(PROMPT, cache=QUICK_CACHE, **plain).data)
    again = pipeline.generate(**result.recipe.settings())
    assert np.array_equal(result.data, again.data)
    pipeline.compile("CPU", config={"INFERENCE_NUM_THREADS": np.uint8(1)})
    pipeline.reshape(np.int64(1), np.int32(64), np.uint16(64), np.float32(3.5))
    assert pipeline.generate(PROMPT, num_inference_steps=1).data.shape == (1, 64, 64, 3)
    latents = np.zeros((1, 16, 64), np.float32)
    decoded = pipeline.decode(latents, height=np.int64(64), width=np.int64(64))
    assert decoded.shape == (1, 64, 64, 3)


def test_error_control_keeps_plain_numbers():
    control = ErrorControl(np.float32(0.5), np.int64(4))
    assert control == ErrorControl(0.5, 4)
    assert [type(value) for value in vars(control).values()] == [float, int]
