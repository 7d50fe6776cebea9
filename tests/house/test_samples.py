"""The samples that start from a picture, on the demo model."""

import numpy as np
import pytest
from PIL import Image

from tests.common import run_sample

PROMPT = "a red circle left of a green star on a white background"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pipeline):
    folder = tmp_path_factory.mktemp("given")
    prompt = "a red circle left of a yellow square on a white background"
    pipeline.generate(prompt, rng_seed=3, cache=None).images[0].save(folder / "in.png")
    mask = np.zeros((128, 128), np.uint8)
    mask[:, 60:] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return folder


# the plans beside the model are for more steps than are drawn of a given picture
@pytest.mark.filterwarnings("ignore::taylorseer_ov.CalibrationWarning")
@pytest.mark.parametrize(
    ("name", "given"), [("image2image", ["in.png"]), ("inpainting", ["in.png", "mask.png"])]
)
def test_a_sample_draws_and_overwrites_nothing(folder, name, given, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    output = f"{name}.png"
    words = ["demo", *given, PROMPT, output]
    run_sample(f"{name}.py", *words)
    assert "ran the transformer" in capsys.readouterr().out
    drawn = np.asarray(Image.open(output).convert("RGB"))
    # the square has become a star: green, not yellow
    assert drawn.shape == (128, 128, 3)
    red, green, _ = drawn[60:68, 88:96].mean((0, 1))
    assert green > red + 50

    with pytest.raises(SystemExit, match="OUTPUT must not exist yet"):
        run_sample(f"{name}.py", *words)
