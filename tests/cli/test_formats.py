"""Pictures of the command line: in which format, how many, and drawn again from themselves."""

import errno
import json
import os
import tempfile

import pytest

from taylorseer_ov import Recipe
from taylorseer_ov.cli import main
from taylorseer_ov.files import write_numbered
from taylorseer_ov.pictures.formats import FORMATS
from tests.cli.common import options_of, pixels
from tests.common import PROMPT

# few steps, for which the demo model has no calibrated plans
pytestmark = pytest.mark.filterwarnings("ignore::taylorseer_ov.caching.presets.CalibrationWarning")
QUICK = ["--steps", "2", "--precision", "f32", "--quiet"]


@pytest.mark.parametrize("command", ["generate", "batch"])
def test_all_formats_of_the_library_can_be_typed(command):
    """They stand in the command line too, which loads no library for `--help`."""
    assert options_of(command)["--format"].choices == FORMATS


@pytest.mark.parametrize("name", ["x.jpg", "x.JPEG", "x.webp", "x.PNG"])
def test_a_picture_of_any_format_is_told_about_and_drawn_again(name, tmp_path, capsys):
    first, again = tmp_path / name, tmp_path / f"again-{name}"
    assert main(["generate", "demo", PROMPT, *QUICK, "--seed", "7", "-o", str(first)]) == 0
    assert first.is_file()
    assert main(["generate", "-C", str(first), "--quiet", "-o", str(again)]) == 0
    assert pixels(again) == pixels(first)
    assert "bit for bit" not in capsys.readouterr().err
    assert main(["info", str(first)]) == 0
    assert f"prompt      {PROMPT}\nseed        7\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "x.gif"], "'x.gif' ends in '.gif': pictures end in .png, .jpg, .jpeg, .webp"),
        (["-o", "x.tif"], "a folder with a dot in its name must exist already"),
        (["-o", "x.avif"], "pictures end in"),
        (["-o", "x."], "'x.' ends in '.': pictures end in"),
        (["-o", "x" * 300 + ".jpg"], ".jpg is no name for a file (File name too long)"),
        (["-o", "nowhere.jpg"], "nowhere.jpg exists already; choose another --output"),
        (["-o", "x.jpg", "--format", "webp"], "'x.jpg' is to be 'webp', but ends in '.jpg'"),
        (["-o", "x.jpg", "--num-images", "2"], "x.jpg is one file, for 2 pictures give a folder"),
        (["-o", "x.webp", "-W", "16384", "-H", "16"], "16384x16 pixels is too large for 'webp'"),
        (["--format", "jpg", "-W", "65536", "-H", "16"], "65536x16 pixels is too large for 'jpg'"),
        (["--num-images", "0"], "--num-images must be from 1 to 1000, got 0"),
        (["--num-images", "1001"], "got 1001; for more there is taylorseer-ov batch"),
        (["--num-images", "3", "--seed", "1", "2"], "--num-images 3 counts on from one --seed; 2"),
        (["--num-images", "2", "--seed", "4294967295"], "from 0 to 4294967295, got 4294967296"),
        (["--seed", "1", "-5"], "--seed must be a whole number from 0 to 4294967295, got -5"),
    ],
)
def test_what_cannot_be_written_is_refused_before_models_load(
    options, message, tmp_path, monkeypatch, capsys
):
    def load(*_, **__):
        raise AssertionError("too late")

    monkeypatch.setattr("taylorseer_ov.pipelines.tasks.Text2ImagePipeline.generate", load)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "nowhere")
    assert main(["generate", "demo", PROMPT, *options]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["nowhere.jpg"]


def test_a_folder_with_a_dot_is_a_folder_and_takes_a_format(tmp_path):
    folder = tmp_path / "of.jpg"
    folder.mkdir()
    command = ["generate", "demo", PROMPT, *QUICK, "-o", str(folder)]
    assert main(command) == 0
    assert main([*command, "--format", "jpg"]) == 0
    assert {path.suffix for path in folder.iterdir()} == {".png", ".jpg"}


def test_of_pictures_drawn_at_once_that_one_is_drawn_again(pipeline, tmp_path):
    drawn = pipeline.generate(PROMPT, num_images_per_prompt=2, num_inference_steps=2)
    paths = drawn.save(tmp_path / "drawn")
    for number, path in enumerate(paths):
        again = tmp_path / f"{number}.png"
        assert main(["generate", "-C", str(path), "--quiet", "-o", str(again)]) == 0
        assert pixels(again) == pixels(path)
        assert Recipe.from_picture(again).index == number
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_several_images_follow_the_seed_and_each_is_drawn_again_alone(tmp_path, capsys):
    command = ["generate", "demo", PROMPT, "--steps", "2", "--precision", "f32", "--json"]
    assert main([*command, "--num-images", "3", "--seed", "7", "-o", str(tmp_path)]) == 0
    events = map(json.loads, capsys.readouterr().out.splitlines())
    paths = [event["path"] for event in events if event["event"] == "picture"]
    assert [Recipe.from_picture(path).seed for path in paths] == [7, 8, 9]
    again, seventh = tmp_path / "again.png", tmp_path / "7.png"
    assert main(["generate", "-C", paths[2], "--quiet", "-o", str(again)]) == 0
    assert pixels(again) == pixels(paths[2])
    options = ["--num-images", "1", "--seed", "7", "-o", str(seventh)]
    assert main([*command, *options]) == 0
    assert pixels(seventh) == pixels(paths[0])
    assert main(["generate", "-C", paths[0], "--num-images", "2", "-o", str(tmp_path / "on")]) == 0
    assert [pixels(path) for path in sorted((tmp_path / "on").iterdir())] == [
        pixels(path) for path in paths[:2]
    ]


def test_a_picture_for_which_the_disk_is_full_is_not_lost(tmp_path, monkeypatch, capsys):
    """A disk that fills up while it is drawn: it is written where what is temporary is kept."""

    def write(path, data):
        if path.is_relative_to(tmp_path / "full"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write_numbered(path, data)

    monkeypatch.setattr("taylorseer_ov.pictures.result.write_numbered", write)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    target = tmp_path / "full" / "x.jpg"
    assert main(["generate", "demo", PROMPT, *QUICK, "--seed", "7", "-o", str(target)]) == 1
    (kept,) = tmp_path.glob("taylorseer-ov-*/*.png")
    told = capsys.readouterr().err
    assert "No space left" in told
    assert f"what was drawn is not lost, it is {kept}" in told
    assert Recipe.from_picture(kept).seed == 7
