"""What openvino.genai's published samples for Flux do, done with both packages."""

import statistics

import numpy as np
import openvino as ov
import pytest
from PIL import Image

from tests.export.common import LAYERS, write_lora
from tests.same_as_native.common import (
    NAMES,
    PROMPT,
    SMALL,
    given_to,
    mask_of,
    picture_of,
    seen_by_callback,
)

pytestmark = pytest.mark.native


def read(path):
    """A picture from a file, as a tensor (1, height, width, 3)."""
    return ov.Tensor(np.array(Image.open(path).convert("RGB"))[None])


def write(path, picture):
    Image.fromarray(picture).save(path)
    return path


# --- text2image, image2image, inpainting ---


def test_text_to_image(genai, text2image, same, tmp_path):
    """The default configuration, caching included: 20 steps of which 13 run the transformer."""
    drawn = []

    def generate(callback):
        settings = SMALL | {"num_inference_steps": 20, "num_images_per_prompt": 1}
        drawn[:] = [text2image.generate(PROMPT, callback=callback, **settings)]

    same.latents(seen_by_callback(genai, 20, generate))
    same.pictures(drawn[0])
    saved = write(tmp_path / "image.bmp", drawn[0].data[0])
    assert np.array_equal(np.array(Image.open(saved)), drawn[0].data[0])


def test_image_to_image(genai, image2image, same, tmp_path):
    image = read(write(tmp_path / "given.png", picture_of().data[0]))
    drawn = []

    def generate(callback):
        settings = SMALL | {"strength": 0.8, "num_inference_steps": 10}
        drawn[:] = [image2image.generate(PROMPT, image, callback=callback, **settings)]

    same.latents(seen_by_callback(genai, 8, generate))
    same.pictures(drawn[0])


def test_inpainting(genai, inpainting, same, tmp_path):
    image = read(write(tmp_path / "given.png", picture_of().data[0]))
    mask = read(write(tmp_path / "mask.png", mask_of().data[0]))
    drawn = []

    def generate(callback):
        settings = SMALL | {"num_inference_steps": 10}
        drawn[:] = [inpainting.generate(PROMPT, image, mask, callback=callback, **settings)]

    same.latents(seen_by_callback(genai, 6, generate))
    # outside the mask ours is the given picture, and just inside it is blended with that
    (picture,) = np.array(drawn[0].data, int)
    same.within_a_level(picture[20:44, 20:44])
    outside = mask.data[0, ..., 0] == 0
    assert same.is_native or np.array_equal(picture[outside], image.data[0, outside])


# --- heterogeneous ---


def test_three_devices_and_static_shapes(genai, model, properties, same):
    pipeline = genai.Text2ImagePipeline(model)
    pipeline.reshape(1, 64, 64, pipeline.get_generation_config().guidance_scale)
    pipeline.compile("CPU", "CPU", "CPU", config=properties)
    for _ in range(2):
        same.pictures(pipeline.generate(PROMPT, num_inference_steps=3))


# --- taylorseer_text2image ---


def test_caching_is_switched_off_and_set_up(genai, text2image, same):
    settings = SMALL | {"num_inference_steps": 28, "rng_seed": 42, "num_images_per_prompt": 1}
    drawn = []

    def generate(callback):
        drawn[:] = [text2image.generate(PROMPT, callback=callback, **settings)]

    config = text2image.get_generation_config()
    config.taylorseer_config = None
    text2image.set_generation_config(config)
    assert text2image.get_generation_config().taylorseer_config is None
    generate(lambda *_: False)
    same.pictures(drawn[0])

    caching = genai.TaylorSeerCacheConfig()
    caching.cache_interval = 4
    caching.disable_cache_before_step = 5
    caching.disable_cache_after_step = -3
    same(caching.to_string().split("\n")[:4])
    config = text2image.get_generation_config()
    config.taylorseer_config = caching
    text2image.set_generation_config(config)
    kept = text2image.get_generation_config().taylorseer_config
    same((kept.cache_interval, kept.disable_cache_before_step, kept.disable_cache_after_step))
    same.latents(seen_by_callback(genai, 28, generate))
    same.pictures(drawn[0])


# --- lora_text2image ---


def test_adapters_of_the_constructor_and_of_a_call(genai, model, properties, same, tmp_path):
    config = genai.AdapterConfig()
    config.add(genai.Adapter(write_lora(tmp_path / "style.safetensors", LAYERS)), 0.7)
    pipeline = genai.Text2ImagePipeline(model, "CPU", adapters=config, **properties)
    settings = SMALL | {"num_inference_steps": 4, "rng_seed": 42}
    drawn = pipeline.generate(PROMPT, **settings)
    same.pictures(drawn)
    styled = drawn.data.copy()  # openvino_genai reuses what it is a view of
    drawn = pipeline.generate(PROMPT, adapters=genai.AdapterConfig(), **settings)
    same.pictures(drawn)
    assert not np.array_equal(styled, drawn.data)


def test_a_configuration_without_adapters(genai, model, properties, same):
    none = genai.AdapterConfig()
    pipeline = genai.Text2ImagePipeline(model, "CPU", adapters=none, **properties)
    settings = SMALL | {"num_inference_steps": 4}
    same.pictures(pipeline.generate(PROMPT, **settings))
    same.pictures(pipeline.generate(PROMPT, adapters=none, **settings))


# --- denoising_process ---


def test_every_step_is_decoded(genai, text2image, same):
    """openvino_genai leaves out steps; those that it shows are compared."""
    steps = 4
    frames = np.zeros((1, steps, 64, 64, 3), np.uint8)

    def generate(seen):
        def callback(step, num_steps, latents):
            decoded = text2image.decode(latents)
            frames[0, step] = decoded.data[0]
            return seen(step, num_steps, latents)

        text2image.generate(PROMPT, num_inference_steps=steps, callback=callback, **SMALL)

    # of the size that frames have, for openvino_genai decodes in that of the last generation
    text2image.generate(PROMPT, num_inference_steps=1, **SMALL)
    seen_by_callback(genai, steps, generate)
    film = ov.Tensor(frames)
    same.within_a_level(np.array(film.data[0, : steps - 1]))


# --- benchmark_image_gen ---

STEPS = 3


def checked(metrics):
    """Check that the times that the benchmark prints add up; return what has no time in it."""
    raw = metrics.raw_metrics
    first_iteration, other_iterations = metrics.get_first_and_other_iter_duration()
    first_run, other_runs = metrics.get_first_and_other_trans_infer_duration()
    assert first_iteration >= first_run > 0
    assert other_iterations >= other_runs > 0
    assert metrics.get_first_and_other_unet_infer_duration() == (0, 0)
    assert len(raw.iteration_durations) == len(raw.transformer_inference_durations) == STEPS
    assert list(raw.unet_inference_durations) == []
    mean = statistics.fmean(raw.iteration_durations) / 1000
    assert metrics.get_iteration_duration().mean == pytest.approx(mean, rel=1e-3)
    assert metrics.get_transformer_infer_duration().std >= 0
    inside = metrics.get_inference_duration()
    assert metrics.get_generate_duration() + 2 > inside > metrics.get_vae_decoder_infer_duration()
    encoders = metrics.get_text_encoder_infer_duration()
    return sorted(encoders), metrics.get_vae_encoder_infer_duration() > 0


def measure(pipeline, same, name):
    """Warm up, then measure: the picture, the metrics' names and kinds."""
    measured = []
    for _ in range(2):
        drawn = pipeline.generate(PROMPT, *given_to(name))
        measured.append(pipeline.get_performance_metrics())
    same.within_a_level(np.array(drawn.data)[:, 20:44, 20:44])
    same([checked(metrics) for metrics in measured])
    assert measured[0].get_load_time() == measured[1].get_load_time() > 0


def set_small(pipeline):
    config = pipeline.get_generation_config()
    config.width = config.height = 64
    config.num_inference_steps, config.num_images_per_prompt = STEPS, 1
    config.strength, config.max_sequence_length = 1.0, 32
    pipeline.set_generation_config(config)


@pytest.mark.parametrize("name", NAMES)
def test_benchmark_of_dynamic_shapes(text2image, image2image, inpainting, same, name):
    pipeline = dict(zip(NAMES, (text2image, image2image, inpainting), strict=True))[name]
    set_small(pipeline)
    measure(pipeline, same, name)


@pytest.mark.parametrize("name", NAMES)
def test_benchmark_of_static_shapes(genai, model, properties, same, name):
    """A pipeline made without a device."""
    pipeline = getattr(genai, name)(model)
    set_small(pipeline)
    pipeline.reshape(1, 64, 64, pipeline.get_generation_config().guidance_scale)
    pipeline.compile("CPU", "CPU", "CPU", **properties)
    measure(pipeline, same, name)


def test_forecast_steps_are_told_apart(genai, text2image):
    """openvino_genai counts them as runs of the transformer, in microseconds; we do not."""
    caching = genai.TaylorSeerCacheConfig()
    caching.cache_interval, caching.disable_cache_before_step = 3, 2
    text2image.generate(PROMPT, num_inference_steps=10, taylorseer_config=caching, **SMALL)
    raw = text2image.get_performance_metrics().raw_metrics
    assert len(raw.iteration_durations) == 10
    assert len([run for run in raw.transformer_inference_durations if run > 200]) == 6
