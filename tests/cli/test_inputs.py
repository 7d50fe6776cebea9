"""`generate --image --mask --strength`: the tasks that start from a picture, and `-C` of theirs."""

import json

import numpy as np
import pytest
from PIL import Image

from taylorseer_ov import Image2ImagePipeline, InpaintingPipeline, Recipe, demo_model_path
from taylorseer_ov.cli import main
from tests.cli.common import generate, pixels
from tests.common import F32, PROMPT

EXACT = ["--precision", "f32", "--backend", "python", "--steps", "4"]
STAR = "a large yellow star on a blue background"


@pytest.fixture
def inputs(tmp_path):
    """A folder with a picture, a mask whose right half is white, and what is neither."""
    y, x = np.mgrid[:70, :100]
    picture = np.stack([2 * x, 3 * y, x + y], axis=-1).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "in.png")
    Image.fromarray(255 * (x >= 48).astype(np.uint8)).save(tmp_path / "mask.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("no picture")
    Image.new("1", (8100, 8100)).save(tmp_path / "huge.png")
    return tmp_path


@pytest.mark.parametrize("masked", [False, True])
def test_the_picture_of_the_library_is_drawn(masked, inputs):
    image, mask = inputs / "in.png", inputs / "mask.png"
    kind = InpaintingPipeline if masked else Image2ImagePipeline
    settings = {"strength": 0.75, "num_inference_steps": 4}
    named = {"image": image} | ({"mask_image": mask} if masked else {})
    expected = kind(demo_model_path(), backend="python", **F32).generate(STAR, **named, **settings)
    options = ["--image", image, *(["--mask", mask] if masked else []), "--strength", "0.75"]
    folder = inputs / "drawn"
    (path,) = generate(folder, "demo", STAR, *EXACT, *options)
    assert expected.data.shape == (1, 64, 96, 3)  # its size, in whole tokens
    assert pixels(path) == expected.data.tobytes()
    assert Recipe.from_picture(path).asked.cache is None


def differences(capsys, *options):
    """The warnings of a command, each of a difference but for that of the inputs' small size."""
    assert main(["generate", "--json", *map(str, options)]) == 0
    events = map(json.loads, capsys.readouterr().out.splitlines())
    told = [event["message"] for event in events if event["event"] == "warning"]
    told = [message for message in told if not message.startswith("this model was trained on")]
    assert all(message.startswith("not the same picture bit for bit: ") for message in told)
    return [message.partition(": ")[2] for message in told]


def test_a_picture_is_drawn_again_from_the_same_inputs(inputs, capsys):
    given = ["--image", inputs / "in.png", "--mask", inputs / "mask.png"]
    folder = inputs / "drawn"
    options = [*given, *EXACT, "--cache", "fast", "--strength", "1", "--seed", "3"]
    (first,) = generate(folder, "demo", STAR, *options)
    capsys.readouterr()
    again = inputs / "again.png"
    assert differences(capsys, "-C", first, *given, "-o", again) == []
    assert pixels(again) == pixels(first)
    assert main(["generate", "-C", str(again)]) == 2
    told = capsys.readouterr().err
    assert "was drawn from another picture, which it does not hold: give it again with " in told
    assert "with --image and --mask" in told


def test_other_inputs_than_those_of_the_recipe_are_told(inputs, capsys):
    image, mask, folder = inputs / "in.png", inputs / "mask.png", inputs / "drawn"
    (plain,) = generate(folder, "demo", PROMPT, *EXACT, "--cache", "off")
    (redrawn,) = generate(folder, "demo", PROMPT, *EXACT, "--image", image)
    (filled,) = generate(folder, "demo", PROMPT, *EXACT, "--image", image, "--mask", mask)
    capsys.readouterr()
    there = ["-o", folder]
    assert differences(capsys, "-C", plain, "--image", image, *there) == [
        "it was drawn without a picture, here there is one"
    ]
    assert differences(capsys, "-C", redrawn, "--image", plain, *there) == [
        "it was drawn from another picture"
    ]
    assert differences(capsys, "-C", redrawn, "--image", image, "--mask", mask, *there) == [
        "it was drawn without a mask, here there is one"
    ]
    assert differences(capsys, "-C", filled, "--image", image, "--mask", image, *there) == [
        "it was drawn from another mask"
    ]


def test_the_settings_of_a_picture_drawn_from_text_leave_the_strength_open(inputs):
    image, folder = inputs / "in.png", inputs / "drawn"
    (plain,) = generate(folder, "demo", PROMPT, *EXACT)
    (redrawn,) = generate(folder, "-C", plain, "--image", image)
    asked = Recipe.from_picture(redrawn).asked
    assert (asked.strength, asked.width, asked.num_inference_steps) == (0.6, 128, 4)


def test_previews_seeds_and_info(inputs, capsys):
    folder = inputs / "drawn"
    options = ["--image", inputs / "in.png", "--strength", "1", "--steps", "4", "--seed", 1, 2]
    first, second = generate(folder, "demo", STAR, *options, "--preview", inputs / "on the way")
    assert pixels(first) != pixels(second)
    previews = sorted((inputs / "on the way").iterdir())
    assert [path.name for path in previews] == ["seed1_step_004.png", "seed2_step_004.png"]
    with Image.open(previews[0]) as preview:
        assert preview.size == (96 // 2, 64 // 2)
    capsys.readouterr()
    assert main(["info", str(first)]) == 0
    told = capsys.readouterr().out
    assert "strength    1\n" in told
    assert f"from image  {Recipe.from_picture(first).inputs['image']}\n" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mask", "mask.png"], "--mask says where a picture is drawn anew; give that picture w"),
        (["--strength", "0.5"], "--strength says how much of a picture is drawn anew; give that"),
        (["--image", "none.png"], "--image: there is no file 'none.png'"),
        (["--image", "."], "--image: '.' is a folder, not a picture"),
        (["--image", "text.png"], "--image: 'text.png' cannot be read as a picture"),
        (["--image", "in.png", "--mask", "text.png"], "--mask: 'text.png' cannot be read as a pi"),
        (["--image", "huge.png"], "--image: 'huge.png' has over 64 million pixels"),
        (["--image", "small.png"], "--image has a width of 8, less than 16 pixels; give --width"),
        (["--image", "in.png", "--strength", "2"], "--strength must be from 0 to 1, got 2.0"),
        (["--image", "in.png", "--width", "100000000"], "--width must be a whole number from 16"),
        (["-C", "in.png", "--image", "in.png"], "in.png holds no recipe of taylorseer_ov"),
        (["-C", "none.png"], "--config-from: cannot read 'none.png'"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused_before_models_load(
    options, message, inputs, monkeypatch, capsys
):
    def load(*_):
        raise AssertionError("models are loaded")

    monkeypatch.chdir(inputs)
    monkeypatch.setattr("taylorseer_ov.pipelines.backends.Backends.load", load)
    assert main(["generate", "demo", STAR, *options]) == 2
    assert f"taylorseer-ov: error: {message}" in capsys.readouterr().err


def test_a_folder_in_place_of_a_picture_is_said_to_be_one(tmp_path, capsys):
    assert main(["generate", "demo", "a red circle", "--image", str(tmp_path)]) == 2
    assert "is a folder, not a picture" in capsys.readouterr().err
