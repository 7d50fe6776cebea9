"""The report of what was computed in an Optimum pipeline."""

import json

import pytest

from taylorseer_ov import CachePlan, ErrorControl, cache_report, enable_cache
from tests.optimum.common import NEGATIVE, SCHEDULE, STEPS, draw

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]


def test_a_plan_can_be_made_from_the_report(flux):
    with enable_cache(flux, None) as enabled:
        draw(flux)
    plan = CachePlan.from_mask(SCHEDULE, enabled.report.sigmas, abscissa="sigma", corrector=True)
    with enable_cache(flux, plan) as enabled:
        draw(flux)
    assert enabled.report.branches[0].schedule == SCHEDULE


def test_the_report_is_whole(flux):
    enable_cache(flux, ErrorControl(10))
    draw(flux, **NEGATIVE)
    report = cache_report(flux)
    values = json.loads(report.to_json())
    assert values["computed_calls"] + values["predicted_calls"] == 2 * STEPS
    assert values["branches"][1]["name"] == "uncond"
    for branch in report.branches:
        assert len(branch.call_s) == len(branch.schedule) == STEPS
        runs = [step for step, kind in enumerate(branch.schedule) if kind == "C"]
        assert set(branch.forecast_errors) == set(runs[2:])
    text = str(report)
    assert "OVFluxPipeline with FlowMatchEulerDiscreteScheduler, 10 of 10 steps" in text
    assert "uncond" in text
