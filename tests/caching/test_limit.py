"""At most so many forecasts in a row, for every kind of cache."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taylorseer_ov import (
    CachePlan,
    ErrorControl,
    TaylorSeerCacheConfig,
    demo_model_path,
    limit_forecasts,
    step_schedule,
)
from taylorseer_ov.caching import PRESETS, LimitedPreset
from taylorseer_ov.caching.decision import as_cache, resolve_cache
from taylorseer_ov.caching.occasion import Occasion
from taylorseer_ov.caching.schedule import schedule_text
from taylorseer_ov.flux.folder import FluxFolder
from tests.common import PROMPT

pytestmark = pytest.mark.once

SIGMAS = np.linspace(1, 0, 13)
PLAN = CachePlan.from_mask("CCC..C....CC", SIGMAS)


@given(st.integers(2, 12), st.integers(1, 8), st.integers(10, 60))
def test_a_configuration_runs_more_often_where_it_must(interval, limit, steps):
    config = TaylorSeerCacheConfig(interval, 3, -2, max_order=2, corrector=True)
    limited = limit_forecasts(config, limit)
    assert "." * (limit + 1) not in schedule_text(step_schedule(limited, steps))
    assert limited == TaylorSeerCacheConfig(
        min(interval, limit + 1), 3, -2, max_order=2, corrector=True
    )


def test_an_error_control_has_shorter_intervals_where_it_must():
    assert limit_forecasts(ErrorControl(0.01, 6), 2) == ErrorControl(0.01, 3)
    assert limit_forecasts(ErrorControl(0.01, 3), 8) == ErrorControl(0.01, 3)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("steps", [8, 12, 28])
@pytest.mark.filterwarnings("ignore:.*takes a plan that was not calibrated")
def test_presets_take_a_plan_within_the_limit(limit, steps):
    folder = FluxFolder.read(demo_model_path())
    occasion = Occasion(folder.sigmas(steps, 128, 128), (128, 128), 3.5)
    for preset in PRESETS:
        usual, name = resolve_cache(preset, occasion, folder)
        plan, limited_name = resolve_cache(limit_forecasts(preset, limit), occasion, folder)
        assert plan.most_forecasts <= limit
        start = f"{preset}, at most {limit} forecast{'s' * (limit > 1)} in a row: "
        if usual.most_forecasts <= limit:
            assert plan == usual
            assert limited_name == start + name.removeprefix(f"{preset}: ")
        else:
            assert plan.transformer_runs >= usual.transformer_runs
            assert limited_name.startswith(start + "corrected Taylor, ")
            # the weights are those of a plan that was made for these runs
            made = CachePlan.from_mask(plan.mask, plan.sigmas, abscissa="sigma", corrector=True)
            assert plan == made


def test_the_report_says_that_a_calibrated_plan_was_passed_over(pipeline):
    report = pipeline.generate(PROMPT, cache=limit_forecasts("fast", 3)).report
    assert report.cache == (
        "fast, at most 3 forecasts in a row: corrected Taylor, since the calibrated plan forecasts "
        f"{pipeline.prepare(PROMPT, cache='fast').cache.most_forecasts} steps in a row"
    )
    assert "...." not in report.schedule


def test_a_plan_is_left_as_it_is_or_refused(tmp_path):
    path = str(tmp_path / "plan.json")
    Path(path).write_text(PLAN.to_json())
    assert limit_forecasts(PLAN, 4) is PLAN
    assert limit_forecasts(path, 4) == path
    for cache, what in ((PLAN, "<CachePlan CCC"), (path, "the plan in")):
        with pytest.raises(
            ValueError, match=r"forecasts 4 steps in a row, .* take limit=4"
        ) as error:
            limit_forecasts(cache, 3)
        assert str(error.value).startswith(what)


def test_nothing_is_nothing_and_the_shorter_limit_holds():
    assert limit_forecasts(None, 2) is None
    limited = limit_forecasts("high", 3)
    assert limited == LimitedPreset("high", 3)
    assert limit_forecasts(limited, 2) == LimitedPreset("high", 2)
    assert limit_forecasts(limited, 4) == limited


def test_a_limited_preset_can_be_json():
    values = json.loads('{"preset": "fast", "limit": 2}')
    assert as_cache(values) == LimitedPreset("fast", 2)
    with pytest.raises(ValueError, match="must have preset, limit, not preset"):
        as_cache({"preset": "fast"})
    with pytest.raises(ValueError, match="preset must be one of high, balanced, fast, got 'slow'"):
        as_cache({"preset": "slow", "limit": 2})
    with pytest.raises(ValueError, match=r"preset must be one of .* got \['fast'\]"):
        as_cache({"preset": ["fast"], "limit": 2})


class OfTheCaller:
    def start(self, velocity, sigmas):
        return velocity


@pytest.mark.parametrize(
    ("cache", "limit", "error", "message"),
    [
        ("high", 0, ValueError, "limit must be a whole number of at least 1, got 0"),
        ("high", 1.5, TypeError, "limit must be a whole number"),
        (OfTheCaller(), 2, TypeError, "give it a limit of its own"),
        (7, 2, TypeError, "cache must be a preset"),
        ("nowhere", 2, ValueError, "cache='nowhere' is no preset"),
    ],
)
def test_misuse(cache, limit, error, message):
    with pytest.raises(error, match=message):
        limit_forecasts(cache, limit)
