"""The samples that start from a picture, as processes on the demo model."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.common import REPOSITORY

SAMPLES = REPOSITORY / "samples"
PROMPT = "a red circle left of a green star on a white background"


@pytest.fixture
def folder(tmp_path, pipeline):
    prompt = "a red circle left of a yellow square on a white background"
    pipeline.generate(prompt, rng_seed=3, cache=None).images[0].save(tmp_path / "in.png")
    mask = np.zeros((128, 128), np.uint8)
    mask[:, 60:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "given"), [("image2image", ["in.png"]), ("inpainting", ["in.png", "mask.png"])]
)
def test_a_sample_draws_and_overwrites_nothing(folder, name, given):
    command = [sys.executable, SAMPLES / f"{name}.py", "demo", *given, PROMPT, "out.png"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ran the transformer" in done.stdout
    drawn = np.asarray(Image.open(folder / "out.png").convert("RGB"))
    # the square has become a star: green, not yellow
    assert drawn.shape == (128, 128, 3)
    red, green, _ = drawn[60:68, 88:96].mean((0, 1))
    assert green > red + 50

    again = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert again.returncode == 1
    assert "OUTPUT must not exist yet" in again.stderr
