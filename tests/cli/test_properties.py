"""`--property`, `--cache-dir` and `--precision`: what they make of OpenVINO's properties."""

import argparse

import pytest

from taylorseer_ov import Recipe
from taylorseer_ov.cli import main
from taylorseer_ov.cli.properties import LISTED, properties_of, properties_of_picture
from taylorseer_ov.generation.properties import OpenVINOProperties
from tests.cli.common import generate, pixels
from tests.common import PROMPT


def given(*texts, precision=None, cache_dir=None, otherwise=None):
    return properties_of(
        argparse.Namespace(
            property=list(texts),
            precision=precision,
            cache_dir=cache_dir,
            otherwise=otherwise or {},
        )
    )


def test_values_are_read_as_openvino_wants_them():
    assert given("INFERENCE_NUM_THREADS=2", " PERF_COUNT = yes", "ENABLE_MMAP=False") == {
        "INFERENCE_NUM_THREADS": 2,
        "PERF_COUNT": True,
        "ENABLE_MMAP": False,
    }
    assert given("INFERENCE_PRECISION_HINT=F32", "PERFORMANCE_HINT=latency", "DEVICE_ID=1") == {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "DEVICE_ID": "1",
    }
    # OpenVINO reads the text of what is not listed
    assert given("NUM_STREAMS=auto", "NPU_TILES=4", "CACHE_DIR=C:\\a=b") == {
        "NUM_STREAMS": "AUTO",
        "NPU_TILES": "4",
        "CACHE_DIR": "C:\\a=b",
    }
    assert given(precision="f16", cache_dir="kept") == {
        "INFERENCE_PRECISION_HINT": "f16",
        "CACHE_DIR": "kept",
    }


def test_what_is_typed_goes_before_what_a_picture_or_a_file_says():
    otherwise = {"property": {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2}}
    both = given("INFERENCE_NUM_THREADS=1", precision="bf16", otherwise=otherwise)
    assert both == {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 1}


def test_every_property_that_the_library_lists_has_a_kind():
    assert {*LISTED} == {*OpenVINOProperties.__annotations__} - {"adapters"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["INFERENCE_NUM_THREADS"], "'INFERENCE_NUM_THREADS' is not KEY=VALUE, such as INFER"),
        (["=4"], "'=4' is not KEY=VALUE, such as INFERENCE_NUM_THREADS=4"),
        (["INFERENCE_NUM_THREADS=2.5"], "INFERENCE_NUM_THREADS must be a whole number from 0, g"),
        (["NUM_STREAMS=x"], "NUM_STREAMS must be a whole number from 0, or AUTO, got 'x'"),
        (["PERF_COUNT=1"], "PERF_COUNT must be one of YES, NO, got '1'"),
        (["INFERENCE_PRECISION_HINT=f64"], "INFERENCE_PRECISION_HINT must be one of f32, f16, b"),
        (["cache_dir=x"], "cache_dir: OpenVINO's names are in capital letters; did you mean 'CAC"),
        (["low_memory=true"], "low_memory: OpenVINO's names are in capital letters."),
        (["PERF_COUNT=NO", "PERF_COUNT=NO"], "PERF_COUNT is said twice; say it once"),
    ],
)
@pytest.mark.parametrize("command", ["generate", "compare"])
def test_wrong_forms_are_refused_with_the_right_one(command, options, message, tmp_path, capsys):
    where = {"generate": "-o", "compare": "--output-dir"}[command]
    typed = [word for option in options for word in ("--property", option)]
    assert main([command, "demo", PROMPT, where, str(tmp_path), *typed]) == 2
    assert f"taylorseer-ov: error: --property {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "first"),
    [
        (["--precision", "f32", "--property", "INFERENCE_PRECISION_HINT=f32"], "--precision"),
        (["--cache-dir", "kept", "--property", "CACHE_DIR=kept"], "--cache-dir"),
    ],
)
def test_one_property_by_two_names_is_refused(options, first, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["generate", "demo", PROMPT, *options]) == 2
    told = f"{first} and --property {options[-1].partition('=')[0]} say the same; give one of them"
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_compiled_models_are_kept_where_it_says(tmp_path, capsys):
    kept = tmp_path / "kept" / "here"
    (path,) = generate(tmp_path, "demo", PROMPT, "--steps", "1", "--cache-dir", kept)
    assert list(kept.glob("*.blob"))
    assert "CACHE_DIR" not in Recipe.from_picture(path).environment.properties
    taken = tmp_path / "file"
    taken.touch()
    command = ["generate", "demo", PROMPT, "-o", str(tmp_path), "--cache-dir", str(taken)]
    assert main(command) == 2
    told = capsys.readouterr().err
    assert f"cannot write into {str(taken)!r}" in told
    assert "choose another --cache-dir" in told


def test_a_picture_drawn_again_has_the_properties_of_the_first(tmp_path):
    threads = ["--property", "INFERENCE_NUM_THREADS=2"]
    options = ["--steps", "2", "--precision", "f32", *threads, "--property", "PERF_COUNT=YES"]
    (first,) = generate(tmp_path, "demo", PROMPT, *options)
    recorded = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "2"}
    assert Recipe.from_picture(first).environment.properties == recorded | {"PERF_COUNT": "True"}
    (again,) = generate(tmp_path, "-C", first, "--property", "PERF_COUNT=NO")
    properties = Recipe.from_picture(again).environment.properties
    assert properties == recorded | {"PERF_COUNT": "False"}
    assert pixels(again) == pixels(first)


def test_of_a_stranger_s_picture_nothing_is_taken_that_names_a_file():
    recorded = {
        "CACHE_DIR": "here",
        "WEIGHTS_PATH": "there",
        "GPU_DUMP": "anywhere",
        "INFERENCE_NUM_THREADS": "many",
        "PERFORMANCE_HINT": "PerformanceMode.LATENCY",
        "EXECUTION_MODE_HINT": "ACCURACY",
        "scheduler": "base_shift=0.5",
    }
    assert properties_of_picture(recorded) == {
        "PERFORMANCE_HINT": "LATENCY",
        "EXECUTION_MODE_HINT": "ACCURACY",
    }


def test_on_another_device_only_the_precision_is_taken(tmp_path):
    given = ["--precision", "f32", "--property", "INFERENCE_NUM_THREADS=2"]
    (first,) = generate(tmp_path, "demo", PROMPT, "--steps", "1", *given)
    (again,) = generate(tmp_path, "-C", first, "--device", "AUTO:CPU")
    properties = Recipe.from_picture(again).environment.properties
    assert properties == {"INFERENCE_PRECISION_HINT": "f32"}
