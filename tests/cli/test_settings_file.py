"""`--settings FILE`: options by their names from TOML, and what is typed before them."""

import json
from pathlib import Path

import pytest

from taylorseer_ov import Recipe, TaylorSeerCacheConfig
from taylorseer_ov.cli import main
from taylorseer_ov.cli.caching import cache_of
from taylorseer_ov.cli.options import take_words
from taylorseer_ov.cli.properties import properties_of
from taylorseer_ov.cli.settings_file import MOST_BYTES
from tests.cli.common import generate
from tests.common import PROMPT

COMMON = """
model = "demo"
steps = 4
low_memory = true
guidance-scale = 2
"""


@pytest.fixture
def file(tmp_path):
    """Return what writes a file of settings, and its path."""
    path = tmp_path / "settings.toml"

    def write(content):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def taken(monkeypatch):
    """Return what tells the arguments that a command is run with, without running it."""
    seen = []
    for command in ("generate", "batch", "compare", "calibrate"):
        monkeypatch.setattr(
            f"taylorseer_ov.cli.{command}.run", lambda arguments, _: seen.append(arguments)
        )

    def run(*words):
        assert main([*map(str, words)]) == 0
        return seen.pop()

    return run


def test_a_picture_is_drawn_by_it(file, tmp_path):
    threads = "[property]\nINFERENCE_NUM_THREADS = 2\nENABLE_CPU_PINNING = false\n"
    (path,) = generate(tmp_path, PROMPT, "--settings", file(COMMON + threads), "--steps", 3)
    recipe = Recipe.from_picture(path)
    asked = recipe.asked
    assert (asked.num_inference_steps, asked.guidance_scale) == (3, 2)
    assert recipe.environment.fixed_shapes  # by low_memory
    properties = {"INFERENCE_NUM_THREADS": "2", "ENABLE_CPU_PINNING": "False"}
    assert recipe.environment.properties == properties


def test_what_is_typed_goes_before_it_even_if_it_is_the_usual(file, taken):
    path = file('seed = 5\nprompts = "p.txt"\nruns = [8, 14]\ninto = "beside"\n')
    read = taken("calibrate", "demo", "--settings", path)
    assert (read.seed, read.prompts, read.into) == (5, Path("p.txt"), Path("beside"))
    assert read.runs == [8, 14]
    typed = taken("calibrate", "demo", "--seed", "0", "--settings", path, "--runs", "3")
    assert (typed.seed, typed.prompts, typed.runs) == (0, Path("p.txt"), [3])


def test_a_table_is_for_its_command_and_goes_before_what_is_for_all(file, taken):
    path = file(
        "steps = 4\nproperty = { NUM_STREAMS = 1, PERF_COUNT = true }\n[generate]\nsteps = 5\n"
        'seed = 1\nproperty.NUM_STREAMS = "AUTO"\n[batch]\nseed = 2\noutput-dir = "out"\n'
        'prompts = "p.txt"\n[export]\nanything = 1\n'
    )
    drawn = taken("generate", "--settings", path)
    assert (drawn.steps, drawn.seed) == (5, [1])
    assert properties_of(drawn) == {"NUM_STREAMS": "AUTO", "PERF_COUNT": True}
    drawn = taken("batch", "--settings", path)
    assert (drawn.steps, drawn.seed, drawn.output_dir) == (4, 2, Path("out"))
    assert properties_of(drawn) == {"NUM_STREAMS": 1, "PERF_COUNT": True}


@pytest.mark.parametrize(
    ("content", "words", "drawn"),
    [
        ('model = "demo"', ["a"], ("demo", "a")),
        ('prompt = "a"', ["demo"], ("demo", "a")),
        ('model = "demo"\nprompt = "a"', [], ("demo", "a")),
        ('model = "demo"\nprompt = "a"', ["b"], ("demo", "b")),
        ('model = "demo"\nprompt = "a"', ["other", "b"], ("other", "b")),
        ('model = "demo"\nprompt = "a"', ["--model", "other"], ("other", "a")),
    ],
)
def test_words_are_for_what_the_file_leaves_open(content, words, drawn, file, taken):
    typed = taken("generate", "--settings", file(content), *words)
    take_words(typed, "model", "prompt")
    assert (typed.model, typed.prompt) == drawn


def test_what_is_typed_by_another_name_goes_before_it_too(file, taken):
    path = file('cache = "fast"\nprecision = "f32"\ncache-dir = "kept"\n')
    typed = taken("generate", "--settings", path, "--cache-interval", "4")
    assert cache_of(typed) == {"cache": TaylorSeerCacheConfig(4)}
    typed = taken("generate", "--settings", path, "--property", "INFERENCE_PRECISION_HINT=bf16")
    assert properties_of(typed) == {"INFERENCE_PRECISION_HINT": "bf16", "CACHE_DIR": "kept"}
    path = file("cache-interval = 4\nproperty.CACHE_DIR = 'kept'\n")
    typed = taken("generate", "--settings", path, "--cache", "off", "--cache-dir", "here")
    assert cache_of(typed) == {"cache": None}
    assert properties_of(typed) == {"CACHE_DIR": "here"}


def test_it_goes_before_a_picture_that_is_drawn_again(file, tmp_path):
    (first,) = generate(tmp_path, "demo", PROMPT, "--steps", 2, "--precision", "f32")
    path = file('prompt = "a small white star on black"\n')
    (again,) = generate(tmp_path, "-C", first, "--settings", path)
    recipe = Recipe.from_picture(again)
    assert (recipe.prompt, recipe.asked.num_inference_steps) == ("a small white star on black", 2)
    assert recipe.environment.properties == {"INFERENCE_PRECISION_HINT": "f32"}


def test_how_a_command_speaks_may_stand_there_and_windows_mark(file, tmp_path, capsys):
    text = COMMON + f"output = '{tmp_path / 'drawn'}'\njson = true\n"
    path = file(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert main(["generate", PROMPT, "--settings", str(path)]) == 0
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events[-1] == "picture"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\nstpes = 3", ", line 2: stpes is no option of taylorseer-ov generate; did you mean 's"),
        ("[generate]\n\nsettings = 'a'", ", line 3: settings is no option of"),
        ("[generat]\nsteps = 3", ", line 1: generat is no option of taylorseer-ov generate; did"),
        ("steps = 1\n[generate]\nsteps = '3'", ", line 3: steps must be a whole number, got '3'"),
        ("steps = true", ", line 1: steps must be a whole number, got True"),
        ("guidance = 'a'", ", line 1: guidance must be a number, got 'a'"),
        ("low_memory = 1", ", line 1: low_memory must be true or false, got 1"),
        ("output = 3", ", line 1: output must be a text, got 3"),
        ("seed = [1, 'a']", ", line 1: seed must be a whole number, got 'a'"),
        ("seed = []", ", line 1: seed must not be empty"),
        ("backend = 'cuda'", ", line 1: backend must be one of auto, native, python, got 'cuda'"),
        ("steps = 1\nnum-inference-steps = 1", ", line 2: num-inference-steps says the same as"),
        ("property = 'A=1'", ", line 1: property must be a table, such as { INFERENCE_NUM_THREADS"),
        ("property.PERF_COUNT = []", ", line 1: property has PERF_COUNT of a kind that no prop"),
        ("property.PERF_COUNT = 1", ", line 1: property PERF_COUNT must be one of YES, NO, got '1"),
        ("cache-dir = 'a'\nproperty.CACHE_DIR = 'a'", ", line 1: cache-dir says the same as CACHE"),
        ("generate = 3", ", line 1: generate is a table, [generate], of what is for it only"),
        ('"\\u001b[2J" = 1', ": '\\x1b[2J' is no option of"),
        ("steps = ", "' is not TOML: Invalid value"),
        ("a = 1\na = 2", "' is not TOML: Cannot overwrite a value"),
        ('model = "C:\\models"', "a path of Windows goes between ' and '"),
        ("a = " + "[" * 20000, "' is not TOML: it is nested too deeply"),
        (b"\xff\xfeo\0", "' is not UTF-8; save it as that"),
        ("é" * MOST_BYTES, f"' has over {MOST_BYTES} bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_wrong_with_it_is_told_with_its_line(content, message, file, capsys):
    path = file(content)
    assert main(["generate", "demo", PROMPT, "--settings", str(path)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert message in told


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert main(["batch", "demo", "--settings", str(tmp_path / "none"), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["message"].startswith("--settings: cannot read ")


def test_what_a_command_needs_may_be_missing_there_too(file, capsys):
    path = file('prompts = "p.txt"')
    assert main(["batch", "demo", "--settings", str(path)]) == 2
    assert "missing: --output-dir" in capsys.readouterr().err
    assert main(["calibrate", "demo", "--settings", str(file(""))]) == 2
    assert "missing: --prompts" in capsys.readouterr().err
