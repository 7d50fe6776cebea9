"""A file with plans is data: what it takes of memory is bounded before it is taken."""

import itertools
import json
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from taylorseer_ov.caching.calibrated_plans import read_plans, written_plans
from taylorseer_ov.caching.decision import resolve_cache
from taylorseer_ov.caching.occasion import Occasion
from taylorseer_ov.caching.plan import CachePlan
from taylorseer_ov.caching.plan_json import PLAN_FORMAT
from taylorseer_ov.caching.plans_file import PLANS_FILE, PLANS_FORMAT
from taylorseer_ov.caching.presets import CalibrationWarning

LEARNED = {
    **dict.fromkeys(("calibration_db", "held_out_db", "taylor_db", "guidance_scale"), 1.0),
    "height": 128,
    "width": 128,
    "package_version": "0.1.0",
}


def plan_of(steps):
    rows = [{str(i): 1.0} for i in range(steps)]
    return {"format": PLAN_FORMAT, "mask": "C" * steps, "sigmas": None, "rows": rows}


def folder_with(tmp_path, plans, heights=None):
    entries = [
        LEARNED | {"plan": plan, "height": height}
        for plan, height in zip(plans, heights or itertools.repeat(128), strict=False)
    ]
    values = {"format": PLANS_FORMAT, "transformer": "some", "plans": entries}
    (tmp_path / PLANS_FILE).write_text(json.dumps(values))
    return SimpleNamespace(path=tmp_path, fingerprint=lambda: "some")


def test_many_plans_are_read(tmp_path):
    plans = read_plans(folder_with(tmp_path, [plan_of(50)] * 30 + [plan_of(1000)]))
    assert plans[0].plan == CachePlan.uncached(50)
    assert np.array_equal(plans[-1].plan.weights, np.eye(1000))


@pytest.fixture
def hostile(tmp_path):
    """Rows without weights: 250 such plans are 1.6 MB and would take 2 GiB."""
    empty = plan_of(1000) | {"rows": [{}] * 1000}
    return folder_with(tmp_path, [empty] * 250, heights=range(16, 266))


def test_plans_that_take_gigabytes_are_not_built_all_at_once(hostile):
    with pytest.raises(
        ValueError, match=r"damaged \(its plans have 250000000 weights in all, over"
    ):
        read_plans(hostile)


def test_a_picture_builds_no_plans_for_others(hostile):
    tracemalloc.start()
    try:
        with pytest.warns(CalibrationWarning, match="x21 and 244 others, none fits 6 of"):
            resolve_cache("high", Occasion(np.linspace(1, 0, 13), (128, 128), 1.0), hostile)
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def test_a_file_with_more_plans_than_anybody_learns(tmp_path):
    with pytest.raises(ValueError, match=r"damaged \(it has 10001 plans, over 10000\)"):
        read_plans(folder_with(tmp_path, [plan_of(1)] * 10_001))


@pytest.mark.parametrize(
    "damage",
    [
        {"sigmas": [10**400, 0]},
        {"sigmas": [0, 1]},
        {"mask": "C" * 1001},
        {"mask": None},
        {"rows": 7},
        {"rows": []},
    ],
)
def test_a_plan_that_is_no_plan_is_told_without_building_it(tmp_path, damage):
    folder = folder_with(tmp_path, [plan_of(1) | damage])
    with pytest.raises(ValueError, match=r"is damaged .* or run `taylorseer-ov calibrate` again"):
        written_plans(folder)


def test_a_plan_for_more_steps_than_a_generation_has():
    with pytest.raises(ValueError, match="at most 1000"):
        CachePlan.from_json(json.dumps(plan_of(1001)))
