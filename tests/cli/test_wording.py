"""What the library says of its arguments, told by options."""

import pytest

from taylorseer_ov.cli import main
from taylorseer_ov.cli.caching import NATIVE_OPTIONS
from taylorseer_ov.cli.wording import OPTIONS, in_options
from tests.cli.common import options_of
from tests.common import PROMPT

pytestmark = pytest.mark.once


def test_every_option_that_is_named_can_be_typed():
    commands = ("generate", "batch", "calibrate")
    assert set(OPTIONS.values()) <= set().union(*map(options_of, commands))
    assert set(NATIVE_OPTIONS) <= set(OPTIONS)


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("num_inference_steps must be 1", "--steps must be 1"),
        ("give num_inference_steps, or transformer_runs", "give --steps, or --runs"),
        ("width must be even, got 3", "--width must be even, got 3"),
        ("the width of a picture", "the width of a picture"),
        ("cache='high' takes a plan", "--cache high takes a plan"),
        ("cache='my plan.json': damaged", "--cache 'my plan.json': damaged"),
        (
            "the cache of a model, its cache_plans.json",
            "the cache of a model, its cache_plans.json",
        ),
        (
            "disable_cache_before_step=2 with disable_cache_after_step=-1 would be active",
            "--disable-cache-before-step 2 with --disable-cache-after-step -1 would be active",
        ),
        ("my_num_inference_steps", "my_num_inference_steps"),
        ("rng_seed must be 1; or low_memory=True", "--seed must be 1; or --low-memory"),
        ("in float32: INFERENCE_PRECISION_HINT='f32'.", "in float32: --precision f32."),
        ("leave it out, or give cache=None", "leave it out, or give --cache off"),
        *[
            (same, same)
            for same in (
                "there is no folder '/data/num_inference_steps/cache=1' here",
                "C:\\max_order\\width must be read",
                "rng_seed.json is missing",
                "line 3: rng_seed must be a whole number",
                "'guidance_scale' was typed",
                "cache: TaylorSeerCacheConfig(max_order=1, corrector=False)",
            )
        ],
    ],
)
def test_sentences(sentence, told):
    assert in_options(sentence) == told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "7"], "take no plan for 7: give --steps, or for a plan of your own --runs"),
        (["--steps", "12", "--runs", "12"], "--runs must be from 3 to one less than the 12 steps"),
        (["--steps", "2000"], "--steps must be a whole number from 1 to 1000, got 2000"),
        (["--seed", "-1"], "--seed must be a whole number of at least 0, got -1"),
        (["--width", "100"], "--width must be a multiple of 16, got 100"),
        (["--guidance", "-1"], "--guidance must be finite in float32 and not negative"),
        (["--max-sequence-length", "0"], "--max-sequence-length must be a whole number from 1"),
    ],
)
def test_calibrate_refuses_what_was_typed_and_says_nothing_else(
    arguments, message, tmp_path, capsys
):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red circle\na blue star\na green square")
    assert main(["calibrate", "demo", "--prompts", str(prompts), *arguments]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
    assert not told.out


def test_warnings_of_generate_name_options(tmp_path, capsys):
    arguments = ["--steps", "6", "--disable-cache-before-step", "6", "-o", str(tmp_path)]
    assert main(["generate", "demo", PROMPT, *arguments]) == 0
    told = capsys.readouterr().err
    assert "--disable-cache-before-step 6 covers the whole schedule" in told
    assert "--disable-cache-before-step 2 with --disable-cache-after-step -1 would be" in told


def test_a_file_that_is_no_plan_is_said_to_be_none(tmp_path, capsys):
    file = tmp_path / "plan.json"
    file.write_text("a red circle")
    assert main(["generate", "demo", PROMPT, "--cache", str(file), "-o", str(tmp_path)]) == 2
    assert "not a cache plan, but 'a red circle' (Expecting" in capsys.readouterr().err
    assert main(["generate", "demo", PROMPT, "--cache", "hgih", "-o", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "--cache hgih is no preset (high, balanced, fast)" in told
    assert "did you mean 'high'?" in told
