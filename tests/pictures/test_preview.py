"""Previews show the picture that is coming, from latents alone."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from taylorseer_ov import Text2ImagePipeline, demo_model_path, psnr
from taylorseer_ov.flux.folder import FluxFolder
from taylorseer_ov.flux.latents import pack_latents
from taylorseer_ov.pictures.preview import (
    Previewer,
    encode_preview,
    preview_callback,
    preview_event,
    save_previews,
)
from taylorseer_ov.pictures.preview_fit import fit_map, fit_preview
from taylorseer_ov.pictures.preview_map import LatentPreview, read_preview, write_preview
from tests.common import PROMPT

rng = np.random.default_rng(0)
MAP = LatentPreview(rng.uniform(-20, 20, (16, 3)), np.array([100.0, 128.0, 150.0]), 8)


def small(pictures):
    """Pictures an eighth as large, by Pillow."""
    height, width = pictures.shape[1] // 8, pictures.shape[2] // 8
    return np.stack(
        [Image.fromarray(p).resize((width, height), Image.Resampling.BOX) for p in pictures]
    )


@pytest.fixture(scope="module")
def trajectory(pipeline):
    """Latents after every step of a picture, and the picture."""
    latents = []
    result = pipeline.generate(
        "a large white star on a green background",
        rng_seed=5,
        cache=None,
        callback=lambda step, num_steps, now: latents.append(now),
    )
    return latents, result.data


# --- the map -------------------------------------------------------------------------------------


def test_a_pixel_s_colour_is_the_map_of_its_channels():
    latents = rng.normal(size=(2, 16, 4, 6)).astype(np.float32)
    picture = MAP.picture(pack_latents(latents), 32, 48)
    assert picture.shape == (2, 4, 6, 3)
    assert picture.dtype == np.uint8
    for n, y, x in [(0, 0, 0), (1, 3, 5), (0, 2, 1)]:
        colour = [
            sum(float(latents[n, c, y, x]) * MAP.weights[c, k] for c in range(16)) + MAP.bias[k]
            for k in range(3)
        ]
        np.testing.assert_allclose(picture[n, y, x], np.clip(colour, 0, 255), atol=0.51)


def test_a_fit_finds_the_map_that_made_the_pictures():
    latents = rng.normal(size=(3, 16, 8, 8)).astype(np.float32) * 0.3
    colours = np.einsum("nchw,ck->nhwk", latents, MAP.weights) + MAP.bias
    pictures = np.rint(colours).astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    found = fit_map(pack_latents(latents), pictures)
    assert found.vae_scale == 8
    np.testing.assert_allclose(found.weights, MAP.weights, atol=0.5)
    np.testing.assert_allclose(found.bias, MAP.bias, atol=0.2)


def test_shapes_that_do_not_belong_together():
    tokens = np.zeros((1, 16, 64), np.float32)
    with pytest.raises(ValueError, match=r"of a 128x64 picture takes .*\(N, 32, 64\), got \(1, 16"):
        MAP.picture(tokens, 64, 128)
    with pytest.raises(ValueError, match="are not those of pictures of shape"):
        fit_map(tokens, np.zeros((1, 60, 60, 3), np.uint8))
    with pytest.raises(ValueError, match="4 pixels are too few to fit 16 channels"):
        fit_map(tokens[:, :1], np.zeros((1, 16, 16, 3), np.uint8))


# --- during a generation -------------------------------------------------------------------------


def test_on_a_straight_course_the_end_is_seen_from_the_second_step_on():
    clean, noise = rng.normal(size=(2, 1, 16, 8, 8)).astype(np.float32)
    sigmas = np.array([1, 0.8, 0.5, 0.2, 0])
    previewer = Previewer(MAP, sigmas, 64, 64)
    expected = MAP.picture(pack_latents(clean), 64, 64).astype(int)
    for step, sigma in enumerate(sigmas[1:]):
        now = pack_latents(((1 - sigma) * clean + sigma * noise).astype(np.float32))
        shown = previewer.picture(step, now)
        if step == 0:
            assert shown is None
        else:
            assert np.abs(shown - expected).max() <= 1


def test_the_demo_model_s_preview_looks_like_the_picture_long_before_the_end(trajectory):
    latents, pictures = trajectory
    preview = read_preview(FluxFolder.read(demo_model_path()))
    sigmas = Text2ImagePipeline(demo_model_path(), backend="python").sigmas()
    previewer = Previewer(preview, sigmas, 128, 128)
    expected = small(pictures)
    likeness = [
        (psnr(shown, expected), psnr(preview.picture(now, 128, 128), expected))
        for step, now in enumerate(latents)
        if (shown := previewer.picture(step, now)) is not None
    ]
    assert len(likeness) == 27
    assert likeness[-1][0] == likeness[-1][1] > 15
    previewed, raw = likeness[6]  # after 8 of 28 steps
    assert previewed > likeness[-1][0] - 1
    assert raw < previewed - 5


def test_previews_are_written_every_few_steps_and_nothing_else(pipeline, tmp_path):
    settings = {"num_inference_steps": 9, "num_images_per_prompt": 2}
    show = save_previews(tmp_path / "new")
    callback = preview_callback(pipeline, show, every=3, **settings)
    pipeline.generate(PROMPT, callback=callback, **settings)
    written = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert written == ["step_003.png", "step_006.png", "step_009.png"]
    with Image.open(tmp_path / "new" / "step_006.png") as picture:
        assert picture.size == (2 * 16 * 4, 16 * 4)
    with pytest.raises(FileExistsError, match=r"step_003\.png exists already; choose another"):
        save_previews(tmp_path / "new")
    save_previews(tmp_path / "new", "seed7")


def test_a_preview_as_json():
    picture = rng.integers(0, 256, (1, 4, 4, 3), dtype=np.uint8)
    values = json.loads(json.dumps(preview_event(12, encode_preview(picture, enlarge=1))))
    assert values["steps"] == 12
    with Image.open(io.BytesIO(base64.b64decode(values["png"]))) as decoded:
        np.testing.assert_array_equal(np.asarray(decoded), picture[0])


# --- beside a model ------------------------------------------------------------------------------


def test_a_preview_comes_back_as_it_was_written(model_copy):
    folder = FluxFolder.read(model_copy)
    assert write_preview(folder, MAP, into=model_copy) == model_copy / "preview.json"
    found = read_preview(folder)
    np.testing.assert_array_equal(found.weights, MAP.weights)
    np.testing.assert_array_equal(found.bias, MAP.bias)
    assert found.vae_scale == 8
    assert not list(model_copy.glob("*.part"))


def test_the_user_s_preview_goes_first(user_folder):
    """And the one that ships, which lies inside the package, is never written over."""
    folder = FluxFolder.read(demo_model_path())
    shipped = read_preview(folder)
    path = write_preview(folder, MAP)
    assert user_folder in path.parents
    np.testing.assert_array_equal(read_preview(folder).weights, MAP.weights)
    path.unlink()
    np.testing.assert_array_equal(read_preview(folder).weights, shipped.weights)
    with pytest.raises(ValueError, match="is inside the installed package"):
        write_preview(folder, MAP, into=demo_model_path())


def test_no_preview_is_refused_with_what_makes_one(model_copy):
    (model_copy / "preview.json").unlink()
    with pytest.raises(ValueError, match=r"no previews: .*is missing; `taylorseer-ov calibrate`"):
        read_preview(FluxFolder.read(model_copy))


def test_a_preview_of_another_vae_is_refused(model_copy):
    weights = model_copy / "vae_decoder" / "openvino_model.bin"
    content = bytearray(weights.read_bytes())
    content[len(content) // 64] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match="was fitted to another VAE than the one beside it"):
        read_preview(FluxFolder.read(model_copy))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "x"}, "no preview of a known format"),
        ({"weights": None}, "damaged"),
        ({"weights": [[1, 2]]}, r"damaged \(a preview needs weights of shape \(channels, 3\)"),
        ({"weights": [[1, 2, "x"]] * 16}, "damaged"),
        ({"weights": [[1, 2, float("nan")]] * 16}, "must be finite"),
        ({"weights": [[1, 2, 10**400]] * 16}, "damaged"),
        ({"bias": {}}, "damaged"),
        ({"vae_scale": 0}, "vae_scale must be from 1 to 64, got 0"),
        ({"vae_scale": 4}, "is for 16 channels of 4 pixels, the VAE has 16 of 8"),
        ({"weights": [[1, 2, 3]] * 4}, "is for 4 channels of 8 pixels"),
    ],
)
def test_a_damaged_preview_is_refused(model_copy, changes, message):
    path = model_copy / "preview.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=message):
        read_preview(FluxFolder.read(model_copy))


def test_fitting_a_model_s_preview(pipeline):
    prompts = [
        PROMPT,
        "a small green star on white",
        "a yellow square left of a black triangle on red",
    ]
    lines = []
    settings = {"num_inference_steps": 4, "first_seed": 7}
    preview = fit_preview(pipeline, prompts, say=lines.append, **settings)
    assert re.fullmatch(r"preview: PSNR \d+\.\d dB .*, with 1 of 3 prompts held out", lines[0])
    latents = []
    picture = pipeline.generate(
        PROMPT, num_inference_steps=4, rng_seed=7, callback=lambda *step: latents.append(step[2])
    ).data
    assert psnr(preview.picture(latents[-1], 128, 128), small(picture)) > 16
    again = fit_preview(pipeline, prompts, present=preview, say=lines.append, **settings)
    assert again is preview
    assert "not kept, since it is not better than the one there is" in lines[-1]
    poor = LatentPreview(preview.weights * 0, preview.bias, preview.vae_scale)
    assert fit_preview(pipeline, prompts, present=poor, **settings) is not poor
    with pytest.raises(ValueError, match="at least three prompts, got 2"):
        fit_preview(pipeline, prompts[:2])
