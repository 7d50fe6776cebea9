"""A file with plans is data: what it takes of memory is bounded before it is taken."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from taylorseer_ov.caching.calibrated_plans import PLANS_FILE, PLANS_FORMAT, read_plans
from taylorseer_ov.caching.plan import CachePlan
from taylorseer_ov.caching.plan_json import PLAN_FORMAT

LEARNED = {
    **dict.fromkeys(("calibration_db", "held_out_db", "taylor_db", "guidance_scale"), 1.0),
    "height": 128,
    "width": 128,
    "package_version": "0.1.0",
}


def plan_of(steps):
    rows = [{str(i): 1.0} for i in range(steps)]
    return {"format": PLAN_FORMAT, "mask": "C" * steps, "sigmas": None, "rows": rows}


def folder_with(tmp_path, plans):
    entries = [LEARNED | {"plan": plan} for plan in plans]
    values = {"format": PLANS_FORMAT, "transformer": "some", "plans": entries}
    (tmp_path / PLANS_FILE).write_text(json.dumps(values))
    return SimpleNamespace(path=tmp_path, fingerprint=lambda: "some")


def test_many_plans_are_read(tmp_path):
    plans = read_plans(folder_with(tmp_path, [plan_of(50)] * 30 + [plan_of(1000)]))
    assert plans[0].plan == CachePlan.uncached(50)
    assert np.array_equal(plans[-1].plan.weights, np.eye(1000))


def test_plans_that_take_gigabytes_are_refused(tmp_path):
    """Rows without weights: 250 such plans are 1.6 MB and would take 2 GiB."""
    empty = plan_of(1000) | {"rows": [{}] * 1000}
    with pytest.raises(
        ValueError, match=r"damaged \(its plans have 250000000 weights in all, over"
    ):
        read_plans(folder_with(tmp_path, [empty] * 250))


def test_a_plan_for_more_steps_than_a_generation_has():
    with pytest.raises(ValueError, match="at most 1000"):
        CachePlan.from_json(json.dumps(plan_of(1001)))
