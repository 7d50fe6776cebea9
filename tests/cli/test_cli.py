"""The command line and the samples, by their exit status, output and files."""

import base64
import errno
import io
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from PIL import Image

from taylorseer_ov import Recipe, TaylorSeerCacheConfig, demo_model_path
from taylorseer_ov.cli import main
from taylorseer_ov.cli.console import Console
from taylorseer_ov.cli.prompt_files import read_prompts
from tests.cli.common import generate, pixels
from tests.common import PROMPT, run_sample

pytestmark = pytest.mark.usefixtures("demo_model_is_loaded_once")

QUICK = ["--steps", "9", "--disable-cache-before-step", "2", "--disable-cache-after-step", "-1"]
QUICK_CACHE = TaylorSeerCacheConfig(3, 2, -1)  # what these options make of the default
INTERVAL = ["--cache-interval", "4"]


def picture_size(path):
    with Image.open(path) as picture:
        return picture.size


def test_the_sample_draws_both_pictures_and_tells_what_caching_did(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run_sample("taylorseer_text2image.py", "demo", PROMPT, *QUICK, "--output-dir", tmp_path)
    assert ended.value.code == 0
    told = capsys.readouterr()
    sizes = {path.name: picture_size(path) for path in tmp_path.iterdir()}
    assert sizes.pop("taylorseer_comparison.png") > (3 * 384, 400)
    assert sizes == {"taylorseer_baseline.png": (128, 128), "taylorseer.png": (128, 128)}
    assert "schedule    CC..C..CC" in told.out
    assert "of at most 1.80x (5 of 9 transformer runs" in told.out
    assert "PSNR" in told.out
    assert "SSIM" in told.out
    assert told.err.startswith("loading demo_model\n")
    assert "%|" not in told.err


def test_the_api_sample(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_sample("python_api.py")
    assert picture_size(tmp_path / "star_and_square.png") == (128, 128)
    assert "14 of 28 steps ran the transformer" in capsys.readouterr().out


def test_cache_by_name_and_off(tmp_path, capsys):
    for name, runs in (("fast", "8 of 28"), ("off", "28 of 28")):
        folder = tmp_path / name
        arguments = ["generate", "demo", PROMPT, "--cache", name, "-o", str(folder)]
        assert main(arguments) == 0
        assert f"{runs} steps ran the transformer" in capsys.readouterr().out


def drawn_cache(folder, model, *options):
    """The cache that a picture of a command line was drawn with, as its recipe has it."""
    (picture,) = generate(folder, str(model), PROMPT, "--steps", "9", *options)
    return Recipe.from_picture(picture).asked.cache


def test_without_options_the_library_s_default_is_taken(tmp_path, capsys):
    assert drawn_cache(tmp_path, "demo") == TaylorSeerCacheConfig()
    assert main(["generate", "demo", PROMPT, "-o", str(tmp_path)]) == 0
    assert "as openvino_genai does by default; --cache high is" in capsys.readouterr().out


def test_a_model_s_own_default_is_taken_and_single_fields_start_from_it(model_copy, tmp_path):
    own = {"disable_cache_before_step": 2, "disable_cache_after_step": -1}
    path = model_copy / "generation_config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"cache": own}))
    assert drawn_cache(tmp_path, model_copy) == TaylorSeerCacheConfig(3, 2, -1)
    assert drawn_cache(tmp_path, model_copy, *INTERVAL) == TaylorSeerCacheConfig(4, 2, -1)
    assert drawn_cache(tmp_path, model_copy, "--cache", "off") is None
    path.write_text(json.dumps(values | {"cache": None}))
    assert drawn_cache(tmp_path, model_copy) is None
    assert drawn_cache(tmp_path, model_copy, *INTERVAL) == TaylorSeerCacheConfig(4)


def test_a_picture_drawn_again_keeps_its_cache_where_no_option_changes_it(tmp_path, capsys):
    cases = {("--cache", "off"): None, (): TaylorSeerCacheConfig(), tuple(QUICK[2:]): QUICK_CACHE}
    for number, (options, cache) in enumerate(cases.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        (first,) = generate(folder, "demo", PROMPT, "--steps", "9", *options)
        (again,) = generate(folder, "-C", str(first))
        assert Recipe.from_picture(again).asked.cache == cache
        assert pixels(again) == pixels(first)
    (few,) = generate(tmp_path, "demo", PROMPT, "--steps", "4")
    (again,) = generate(tmp_path, "-C", str(few))
    assert Recipe.from_picture(again).report["cache"] == Recipe.from_picture(few).report["cache"]
    assert "inactive" not in capsys.readouterr().err
    (changed,) = generate(tmp_path, "-C", str(first), *INTERVAL)
    assert Recipe.from_picture(changed).asked.cache == replace(QUICK_CACHE, cache_interval=4)


THREE_PROMPTS = "a large red star on blue\n\na small white circle on black\n" + PROMPT
CALIBRATION = ["--steps", "7", "--runs", "4"]


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text(THREE_PROMPTS)
    return path


def content_of(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_calibrate_keeps_what_it_learns_in_the_user_s_folder(prompts, user_folder, capsys):
    before = content_of(demo_model_path())
    assert main(["calibrate", "demo", "--prompts", str(prompts), *CALIBRATION]) == 0
    assert content_of(demo_model_path()) == before
    (path,) = user_folder.rglob("cache_plans.json")
    written = json.loads(path.read_text())
    assert [plan["plan"]["mask"].count("C") for plan in written["plans"]] == [4]
    told = capsys.readouterr()
    assert "dB held out" in told.out
    assert f"wrote {path}" in told.out
    assert "3 prompts are few to calibrate on" in told.err
    assert main(["info", "demo"]) == 0
    told = capsys.readouterr().out
    assert f"in {path}:" in told
    assert f"in {demo_model_path() / 'cache_plans.json'}:" in told
    assert main(["calibrate", "demo", "--prompts", str(prompts), *CALIBRATION, "--json"]) == 0
    events = {
        event["event"]: event for event in map(json.loads, capsys.readouterr().out.split("\n")[:-1])
    }
    assert events["plans"]["path"] is None
    assert events["plans"]["kept"] == [False]
    assert events["preview_map"]["path"] is None
    assert json.loads(path.read_text()) == written


def test_calibrate_writes_beside_a_model_when_told(model_copy, prompts, user_folder, capsys):
    for file in ("cache_plans.json", "preview.json"):
        (model_copy / file).unlink()
    options = ["--prompts", str(prompts), *CALIBRATION, "--into", str(model_copy)]
    assert main(["calibrate", str(model_copy), *options]) == 0
    assert (model_copy / "cache_plans.json").is_file()
    assert (model_copy / "preview.json").is_file()
    assert not list(user_folder.rglob("*.json"))


def test_calibrate_refuses_before_any_work(prompts, tmp_path, monkeypatch, capsys):
    command = ["calibrate", "demo", "--prompts"]
    assert main([*command, str(tmp_path / "none")]) == 2
    assert "cannot read the prompts" in capsys.readouterr().err
    few = tmp_path / "few.txt"
    few.write_text("one\ntwo")
    assert main([*command, str(few)]) == 2
    assert "has 2 prompts; a preview is fitted to at least 3" in capsys.readouterr().err
    assert main([*command, str(prompts), "--into", str(demo_model_path())]) == 2
    assert "is inside the installed package" in capsys.readouterr().err
    monkeypatch.setenv("TAYLORSEER_OV_DATA_DIR", str(few / "folder"))
    assert main([*command, str(prompts)]) == 2
    told = capsys.readouterr()
    assert "set TAYLORSEER_OV_DATA_DIR to another" in told.err
    assert not told.out


@pytest.mark.parametrize("command", [["calibrate", "demo"], ["compare", "demo"]])
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (f"{PROMPT}\n" * 3 + "\xff", "it is not UTF-8, in which prompts are read: byte 1"),
        ('{"prompt": "a", "seed": 1}', "line 1: it has seed, which only batch takes of a line"),
        ('{"prompt": "a", "name": "b"}', "it has name, which only batch takes"),
        ('{"prompt": "a"}\n\n{"prompt": " "}', "line 3: its prompt is empty"),
        ('{"prompt": "a"}\n{', "line 2: it is not JSON"),
        ("\n", "there is no prompt in"),
    ],
)
def test_lines_that_are_more_than_a_prompt_are_refused(command, lines, message, tmp_path, capsys):
    path = tmp_path / "prompts"
    path.write_bytes(lines.encode("latin-1"))
    assert main([*command, "--prompts", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_prompts_in_json_lines_are_the_same(prompts):
    json_lines = prompts.with_suffix(".jsonl")
    json_lines.write_text(
        "".join(json.dumps({"prompt": line}) + "\n" for line in THREE_PROMPTS.splitlines() if line)
    )
    assert read_prompts(json_lines) == read_prompts(prompts)


def test_pictures_are_not_overwritten_unless_told_to(tmp_path, capsys):
    picture = tmp_path / "taylorseer.png"
    picture.write_text("mine")
    command = ["compare", "demo", PROMPT, *QUICK, "--output-dir", str(tmp_path)]
    assert main(command) == 2
    assert "taylorseer.png exists already; add --overwrite" in capsys.readouterr().err
    assert main(["generate", "demo", PROMPT, *QUICK, "-o", str(picture)]) == 2
    assert "taylorseer.png exists already; choose another" in capsys.readouterr().err
    assert picture.read_text() == "mine"
    assert main([*command, "--overwrite"]) == 0
    assert picture_size(picture) == (128, 128)


def test_pictures_that_cannot_be_written_leave_those_that_are_there(tmp_path, monkeypatch, capsys):
    picture = tmp_path / "taylorseer_baseline.png"
    picture.write_text("mine")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("taylorseer_ov.files.os.fsync", full)
    command = ["compare", "demo", PROMPT, *QUICK, "--output-dir", str(tmp_path), "--overwrite"]
    assert main(command) == 1
    assert os.strerror(errno.ENOSPC) in capsys.readouterr().err
    assert picture.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [picture]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", PROMPT], "there is no model folder 'nowhere'"),
        (["demo", PROMPT, "--width", "100"], "--width must be a multiple of 16, got 100"),
        (["demo", PROMPT, "--steps", "0"], "--steps must be a whole number from 1"),
        (["demo", PROMPT, "--seed", "-1"], "--seed must be a whole number from 0"),
        (["demo", PROMPT, "--cache-interval", "1"], "--cache-interval must be a whole number"),
        (["demo", PROMPT, "--device", "TPU"], "unknown device 'TPU'"),
        (["demo", PROMPT, "OUT", "/dev/null/x"], "cannot write into '/dev/null/x'"),
        (["demo"], "missing: --prompt"),
        (["demo", "a", "red", "circle"], "unexpected 'red'; a prompt of several words needs"),
        (["demo", PROMPT, "--device", "text=CPU,denoiser=GPU"], "'denoiser=GPU' is not PART=DEVI"),
        (["demo", PROMPT, "--cache", "fastest"], "--cache fastest is no preset (high, balanced"),
    ],
)
@pytest.mark.parametrize("command", ["compare", "generate"])
def test_misuse_is_one_clear_line_and_exit_status_2(
    command, arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    option = {"compare": "--output-dir", "generate": "--output"}[command]
    assert main([command, *(option if word == "OUT" else word for word in arguments)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("taylorseer-ov: error: ")
    assert message in error
    assert not list(tmp_path.iterdir())


def test_a_failure_has_exit_status_1(tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("the device is gone")

    monkeypatch.setattr("taylorseer_ov.pipelines.tasks.Text2ImagePipeline.draw", fail)
    assert main(["generate", "demo", PROMPT, "-o", str(tmp_path)]) == 1
    assert "taylorseer-ov: error: the device is gone" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="the device is gone"):
        main(["generate", "demo", PROMPT, "-o", str(tmp_path), "--debug"])


def test_warnings_are_lines_not_tracebacks(tmp_path, capsys):
    arguments = ["generate", "demo", "a purple cat", "--steps", "4", "-o", str(tmp_path)]
    arguments += ["--cache-interval", "3"]
    assert main(arguments) == 0
    error = capsys.readouterr().err
    assert "taylorseer-ov: warning: this model's text encoder does not know 'purple'" in error
    assert "taylorseer-ov: warning: caching is inactive, all 4 steps run the transformer" in error
    assert "Warning:" not in error


def test_one_picture_for_each_seed_named_after_what_it_shows(tmp_path):
    command = ["demo", PROMPT, "--seed", "1", "2", "--steps", "2"]
    names = [path.name for path in generate(tmp_path, *command)]
    stem = PROMPT.replace(" ", "-")
    assert names == [f"{stem}_seed1.png", f"{stem}_seed2.png"]
    again = [path.name for path in generate(tmp_path, *command)]
    assert not set(names) & set(again)
    assert len(again) == 2


def test_a_picture_is_drawn_again_from_itself(tmp_path, capsys):
    first = tmp_path / "first"
    first.mkdir()
    options = ["--seed", "7", "--cache", "fast", "--precision", "f32", "--backend", "python"]
    (original,) = generate(first, "demo", PROMPT, *options)
    (again,) = generate(tmp_path, "-C", str(original))
    assert pixels(again) == pixels(original)
    assert "bit for bit" not in capsys.readouterr().err
    (frugal,) = generate(tmp_path, "demo", PROMPT, *options[:-2], "--low-memory")
    (again,) = generate(tmp_path, "-C", str(frugal))
    assert pixels(again) == pixels(frugal)
    assert "bit for bit" not in capsys.readouterr().err
    (other,) = generate(tmp_path, "-C", str(original), "--seed", "8")
    (direct,) = generate(first, "demo", PROMPT, *options[2:], "--seed", "8")
    assert pixels(other) == pixels(direct)
    assert pixels(other) != pixels(original)


def test_a_picture_without_metadata_is_no_recipe(tmp_path, capsys):
    (plain,) = generate(tmp_path, "demo", PROMPT, "--steps", "2", "--no-metadata")
    assert main(["generate", "-C", str(plain)]) == 2
    assert "holds no recipe of taylorseer_ov" in capsys.readouterr().err


def test_previews_as_files_and_as_events(tmp_path, capsys):
    generate(tmp_path, "demo", PROMPT, "--preview", str(tmp_path / "on the way"))
    names = sorted(path.name for path in (tmp_path / "on the way").iterdir())
    assert names == [f"step_{step:03}.png" for step in range(4, 29, 4)]
    command = ["generate", "demo", PROMPT, "--preview", "-", "-o", str(tmp_path)]
    assert main(command) == 2
    assert "add --json" in capsys.readouterr().err
    assert main([*command, "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    shown = [event for event in events if event["event"] == "preview"]
    assert [event["steps"] for event in shown] == list(range(4, 29, 4))
    with Image.open(io.BytesIO(base64.b64decode(shown[-1]["png"]))) as picture:
        assert picture.size == (64, 64)


def test_words_may_stand_anywhere_and_options_may_stand_for_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(PROMPT + "\n"))
    spellings = [
        ["demo", PROMPT],
        ["demo", "--steps", "2", PROMPT],
        ["-m", "demo", PROMPT, "--num-inference-steps", "2"],
        ["-p", PROMPT, "--model", "demo"],
        ["demo", "-p", "-"],
    ]
    pictures = set()
    for number, words in enumerate(spellings):
        output = tmp_path / f"{number}.png"
        assert main(["generate", "--steps", "2", *words, "-o", str(output), "--quiet"]) == 0
        with Image.open(output) as picture:
            pictures.add(picture.tobytes())
    assert len(pictures) == 1
    assert capsys.readouterr().out == ""


def test_events_for_programs(tmp_path, capsys):
    output = tmp_path / "circle.png"
    options = ["--steps", "4", "--cache-interval", "3", "--json"]
    assert main(["generate", "demo", PROMPT, *options, "-o", str(output)]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds == ["warning", "loading", *["progress"] * (len(kinds) - 3), "picture"]
    assert events[-2]["runs"] == events[-2]["of"] == 4
    assert events[-1]["path"] == str(output)
    assert events[-1]["report"]["computed_steps"] == 4
    assert main(["generate", "demo", PROMPT, "--json", "-o", str(output)]) == 2
    error = json.loads(capsys.readouterr().out)
    assert error["status"] == 2
    assert "exists already" in error["message"]


def test_compare_many_makes_a_table(tmp_path, capsys):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(f"{PROMPT}\n\na small white star on black\n")
    options = ["--prompts", str(prompts), "--cache", "high", "fast", "--steps", "10", "--json"]
    assert main(["compare", "demo", *options, "--seed", "1", "2"]) == 0
    table = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert table["pictures"] == 4
    rows = {row["name"].strip(): row for row in table["rows"]}
    assert [row["runs"] for row in table["rows"]] == [5, 5, 4, 4]
    assert rows["high"]["psnr_db"] > rows["plain, 5 steps"]["psnr_db"]
    assert rows["high"]["worst_psnr_db"] <= rows["high"]["psnr_db"]


@pytest.mark.posix
def test_a_closed_pipe_is_no_traceback():
    command = f"{sys.executable} -m taylorseer_ov.cli completion bash | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stdout.startswith("#")
    assert done.stderr == ""


def test_report_as_json(pipeline):
    report = pipeline.generate(PROMPT, num_inference_steps=2).report
    values = json.loads(report.to_json())
    assert values["computed_steps"] == 2
    assert values["devices"] == ["CPU", "CPU", "CPU"]


def test_what_is_said_fits_a_terminal_and_does_not_steer_it(capsys):
    """Whatever a stranger's file has in the place of a number."""
    for said in ("x" * 10**6, "\x1b[2J\x07 and more"):
        Console(json=False, quiet=False).fail(f"width must be a number, got {said}; less", 2)
        told = capsys.readouterr().err
        assert len(told) < 1300
        assert told.startswith("taylorseer-ov: error: width must be a number, got ")
        assert told.endswith("; less\n")
        assert "\x1b" not in told
    assert "\\x1b[2J" in told


def test_an_error_of_the_system_is_told_without_its_number(tmp_path, capsys):
    assert main(["info", "x" * 5000]) != 0
    assert f"{'x' * 100}" in (told := capsys.readouterr().err)
    assert told.rstrip().endswith("File name too long")
