"""The cases of openvino.genai's own tests of image generation that concern Flux, for both."""

import numpy as np
import openvino as ov
import pytest

from tests.same_as_native.common import (
    NAMES,
    PROMPT,
    SMALL,
    given_to,
    picture_of,
    seen_by_callback,
)

pytestmark = pytest.mark.native

SHORT = SMALL | {"num_inference_steps": 2}
PROMPTS = [f"a large {colour} circle on a white background" for colour in ("red", "blue", "green")]


def middle(result):
    """Pixels of the part that inpainting draws, without where ours is blended; all of others'."""
    return np.array(result.data)[:, 20:44, 20:44]


# --- callbacks ---


def test_a_function_is_called_after_every_step(genai, text2image, same):
    drawn = []

    def generate(callback):
        drawn[:] = [text2image.generate(PROMPT, callback=callback, **SHORT)]

    same.latents(seen_by_callback(genai, 2, generate))
    same.pictures(drawn[0])


class Progress:
    """Starts anew whenever the number of steps changes."""

    def __init__(self):
        self.steps, self.in_all = [], 0

    def __call__(self, step, num_steps, latents):
        if num_steps != self.in_all:
            self.steps, self.in_all = [], num_steps
        self.steps.append(step)
        return False


def test_an_object_that_counts_can_be_called_too(text2image, same):
    progress = Progress()
    for steps in (6, 5):
        settings = SMALL | {"num_inference_steps": steps}
        same.pictures(text2image.generate(PROMPT, callback=progress, **settings))
    assert progress.steps == sorted(progress.steps)
    assert set(progress.steps) <= set(range(5 if progress.in_all == 5 else 6))
    if not same.is_native:  # openvino_genai may leave out any
        assert progress.steps == [0, 1, 2, 3, 4]


def test_a_callback_ends_a_generation(text2image, same):
    steps = []

    def callback(step, num_steps, latents):
        steps.append(step)
        return step >= 1

    settings = SMALL | {"num_inference_steps": 5}
    drawn = text2image.generate(PROMPT, callback=callback, **settings)
    assert drawn is not None
    assert len(steps) <= 3
    same(str(drawn.element_type))
    if not same.is_native:  # whose result is empty, and who may call too late or not at all
        assert steps == [0, 1]
        assert drawn.data.shape == (1, 64, 64, 3)
    same.pictures(text2image.generate(PROMPT, **settings))


@pytest.mark.parametrize("name", NAMES)
def test_callbacks_of_several_generations(genai, pipelines, same, name):
    for prompt in PROMPTS:
        settings = SHORT if name == NAMES[0] else SHORT | {"strength": 1.0}

        def generate(callback, prompt=prompt, settings=settings):
            pipelines(name).generate(prompt, *given_to(name), callback=callback, **settings)

        same.latents(seen_by_callback(genai, 2, generate))


def test_a_picture_of_another_element_type_raises(image2image, same):
    wrong = ov.Tensor(np.zeros((1, 64, 64, 3), np.float16))
    with pytest.raises((RuntimeError, TypeError), match=r"f16|float16"):
        image2image.generate(PROMPT, wrong, callback=lambda *_: False, **SHORT)
    drawn = image2image.generate(PROMPT, picture_of(), **SHORT)
    same.pictures(drawn)


# --- caching ---


def test_a_configuration_set_field_by_field(genai, text2image, same):
    caching = genai.TaylorSeerCacheConfig()
    caching.cache_interval = 5
    caching.disable_cache_before_step = 2
    caching.disable_cache_after_step = -1
    config = text2image.get_generation_config()
    config.taylorseer_config = caching
    text2image.set_generation_config(config)
    drawn = []

    def generate(callback):
        settings = SMALL | {"num_inference_steps": 5}
        drawn[:] = [text2image.generate(PROMPT, callback=callback, **settings)]

    same.latents(seen_by_callback(genai, 5, generate))
    same.pictures(drawn[0])


@pytest.mark.parametrize("name", NAMES)
def test_defaults(pipelines, same, name):
    """Text to image is cached by default; the size of the others is their picture's with us."""
    config = pipelines(name).get_generation_config()
    caching = config.taylorseer_config
    same(caching is None)
    if caching is not None:
        fields = ("cache_interval", "disable_cache_before_step", "disable_cache_after_step")
        same([getattr(caching, field) for field in fields])
    if name == NAMES[0]:
        same((config.width, config.height))
    same((config.num_inference_steps, config.num_images_per_prompt, config.max_sequence_length))
    same((round(config.strength, 6), config.guidance_scale))
    same((config.rng_seed, config.prompt_2, config.negative_prompt))
    same((config.generator is None, config.adapters is None))


# --- what Flux has no blobs for ---


@pytest.mark.parametrize("name", NAMES)
def test_export_is_refused(pipelines, tmp_path, name):
    refused = "Blob export is supported only for Stable Diffusion XL pipelines"
    with pytest.raises(RuntimeError, match=refused):
        pipelines(name).export_model(tmp_path / "blobs")
    assert not (tmp_path / "blobs").exists()


# --- several generations, noise from several places ---


def draw_three(genai, pipelines, same, name, make_generator):
    """Draw three prompts, each with a generator of its own or none."""
    settings = SHORT | ({} if name == NAMES[0] else {"strength": 1.0})
    for prompt in PROMPTS:
        generator = make_generator()
        options = settings if generator is None else settings | {"generator": generator}
        drawn = pipelines(name).generate(prompt, *given_to(name), **options)
        same.within_a_level(middle(drawn))


@pytest.mark.parametrize("name", NAMES)
def test_several_generations_from_the_seed(genai, pipelines, same, name):
    draw_three(genai, pipelines, same, name, lambda: None)


@pytest.mark.parametrize("name", NAMES)
def test_several_generations_with_a_generator(genai, pipelines, same, name):
    draw_three(genai, pipelines, same, name, lambda: genai.CppStdGenerator(7))


@pytest.mark.export
@pytest.mark.parametrize("name", NAMES)
def test_several_generations_with_torch_s_noise(genai, pipelines, same, name):
    draw_three(genai, pipelines, same, name, lambda: genai.TorchGenerator(7))


def test_a_generator_keeps_its_state(genai, text2image, same):
    generator = genai.CppStdGenerator(7)
    for _ in range(2):
        same.pictures(text2image.generate(PROMPT, generator=generator, **SHORT))
    generator.seed(3)
    same.pictures(text2image.generate(PROMPT, generator=generator, **SHORT))
    same(round(genai.CppStdGenerator(7).next(), 12))
    noise = genai.CppStdGenerator(7).randn_tensor(ov.Shape([1, 16, 8, 8]))
    same(np.array(noise.data).tobytes())


def test_a_generator_of_one_s_own(genai, text2image, same):
    class Wave(genai.Generator):
        def next(self):
            return 0.0

        def randn_tensor(self, shape):
            values = np.sin(np.arange(np.prod(list(shape)), dtype=np.float32))
            return ov.Tensor(values.reshape(list(shape)))

    same.pictures(text2image.generate(PROMPT, generator=Wave(), **SHORT))


def test_several_pictures_of_one_prompt(text2image, same):
    same.pictures(text2image.generate(PROMPT, num_images_per_prompt=2, **SHORT))


# --- errors ---


@pytest.mark.parametrize(
    "settings",
    [
        {"width": 60},
        {"num_inference_steps": 0},
        {"max_sequence_length": 513},
        {"strength": 0.5},
        {"negative_prompt": "a cat"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_what_is_out_of_range_is_an_error(text2image, settings):
    with pytest.raises((RuntimeError, ValueError)):
        text2image.generate(PROMPT, **(SHORT | settings))
