"""`--limit` and `--tolerance`: what the options make of what is cached."""

import json

import numpy as np
import pytest

from taylorseer_ov import CachePlan, ErrorControl, Recipe, TaylorSeerCacheConfig
from taylorseer_ov.caching import LimitedPreset
from taylorseer_ov.cli import caching, main, parse
from tests.common import PROMPT

pytestmark = pytest.mark.once

DEFAULT = TaylorSeerCacheConfig()


def parsed(command, *options):
    return parse([command, "demo", *options])


@pytest.mark.parametrize(
    ("options", "start", "cache"),
    [
        ("--tolerance 0.01", DEFAULT, ErrorControl(0.01)),
        ("--tolerance 0.01 --limit 3", DEFAULT, ErrorControl(0.01, 4)),
        ("--limit 1", DEFAULT, TaylorSeerCacheConfig(2)),
        ("--limit 1", "fast", LimitedPreset("fast", 1)),
        ("--limit 2 --cache-interval 5 --max-order 2", None, TaylorSeerCacheConfig(3, max_order=2)),
        ("--limit 2 --cache high", DEFAULT, LimitedPreset("high", 2)),
        ("--limit 2 --cache off", DEFAULT, None),
    ],
)
def test_what_the_options_make(options, start, cache):
    for command in ("generate", "batch", "doctor"):
        rest = ["-o", "x"] if command == "batch" else []
        made = caching.cache_of(parsed(command, *options.split(), *rest), start)
        assert made == {"cache": cache}


def test_where_nothing_is_cached_a_limit_asks_for_nothing():
    assert caching.cache_of(parsed("generate", "--limit", "2"), None) == {}


def test_compare_limits_each_of_its_caches():
    arguments = parsed("compare", "--limit", "2", "--cache", "off", "high", "fast")
    caches = caching.caches_of(arguments)
    assert caches == [None, LimitedPreset("high", 2), LimitedPreset("fast", 2)]
    assert list(map(caching.name_of, caches)) == ["off", "high, limit 2", "fast, limit 2"]
    assert caching.caches_of(parsed("compare", "--limit", "1")) == [TaylorSeerCacheConfig(2)]
    (control,) = caching.caches_of(parsed("compare", "--tolerance", "0.004"))
    assert control == ErrorControl(0.004)
    assert caching.name_of(control) == "tolerance 0.004"
    assert caching.name_of(DEFAULT) == "taylorseer"


@pytest.fixture
def long_plan(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(CachePlan.from_mask("CC....CC", np.linspace(1, 0, 9)).to_json())
    return path


def test_a_plan_that_forecasts_more_is_refused_before_anything_is_drawn(
    long_plan, tmp_path, capsys
):
    drawn = ["generate", "demo", PROMPT, "--steps", "8", "-o", str(tmp_path / "out")]
    assert main([*drawn, "--cache", str(long_plan), "--limit", "3"]) == 2
    told = capsys.readouterr().err
    assert "forecasts 4 steps in a row" in told
    assert "take --limit 4, or a plan made otherwise" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--limit 0", "--limit must be a whole number of at least 1, got 0"),
        ("--tolerance -1", "--tolerance must be finite and not negative, got -1.0"),
        (
            "--cache high --tolerance 0.1",
            "--tolerance is for an error control, which is what draws",
        ),
        (
            "--tolerance 0.1 --max-order 2",
            "--max-order is for TaylorSeer Lite, which is what draws",
        ),
    ],
)
def test_misuse(options, message, tmp_path, capsys):
    assert main(["generate", "demo", PROMPT, "-o", str(tmp_path), *options.split()]) == 2
    assert message in capsys.readouterr().err


def test_what_is_typed_goes_before_what_a_file_says(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        "taylorseer_ov.cli.generate.run",
        lambda arguments, _: made.append(caching.cache_of(arguments)),
    )
    file = tmp_path / "settings.toml"
    file.write_text("tolerance = 0.1\nlimit = 3\n")
    for typed in ([], ["--cache", "fast"], ["--cache-interval", "6"], ["--limit", "2"]):
        assert main(["generate", "--settings", str(file), *typed]) == 0
    assert [cache["cache"] for cache in made] == [
        ErrorControl(0.1, 4),
        LimitedPreset("fast", 3),
        TaylorSeerCacheConfig(4),
        ErrorControl(0.1, 3),
    ]


def test_pictures_and_their_recipes(tmp_path, capsys):
    drawn = ["generate", "demo", PROMPT, "--steps", "9", "--json"]
    assert main([*drawn, "-o", str(tmp_path / "a.png"), "--cache", "fast", "--limit", "1"]) == 0
    recipe = Recipe.from_picture(tmp_path / "a.png")
    assert recipe.plan.most_forecasts == 1
    assert recipe.report["cache"].startswith("fast, at most 1 forecast in a row: ")
    again = ["generate", "-C", str(tmp_path / "a.png"), "--json"]
    assert main([*again, "-o", str(tmp_path / "b.png")]) == 0
    assert Recipe.from_picture(tmp_path / "b.png").plan == recipe.plan
    assert main([*drawn, "-o", str(tmp_path / "c.png"), "--tolerance", "0.5", "--limit", "2"]) == 0
    recipe = Recipe.from_picture(tmp_path / "c.png")
    assert recipe.asked.cache == ErrorControl(0.5, 3)
    assert ".." in recipe.report["schedule"]
    assert "..." not in recipe.report["schedule"]
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert not [event for event in events if event["event"] == "error"]
