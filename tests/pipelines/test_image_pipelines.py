"""Image to image and inpainting on the Python backend: what stays, what is skipped, misuse."""

import json
import warnings

import numpy as np
import pytest

from taylorseer_ov import (
    CalibrationWarning,
    Image2ImagePipeline,
    InactiveCacheWarning,
    InpaintingPipeline,
    ModelFolderError,
    Recipe,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    demo_model_path,
    psnr,
)
from taylorseer_ov.flux.sampling import first_step
from tests.common import F32

RED, GREEN = (f"a large {colour} circle on a white background" for colour in ("red", "green"))


@pytest.fixture(scope="module")
def image_to_image():
    return Image2ImagePipeline(demo_model_path(), backend="python", **F32)


@pytest.fixture(scope="module")
def inpainting():
    return InpaintingPipeline(demo_model_path(), backend="python", **F32)


@pytest.fixture(scope="module")
def red_circle(pipeline):
    return pipeline.generate(RED, cache=None).data


@pytest.fixture
def right_half():
    mask = np.zeros((128, 128), bool)
    mask[:, 64:] = True
    return mask


def test_the_defaults_are_openvino_genai_s_except_the_size(image_to_image, inpainting):
    for image_pipeline in (image_to_image, inpainting):
        config = image_pipeline.get_generation_config()
        assert config.strength == 0.6
        assert config.num_inference_steps == 28
        assert config.height is config.width is None
        # what the model itself asks for goes first
        assert (config.guidance_scale, config.max_sequence_length) == (3.5, 32)


def test_defaults_of_a_model_that_asks_for_nothing(model_copy):
    (model_copy / "generation_config.json").unlink()
    assert Image2ImagePipeline(model_copy).get_generation_config().guidance_scale == 7.0


# --- how much stays ---


def test_the_weaker_the_strength_the_more_of_the_picture_stays(image_to_image, red_circle):
    likenesses = [
        psnr(red_circle, image_to_image.generate(GREEN, red_circle, strength=strength).data)
        for strength in (0.1, 0.5, 0.9)
    ]
    assert likenesses == sorted(likenesses, reverse=True)
    assert likenesses[0] > 25


def test_a_strong_prompt_changes_the_colour(image_to_image, red_circle):
    drawn = image_to_image.generate(GREEN, red_circle, strength=0.9).data[0]
    centre, before = drawn[56:72, 56:72].mean((0, 1)), red_circle[0, 56:72, 56:72].mean((0, 1))
    assert before.argmax() == 0
    assert centre.argmax() == 1


def test_full_strength_forgets_the_picture(image_to_image, red_circle):
    settings = {"strength": 1.0, "num_inference_steps": 4}
    first = image_to_image.generate(GREEN, red_circle, **settings).data
    other = image_to_image.generate(GREEN, 255 - red_circle, **settings).data
    assert np.array_equal(first, other)


def test_outside_the_mask_the_picture_stays(inpainting, red_circle, right_half):
    settings = {"strength": 0.9, "num_images_per_prompt": 2}
    kept = inpainting.generate(GREEN, red_circle, right_half, **settings)
    decoded = inpainting.generate(GREEN, red_circle, right_half, keep_unmasked=False, **settings)
    left, right = np.s_[:, :, :64], np.s_[:, :, 68:]
    assert all(np.array_equal(picture, red_circle[0, :, :64]) for picture in kept.data[left])
    assert np.array_equal(kept.data[right], decoded.data[right])
    assert np.abs(kept.data[left].astype(int) - decoded.data[left]).max() > 10
    assert psnr(red_circle[right], kept.data[:1][right]) < 15
    assert "pixels outside the mask kept" in str(kept.report)
    assert "kept" not in str(decoded.report)
    assert (kept.report.keep_unmasked, decoded.report.keep_unmasked) == (True, False)


@pytest.mark.parametrize("settings", [{}, {"height": 64, "width": 96}, {"stop": lambda: True}])
def test_with_nothing_to_draw_the_picture_comes_back(inpainting, red_circle, settings):
    from PIL import Image

    black = np.zeros((128, 128), np.uint8)
    drawn = inpainting.generate(GREEN, red_circle, black, num_inference_steps=2, **settings)
    height, width = drawn.data.shape[1:3]
    given = Image.fromarray(red_circle[0]).resize((width, height), Image.Resampling.LANCZOS)
    assert np.array_equal(drawn.data[0], np.asarray(given))


def test_a_white_mask_leaves_nothing_to_keep(inpainting, red_circle):
    white = np.full((128, 128), 255, np.uint8)
    kept, decoded = (
        inpainting.generate(GREEN, red_circle, white, num_inference_steps=2, keep_unmasked=keep)
        for keep in (True, False)
    )
    assert np.array_equal(kept.data, decoded.data)


def test_there_is_nothing_to_keep_without_a_mask(image_to_image, red_circle):
    drawn = image_to_image.generate(GREEN, red_circle, num_inference_steps=2, keep_unmasked=True)
    assert not drawn.report.keep_unmasked
    with pytest.raises(TypeError, match="keep_unmasked must be True or False, got 1"):
        image_to_image.generate(GREEN, red_circle, keep_unmasked=1)


def test_the_latents_outside_the_mask_end_as_the_picture_s_own(inpainting, red_circle, right_half):
    def final(mask, **settings):
        kept = []
        inpainting.generate(
            GREEN, red_circle, mask, callback=lambda *step: kept.append(step[2]), **settings
        )
        return kept[-1].reshape(8, 8, 64)

    # with nothing to draw, what is left at the end is the encoded picture
    encoded = final(np.zeros_like(right_half), num_inference_steps=2)
    drawn = final(right_half, num_inference_steps=5)
    assert np.array_equal(drawn[:, :4], encoded[:, :4])
    assert not np.isclose(drawn[:, 4:], encoded[:, 4:]).any(axis=-1).all()


# --- the shortened schedule ---


@pytest.mark.parametrize(
    ("steps", "strength", "first"),
    [(28, 0.6, 11), (28, 1.0, 0), (28, 0.0, 28), (28, 0.01, 27), (25, 0.6, 10), (50, 0.6, 20)],
)
def test_the_first_step(steps, strength, first):
    assert first_step(steps, strength) == first


def test_caching_is_planned_for_the_steps_that_are_taken(image_to_image, red_circle):
    report = image_to_image.generate(
        GREEN, red_circle, strength=0.5, taylorseer_config=TaylorSeerCacheConfig(3, 2, -1)
    ).report
    assert report.schedule == "CC..C..C..C..C"[:14]
    assert report.num_inference_steps == 28
    assert report.strength == 0.5
    assert not report.interrupted
    assert report.image_encoding_s > 0
    assert "strength 0.5" in str(report)
    assert "+ image 0." in str(report)
    assert json.loads(report.to_json())["image_encoding_s"] == report.image_encoding_s
    metrics = image_to_image.get_performance_metrics()
    assert metrics.get_vae_encoder_infer_duration() == 1000 * report.image_encoding_s


def test_callbacks_count_the_steps_that_are_taken(image_to_image, red_circle):
    seen = []
    image_to_image.generate(
        GREEN,
        red_circle,
        strength=0.5,
        num_inference_steps=8,
        callback=lambda *s: seen.append(s[:2]),
    )
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert len(image_to_image.sigmas(strength=0.5, height=64, width=64)) == 15


def test_too_few_steps_left_for_caching(image_to_image, red_circle):
    settings = {"strength": 0.2, "num_inference_steps": 20}
    for cache in ("fast", TaylorSeerCacheConfig()):
        with pytest.warns(InactiveCacheWarning, match="all 4 steps run the transformer"):
            report = image_to_image.generate(GREEN, red_circle, cache=cache, **settings).report
        assert report.schedule == "CCCC"


def test_warnings_point_to_the_caller(pipeline, image_to_image, red_circle):
    short = {"num_inference_steps": 2, "cache": "high"}
    with warnings.catch_warnings(record=True) as drawn:
        warnings.simplefilter("always")
        pipeline.generate("a purple circle", **short)
        image_to_image.generate("a purple circle", red_circle, strength=1.0, **short)
    assert len(drawn) == 6  # of the unknown word, of the untrained prompt and of the cache
    assert {warning.filename for warning in drawn} == {__file__}


def test_presets_cache(inpainting, red_circle, right_half):
    with pytest.warns(CalibrationWarning, match="none fits 6 of 17 steps"):
        report = inpainting.generate(GREEN, red_circle, right_half, cache="balanced").report
    assert (len(report.schedule), report.computed_steps) == (17, 6)


def test_the_recipe_names_what_it_was_drawn_from_and_draws_it_again(
    inpainting, red_circle, right_half, tmp_path
):
    drawn = inpainting.generate(GREEN, red_circle, right_half, num_inference_steps=6)
    (path,) = drawn.save(tmp_path / "drawn.png")
    recipe = Recipe.from_picture(path)
    assert set(recipe.inputs) == {"image", "mask"}
    settings = recipe.settings()
    again = inpainting.generate(settings.pop("prompt"), red_circle, right_half, **settings)
    assert np.array_equal(again.data, drawn.data)
    assert again.recipe.inputs == recipe.inputs


def test_a_picture_of_the_first_version_is_drawn_again_as_it_was(
    inpainting, red_circle, right_half
):
    drawn = inpainting.generate(
        GREEN, red_circle, right_half, num_inference_steps=6, keep_unmasked=False
    )
    values = json.loads(drawn.recipe.to_json()) | {"format": "taylorseer_ov.Recipe/1"}
    assert values["asked"].pop("keep_unmasked") is False
    settings = Recipe.from_json(json.dumps(values)).settings()
    again = inpainting.generate(settings.pop("prompt"), red_circle, right_half, **settings)
    assert np.array_equal(again.data, drawn.data)


# --- sizes, batches, memory ---


def test_a_size_that_is_given_and_one_that_is_the_picture_s(image_to_image, red_circle):
    short = {"num_inference_steps": 2}
    cut = red_circle[:, :100, :115]
    assert image_to_image.generate(GREEN, cut, **short).data.shape == (1, 96, 112, 3)
    given = image_to_image.generate(GREEN, cut, height=64, width=96, **short)
    assert given.data.shape == (1, 64, 96, 3)
    assert (given.report.height, given.report.width) == (64, 96)


def test_a_result_is_a_picture_to_start_from(pipeline, image_to_image, red_circle):
    result = pipeline.generate(RED, cache=None)
    settings = {"strength": 0.5, "num_inference_steps": 4}
    drawn = image_to_image.generate(GREEN, result, **settings)
    assert np.array_equal(drawn.data, image_to_image.generate(GREEN, red_circle, **settings).data)
    two = pipeline.generate(
        RED, num_images_per_prompt=2, height=64, width=64, num_inference_steps=1
    )
    with pytest.raises(ValueError, match=r"image must have the shape .*, got \(2, 64, 64, 3\)"):
        image_to_image.generate(GREEN, two)


def test_several_pictures_from_one(image_to_image, red_circle):
    settings = {"num_inference_steps": 4, "strength": 0.8}
    pair = image_to_image.generate(GREEN, red_circle, num_images_per_prompt=2, **settings).data
    alone = image_to_image.generate(GREEN, red_circle, **settings).data
    assert np.abs(pair[0].astype(int) - alone[0]).max() <= 1
    assert not np.array_equal(pair[0], pair[1])


def test_static_shapes_resize_what_is_given(inpainting, red_circle, right_half):
    static = InpaintingPipeline(demo_model_path(), backend="python", **F32)
    static.reshape(1, 96, 64, 3.5)
    pictures, short = (red_circle, right_half), {"num_inference_steps": 3}
    fixed = static.generate(GREEN, *pictures, **short).data
    dynamic = inpainting.generate(GREEN, *pictures, height=96, width=64, **short).data
    assert np.abs(fixed.astype(int) - dynamic).max() <= 1


def test_low_memory_draws_the_same_picture(image_to_image, red_circle):
    frugal = Image2ImagePipeline(demo_model_path(), low_memory=True, **F32)
    short = {"num_inference_steps": 3}
    drawn = frugal.generate(GREEN, red_circle, **short)
    assert list(frugal._backends.load_python().models.parts) == ["vae_decoder"]
    expected = image_to_image.generate(GREEN, red_circle, **short).data
    # the transformer is compiled for the size, which rounds differently
    assert np.abs(drawn.data.astype(int) - expected).max() <= 1
    timed = drawn.report.text_encoding_s + drawn.report.image_encoding_s + drawn.report.vae_s
    assert timed + sum(drawn.report.step_s) <= drawn.report.total_s


# --- misuse ---


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"strength": 0}, ValueError, "strength=0 leaves none of 28 steps"),
        ({"strength": 1.01}, ValueError, "strength must be from 0 to 1, got 1.01"),
        ({"strength": float("nan")}, ValueError, "strength must be from 0 to 1, got nan"),
        ({"strength": "much"}, TypeError, "strength must be a number, got 'much'"),
        ({"height": 72}, ValueError, "height must be a multiple of 16, got 72"),
        ({"strenght": 0.5}, TypeError, "did you mean 'strength'"),
    ],
)
def test_settings_are_checked_before_any_work(image_to_image, red_circle, settings, error, message):
    with pytest.raises(error, match=message):
        image_to_image.generate(GREEN, red_circle, **settings)


def test_the_size_must_come_from_somewhere(image_to_image):
    with pytest.raises(ValueError, match="height is None and there is no picture to take it from"):
        image_to_image.sigmas()
    with pytest.raises(ValueError, match="width is None and there is no picture"):
        Text2ImagePipeline(demo_model_path()).generate(GREEN, width=None)


def test_a_folder_without_vae_encoder_still_draws_from_text(model_copy):
    (model_copy / "vae_encoder/openvino_model.xml").unlink()
    Text2ImagePipeline(model_copy)
    for needs_it in (Image2ImagePipeline, InpaintingPipeline):
        with pytest.raises(ModelFolderError, match=r"vae_encoder.openvino_model\.xml is missing"):
            needs_it(model_copy)


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", ["FluxImg2ImgPipeline", "FluxInpaintPipeline"])
def test_the_plain_classes_are_the_same_model(model_copy, name):
    edit(model_copy / "model_index.json", _class_name=name)
    for takes_it in (Text2ImagePipeline, Image2ImagePipeline, InpaintingPipeline):
        takes_it(model_copy)


def test_fill_is_for_inpainting_only_and_needs_its_channels(model_copy):
    edit(model_copy / "model_index.json", _class_name="FluxFillPipeline")
    for refuses in (Text2ImagePipeline, Image2ImagePipeline):
        with pytest.raises(ModelFolderError, match="does inpainting only; use InpaintingPipeline"):
            refuses(model_copy)
    with pytest.raises(ModelFolderError, match="in_channels=64 instead of 384"):
        InpaintingPipeline(model_copy)
    edit(model_copy / "transformer/config.json", in_channels=384)
    fill = InpaintingPipeline(model_copy)
    config = fill.get_generation_config()
    assert config.strength == 1.0
    # the demo model's own
    assert (config.guidance_scale, config.num_inference_steps) == (3.5, 28)
    (model_copy / "generation_config.json").unlink()
    config = InpaintingPipeline(model_copy).get_generation_config()
    assert (config.guidance_scale, config.num_inference_steps) == (30.0, 50)
    with pytest.raises(RuntimeError, match="does not cache Fill models, and starts"):
        InpaintingPipeline(model_copy, backend="native")


def test_other_conditions_are_not_supported(model_copy):
    edit(model_copy / "transformer/config.json", in_channels=128)
    with pytest.raises(ModelFolderError, match="in_channels=128 instead of 64"):
        Text2ImagePipeline(model_copy)
