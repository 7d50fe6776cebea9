"""What the command line says is about what was typed, and comes before anything is made."""

import io
import sys
from pathlib import Path

import pytest

from taylorseer_ov import demo_model_path
from taylorseer_ov.cli import main, parse
from taylorseer_ov.version import install_command
from tests.common import PROMPT

GENERATE = ["generate", "demo", PROMPT]
PYTHON = ("num_inference_steps", "guidance_scale", "_path()", "Pipeline", "scripts/", "='")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Everything happens in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(capsys, *words):
    """The one line that a misuse is answered with."""
    assert main([*words]) == 2
    told = capsys.readouterr()
    assert not told.out
    (line,) = told.err.splitlines()
    return line.removeprefix("taylorseer-ov: error: ")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--max-sequence-length", "900"], "--max-sequence-length must be a whole number from 1"),
        (["--steps", "8", "--cache", "no plan.json"], "--cache 'no plan.json' is no preset (high,"),
        (["--max-order", "-1"], "--max-order must be a whole number of at least"),
        (["--height", "40"], "--height must be a multiple of 16, got 40; 32 is the nearest"),
        (["-C", "none.png"], "none.png"),
    ],
)
def test_errors_name_the_options(options, sentence, capsys):
    told = refusal(capsys, *(GENERATE if "-C" not in options else ["generate"]), *options)
    assert sentence in told
    assert not any(word in told for word in PYTHON)


@pytest.mark.parametrize("option", ["--backend native --low-memory", "--backend native"])
def test_a_refused_backend_is_told_in_options(option, capsys):
    assert main([*GENERATE, "--cache", "fast", *option.split()]) == 1
    told = capsys.readouterr().err
    assert "--backend native cannot do this" in told
    assert "use --backend auto or --backend python" in told
    assert "backend=" not in told


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        (
            "dmeo",
            "(did you mean 'demo'?); give a folder that `taylorseer-ov export` wrote, the hub",
        ),
        ("./models/flux-dv", f"(did you mean {str(Path('models', 'flux-dev'))!r}?); give a folder"),
        ("nothing like it", "there is no model folder 'nothing like it'; give a folder"),
    ],
)
def test_a_model_that_is_not_there(model, meant, folder, capsys):
    (folder / "models" / "flux-dev").mkdir(parents=True)
    for command in ("generate", "compare"):
        assert meant in refusal(capsys, command, model, PROMPT)
    (folder / "prompts.txt").write_text(PROMPT)
    for command in (["batch", "-o", "new"], ["calibrate"]):
        assert meant in refusal(capsys, *command, "-m", model, "--prompts", "prompts.txt")
    assert not (folder / "new").exists()


def test_a_hub_id_without_what_downloads_it_is_told_before_anything_is_made(
    folder, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    (folder / "models" / "flux-dev").mkdir(parents=True)
    for model, meant in (("owner/model", ""), ("models/fluxdev", " (did you mean 'models")):
        assert main(["generate", model, PROMPT, "-o", "new"]) == 1
        told = capsys.readouterr().err
        assert f"there is no folder {model!r} here{meant}" in told
        assert "huggingface_hub: pip install huggingface_hub" in told
    assert not (folder / "new").exists()


def test_folders_that_were_not_exported_name_the_command(folder, model_copy, capsys):
    assert "make one: taylorseer-ov export MODEL OUT_DIR" in refusal(
        capsys, "generate", str(folder), PROMPT
    )
    (model_copy / "transformer" / "openvino_model.bin").write_bytes(b"")
    told = refusal(capsys, "generate", str(model_copy), PROMPT)
    assert "export it again: taylorseer-ov export MODEL OUT_DIR" in told


@pytest.mark.parametrize("cache", ["fast", "off"])
@pytest.mark.parametrize(
    "field",
    ["cache-interval", "max-order", "disable-cache-before-step", "disable-cache-after-step"],
)
def test_no_field_of_a_cache_beside_another_cache(cache, field, capsys):
    for command in (GENERATE, ["compare", "demo", PROMPT], ["doctor", "demo"]):
        told = refusal(capsys, *command, "--cache", cache, f"--{field}", "4")
        assert f"--{field} is for TaylorSeer Lite" in told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("calibrate demo --prompts FILE --backend native", "only python can do this"),
        ("compare demo --prompts FILE --output-dir there", "leave --output-dir out"),
        ("compare demo --prompts FILE --overwrite", "leave --overwrite out"),
        ("compare demo --prompts FILE -p circle", "leave --prompt out"),
        ("export models out --revision main", "--revision is for models on the hub"),
        ("export models out --cache-dir there", "--cache-dir is for models on the hub"),
        ("doctor --steps 4", "settings are examined with a model"),
        ("info models-of-mine", "there is no picture or model folder 'models-of-mine'"),
    ],
)
def test_no_option_is_silently_without_effect(words, sentence, folder, capsys):
    (folder / "FILE").write_text(f"{PROMPT}\n" * 3)
    (folder / "models").mkdir()
    assert sentence in refusal(capsys, *words.split())


@pytest.mark.parametrize("prompt", ["", "  ", "-"])
def test_an_empty_prompt_is_asked_about(prompt, folder, monkeypatch, capsys):
    for command in ("generate", "compare"):
        monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
        told = refusal(capsys, command, "demo", "-p", prompt)
        assert "is empty; --allow-empty draws what the model makes of it" in told
    assert not list(folder.iterdir())


def test_an_empty_prompt_is_drawn_if_it_is_meant(folder, monkeypatch):
    options = ["--quiet", "--steps", "1", "-o", "empty.png"]
    assert main(["generate", "demo", "", "--allow-empty", *options]) == 0
    assert main(["generate", "-C", "empty.png", "--quiet", "-o", "again.png"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["again.png", "empty.png"]


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("text:GPU", "'text:GPU' is not PART=DEVICE, PART being one of text, transformer, vae"),
        ("GPU,CPU", "'GPU,CPU' is not one device; say it like GPU, AUTO:GPU,CPU or text=CPU,"),
        ("gpu;cpu", "'gpu;cpu' is not one device; say it like GPU, AUTO:GPU,CPU or text=CPU,"),
        ("transformer=GPU,CPU", "'GPU,CPU' is not one device; say it like"),
        ("text=CPU,text=GPU", "names text twice"),
        ("text=CPU,vae", "'CPU,vae' is not one device"),
        ("GPU:1", "the name of a device by a dot and its number, as in GPU.1"),
        ("", "'' is not one device; say it like"),
        ("vae=CPU,transformer=AUTO:XPU,CPU", "unknown device 'XPU'"),
    ],
)
def test_a_device_in_another_form_is_told_the_right_one(device, sentence, capsys):
    assert sentence in refusal(capsys, *GENERATE, "--device", device)


def test_what_installs_an_extra_works_from_a_wheel_and_from_a_checkout(monkeypatch):
    installed = {"taylorseer-ov": "0.1.0"}
    monkeypatch.setattr("taylorseer_ov.version.installed_version", installed.get)
    assert install_command("export") == 'pip install "taylorseer-ov[export]"'
    installed.clear()
    checkout = demo_model_path().parents[1]
    assert install_command("export") == f'pip install "{checkout}[export]"'


def test_an_option_of_several_values_may_be_given_again(folder, monkeypatch):
    arguments = parse(["generate", "--seed", "1", "2", "--seed", "3"])
    assert arguments.seed == [1, 2, 3]
    assert parse(["compare", "--cache", "fast", "--cache", "high"]).cache == ["fast", "high"]
    assert parse(["calibrate", "--prompts", "x", "--runs", "5", "--runs", "6"]).runs == [5, 6]
    (folder / "settings.toml").write_text("seed = [7, 8]")
    options = ["--settings", "settings.toml", "--steps", "1", "--quiet"]
    assert main(["generate", "demo", "a", *options, "--seed", "9"]) == 0
    assert [path.name for path in folder.glob("*.png")] == ["a_seed9.png"]


def test_what_an_npu_needs_is_not_told_by_a_method(monkeypatch, capsys):
    monkeypatch.setattr("taylorseer_ov.pipelines.loading.check_device", lambda device: None)
    told = refusal(capsys, *GENERATE, "--device", "text=CPU,transformer=NPU")
    assert told.startswith("an NPU needs fixed shapes, which the library has by reshape and the")
