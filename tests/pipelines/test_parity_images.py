"""Parity with diffusers where a picture is given: the same noise, the same picture."""

import numpy as np
import pytest

from taylorseer_ov import Image2ImagePipeline, InpaintingPipeline
from taylorseer_ov.cli import main
from taylorseer_ov.flux.generators import StandardNormalGenerator
from taylorseer_ov.flux.picture_reading import read_picture
from taylorseer_ov.flux.sampling import first_step
from tests.common import F32, PROMPT

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]

COMMON = {"num_inference_steps": 6, "max_sequence_length": 32, "guidance_scale": 3.5}
SEED = 7


def drawing(height=70, width=101):
    """A picture whose sizes are no multiples of 16, with edges and a gradient."""
    from PIL import Image

    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)
    pixels[height // 4 : height // 2, width // 3 :, 1] = 200
    return Image.fromarray(pixels)


def mask(height=70, width=101):
    """White in one corner, with an edge that is not on a token's."""
    from PIL import Image

    pixels = np.zeros((height, width), np.uint8)
    pixels[: height // 2 + 3, : width // 2 + 5] = 255
    return Image.fromarray(pixels)


@pytest.fixture
def noise(monkeypatch):
    """Have diffusers take all its noise from our generator, in the order it asks for it."""
    import torch
    from diffusers.models.autoencoders import vae
    from diffusers.pipelines.flux import (
        pipeline_flux_fill,
        pipeline_flux_img2img,
        pipeline_flux_inpaint,
    )

    generator = StandardNormalGenerator(SEED)

    def randn_tensor(shape, **_):
        return torch.from_numpy(generator.randn_tensor(tuple(shape)))

    for module in (vae, pipeline_flux_fill, pipeline_flux_img2img, pipeline_flux_inpaint):
        monkeypatch.setattr(module, "randn_tensor", randn_tensor)


def draw_with_diffusers(name, folder, **settings):
    import diffusers
    import torch

    pipeline = getattr(diffusers, name).from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return np.stack([np.asarray(image) for image in pipeline(PROMPT, **settings).images])


def assert_alike(ours, theirs):
    difference = np.abs(ours.astype(int) - theirs)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize("strength", [0.3, 0.6, 1.0])
def test_image_to_image(exported, pipeline_folder, noise, strength):
    settings = COMMON | {"strength": strength}
    ours = Image2ImagePipeline(exported[0], backend="python", **F32).generate(
        PROMPT, drawing(), generator=StandardNormalGenerator(SEED), **settings
    )
    assert ours.data.shape == (1, 64, 96, 3)
    theirs = draw_with_diffusers(
        "FluxImg2ImgPipeline", pipeline_folder, image=drawing(), height=64, width=96, **settings
    )
    assert_alike(ours.data, theirs)


def test_several_pictures_from_one(exported, pipeline_folder, noise):
    settings = COMMON | {"num_images_per_prompt": 2, "height": 64, "width": 64}
    ours = Image2ImagePipeline(exported[0], backend="python", **F32).generate(
        PROMPT, drawing(), generator=StandardNormalGenerator(SEED), **settings
    )
    theirs = draw_with_diffusers(
        "FluxImg2ImgPipeline", pipeline_folder, image=drawing(), **settings
    )
    assert_alike(ours.data, theirs)


@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_inpainting(exported, pipeline_folder, noise, strength):
    settings = COMMON | {"strength": strength}
    options = settings | {"keep_unmasked": False, "generator": StandardNormalGenerator(SEED)}
    ours = InpaintingPipeline(exported[0], backend="python", **F32).generate(
        PROMPT, drawing(), mask(), **options
    )
    pictures = {"image": drawing(), "mask_image": mask(), "height": 64, "width": 96}
    theirs = draw_with_diffusers("FluxInpaintPipeline", pipeline_folder, **pictures, **settings)
    assert_alike(ours.data, theirs)


@pytest.mark.parametrize("settings", [{}, {"strength": 0.5}, {"num_images_per_prompt": 2}])
def test_fill(exported_fill, fill_folder, noise, settings):
    settings = COMMON | settings
    options = settings | {"keep_unmasked": False, "generator": StandardNormalGenerator(SEED)}
    ours = InpaintingPipeline(exported_fill, **F32).generate(PROMPT, drawing(), mask(), **options)
    pictures = {"image": drawing(), "mask_image": mask(), "height": 64, "width": 96}
    theirs = draw_with_diffusers("FluxFillPipeline", fill_folder, **pictures, **settings)
    assert_alike(ours.data, theirs)


def test_fill_in_openvino_genai_differs_in_the_noise_only(exported_fill):
    """It draws noise in another order and none for the picture, and truncates pixels."""
    import openvino as ov
    import openvino_genai

    settings = COMMON | {"height": 64, "width": 96, "strength": 1.0}
    image, white = np.asarray(drawing(64, 96))[None], np.asarray(mask(64, 96))[None, ..., None]
    genai = openvino_genai.InpaintingPipeline(exported_fill, "CPU", **F32)
    theirs = genai.generate(PROMPT, ov.Tensor(image), ov.Tensor(white.copy()), **settings).data

    generator, shape = openvino_genai.CppStdGenerator(42), ov.Shape([1, 16, 8, 12])
    initial, masked = (np.array(generator.randn_tensor(shape).data) for _ in range(2))

    class Reordered:
        draws = iter([np.zeros_like(initial), initial, masked])

        def randn_tensor(self, shape):
            return next(self.draws)

    ours = InpaintingPipeline(exported_fill, **F32).generate(
        PROMPT, image, white, generator=Reordered(), keep_unmasked=False, **settings
    )
    assert "starts them from noise alone" in ours.report.backend_reason
    difference = ours.data.astype(int) - theirs
    assert set(np.unique(difference)) <= {0, 1}


def test_fill_from_the_command_line(exported_fill, tmp_path, capsys):
    drawing().save(tmp_path / "in.png")
    mask().save(tmp_path / "mask.png")
    settings = {"num_inference_steps": 6, "max_sequence_length": 32}
    expected = InpaintingPipeline(exported_fill, **F32).generate(
        PROMPT, drawing(), mask(), **settings
    )
    command = ["generate", str(exported_fill), PROMPT, "--steps", "6", "--precision", "f32"]
    command += ["--max-sequence-length", "32", "-o", str(tmp_path / "out.png")]
    image = ["--image", str(tmp_path / "in.png")]
    for pictures in ([], image):
        assert main([*command, *pictures]) == 2
        assert "(generate --image PICTURE --mask PICTURE)" in capsys.readouterr().err
    assert main([*command, *image, "--mask", str(tmp_path / "mask.png")]) == 0
    assert "guidance 30" in capsys.readouterr().out
    assert np.array_equal(read_picture("out", tmp_path / "out.png"), expected.data[0])


def test_the_first_step_is_that_of_diffusers():
    from types import SimpleNamespace

    from diffusers import FluxImg2ImgPipeline

    for steps in range(1, 101):
        scheduler = SimpleNamespace(timesteps=np.arange(steps), order=1)
        for strength in np.arange(1, 101) / 100:
            pipeline = SimpleNamespace(scheduler=scheduler)
            timesteps, _ = FluxImg2ImgPipeline.get_timesteps(pipeline, steps, strength, None)
            assert first_step(steps, float(strength)) == timesteps[0]
