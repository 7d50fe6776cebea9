"""`compare DIR DIR`: a table, events and a page of pictures that are drawn already."""

import json

import numpy as np
import pytest
from PIL import Image

from taylorseer_ov import demo_model_path
from taylorseer_ov.cli import main
from taylorseer_ov.pictures import pair_likeness

RANDOM = np.random.default_rng(0)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Folders `a` and `b` with two pairs, one picture alone and one of another size."""
    monkeypatch.chdir(tmp_path)
    picture = RANDOM.integers(0, 256, (32, 32, 3), np.uint8)
    for name, pixels in (("a", picture), ("b", picture // 2 + 60)):
        (tmp_path / name).mkdir()
        Image.fromarray(picture).save(tmp_path / name / "equal.png")
        Image.fromarray(pixels).save(tmp_path / name / "unlike.png")
        Image.new("RGB", (16 * (1 + (name == "b")), 16)).save(tmp_path / name / "size.png")
    Image.new("RGB", (16, 16)).save("a/alone.jpg")
    return ["a", "b"]


def test_folders_are_compared_in_a_table_and_a_page(folders, tmp_path, capsys):
    assert main(["compare", *folders, "-o", "deep/page.html"]) == 0
    told = capsys.readouterr()
    psnr_db = pair_likeness(tmp_path / "a/unlike.png", tmp_path / "b/unlike.png").psnr_db
    title, heads, psnr_line, *_, wrote = told.out.splitlines()
    assert title.startswith("2 pairs;")
    assert heads.split() == ["mean", "tenth", "worst", "worst", "pair"]
    assert psnr_line.split()[0] == "PSNR"
    assert f"{(100 + psnr_db) / 2:.2f} dB" in psnr_line
    assert psnr_line.endswith(f" {psnr_db:.2f} dB  unlike")
    assert "left out: a/alone.jpg has no partner in b" in told.err
    assert "a/size.png and b/size.png differ in size, 16x16 and 32x16 pixels" in told.err
    assert wrote == "wrote deep/page.html"
    page = (tmp_path / "deep/page.html").read_text(encoding="utf-8")
    assert page.count("<article>") == 2
    assert "a/alone.jpg has no partner in b" in page
    assert main(["compare", *folders, "-o", "deep/page.html"]) == 2
    assert "deep/page.html exists already; choose another --page" in capsys.readouterr().err
    assert (tmp_path / "deep/page.html").read_text(encoding="utf-8") == page


def test_names_do_not_steer_the_terminal(folders, tmp_path, capsys):
    for folder in folders:
        (tmp_path / folder / "unlike.png").rename(tmp_path / folder / "\x1b]0;owned\x07.png")
    (tmp_path / "a" / "\x1b[2Jalone.png").write_bytes(b"")
    assert main(["compare", *folders, "-o", "page.html"]) == 0
    told = capsys.readouterr()
    assert told.out.count("\\x1b]0;owned\\x07\n") == 5
    assert "a/\\x1b[2Jalone.png has no partner" in told.err
    assert "\x1b" not in told.out + told.err


def test_programs_get_each_pair_and_the_summary(folders, capsys):
    assert main(["compare", *folders, "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    pairs = [event for event in events if event["event"] == "pair"]
    assert (pairs[0]["stem"], pairs[0]["psnr_db"]) == ("equal", 100)
    assert (pairs[1]["first"], pairs[1]["width"]) == ("a/unlike.png", 32)
    summary = events[-1]
    assert (summary["event"], summary["pairs"], len(summary["left_out"])) == ("summary", 2, 2)
    assert summary["measures"]["gmsd"]["worst"] == pairs[1]["gmsd"]


def test_likeness_of_equal_pictures_is_a_number_of_json(tmp_path, capsys):
    command = ["compare", "demo", "a large red circle on black", "--steps", "2", "--cache", "off"]
    assert main([*command, "--json", "--output-dir", str(tmp_path)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    event = json.loads(last, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (event["event"], event["psnr_db"]) == ("comparison", 100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b", "--cache", "fast", "--seed", "1"], "as they are, without --seed, --cache"),
        (["a", "b", "--output-dir", "c"], "as they are, without --output-dir"),
        (["a", "b", "-o", "page"], "the page must end in .html, got 'page'"),
        (["a", "b", "-o", "/dev/null/page.html"], "cannot write into '/dev/null'"),
        (["a", "empty"], "there is no picture in 'empty'"),
        (["a", "other"], "a and other have no pictures of one name and size"),
        (["a", "othr"], "there is no folder 'othr' to compare them with (did you mean 'other'?)"),
        (["other/none", "a prompt"], "is not a Flux export"),
        (["demo", "a prompt", "-o", "page.html"], "--page is of two folders of pictures"),
    ],
)
def test_misuse_is_said(folders, arguments, message, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "none").mkdir()
    Image.new("RGB", (16, 16)).save("other/elsewhere.png")
    assert main(["compare", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("prompt", ["a", "a red circle " * 30], ids=["a folder", "a long one"])
def test_a_model_folder_and_a_prompt_are_drawn(prompt, folders, tmp_path):
    """Even if there is a folder of the prompt's name, or it is too long for a name."""
    words = [str(demo_model_path()), prompt]
    assert main(["compare", *words, "--steps", "2", "--output-dir", "drawn", "--quiet"]) == 0
    assert (tmp_path / "drawn" / "taylorseer.png").is_file()
