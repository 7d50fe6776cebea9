"""The schedule rule, against schedules observed on openvino_genai 2026.4.1."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taylorseer_ov import InactiveCacheWarning, TaylorSeerCacheConfig, step_schedule
from taylorseer_ov.caching.schedule import schedule_text

pytestmark = pytest.mark.once

ACTIVE = [
    (3, 6, -2, 28, "CCCCCC..C..C..C..C..C..C..CC"),
    (3, 6, -2, 50, "CCCCCC..C..C..C..C..C..C..C..C..C..C..C..C..C..CCC"),
    (3, 6, -2, 20, "CCCCCC..C..C..C..CCC"),
    (3, 6, -2, 10, "CCCCCC..CC"),
    (3, 6, -2, 9, "CCCCCC.CC"),
    (2, 6, -2, 28, "CCCCCC.C.C.C.C.C.C.C.C.C.CCC"),
    (4, 6, -2, 28, "CCCCCC...C...C...C...C...CCC"),
    (5, 2, -1, 28, "CC....C....C....C....C....CC"),
    (7, 6, -2, 28, "CCCCCC......C......C......CC"),
    (2, 0, -1, 12, "CC.C.C.C.C.C"),
    (3, 0, -2, 10, "CC..C..CCC"),
    (3, 1, -2, 10, "CC..C..CCC"),
    (3, 0, 3, 10, "CC.CCCCCCC"),
    (3, 6, -21, 28, "CCCCCC.CCCCCCCCCCCCCCCCCCCCC"),
    (3, 6, -1, 28, "CCCCCC..C..C..C..C..C..C..CC"),
    (3, 6, 24, 28, "CCCCCC..C..C..C..C..C..CCCCC"),
    (3, 6, 28, 28, "CCCCCC..C..C..C..C..C..C..C."),
    (3, 6, 100, 28, "CCCCCC..C..C..C..C..C..C..C."),
    (3, 27, 28, 28, "CCCCCCCCCCCCCCCCCCCCCCCCCCC."),
    (3, 0, -1, 4, "CC.C"),
    (2, 0, 4, 4, "CC.C"),
    (100, 2, -1, 12, "CC.........C"),
    (2, 0, 3, 3, "CC."),
]
INACTIVE = [
    (3, 6, -2, 8),
    (3, 6, -2, 6),
    (3, 6, -2, 4),
    (3, 6, -2, 1),
    (3, 0, 0, 10),
    (3, 0, 1, 10),
    (3, 0, 2, 10),
    (3, 6, -28, 28),
    (3, 6, -29, 28),
    (3, 6, -22, 28),
    (3, 27, -1, 28),
    (3, 28, -2, 28),
    (3, 0, -2, 4),
    (2, 0, 2, 2),
]


@pytest.mark.parametrize(("interval", "before", "after", "steps", "expected"), ACTIVE)
def test_golden_schedules(interval, before, after, steps, expected):
    config = TaylorSeerCacheConfig(interval, before, after)
    assert schedule_text(step_schedule(config, steps)) == expected


@pytest.mark.parametrize(("interval", "before", "after", "steps"), INACTIVE)
def test_inactive_configurations_compute_every_step_and_warn(interval, before, after, steps):
    with pytest.warns(InactiveCacheWarning, match=f"all {steps} steps run the transformer"):
        schedule = step_schedule(TaylorSeerCacheConfig(interval, before, after), steps)
    assert schedule == (True,) * steps


@pytest.mark.parametrize(("interval", "before", "after", "steps"), INACTIVE)
def test_the_advice_of_the_warning_is_good(interval, before, after, steps):
    with pytest.warns(InactiveCacheWarning) as caught:
        step_schedule(TaylorSeerCacheConfig(interval, before, after), steps)
    advice = re.search(
        r"disable_cache_before_step=(\d+) with disable_cache_after_step=(-?\d+)",
        str(caught[0].message),
    )
    if advice is None:
        assert steps < 4
        assert "take more steps" in str(caught[0].message)
    else:
        suggested = TaylorSeerCacheConfig(interval, int(advice[1]), int(advice[2]))
        assert not all(step_schedule(suggested, steps))


def test_a_model_distilled_to_four_steps_is_told_so():
    with pytest.warns(InactiveCacheWarning, match="distilled to so few steps gains little"):
        step_schedule(TaylorSeerCacheConfig(), 4)


@pytest.mark.filterwarnings("ignore::taylorseer_ov.InactiveCacheWarning")
@given(st.integers(2, 9), st.integers(0, 30), st.integers(-30, 40), st.integers(1, 30))
def test_every_schedule_has_two_warm_up_steps_and_no_long_gap(interval, before, after, steps):
    schedule = step_schedule(TaylorSeerCacheConfig(interval, before, after), steps)
    assert len(schedule) == steps
    assert all(schedule[:2])
    assert "." * interval not in schedule_text(schedule)


def test_zero_steps_are_refused():
    with pytest.raises(ValueError, match="num_inference_steps must be at least 1, got 0"):
        step_schedule(TaylorSeerCacheConfig(), 0)
