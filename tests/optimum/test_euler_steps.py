"""Schedulers whose step is not Euler's: what is left out, and what is refused."""

import numpy as np
import pytest

from taylorseer_ov import CachePlan, ErrorControl, TaylorSeerCacheConfig, cache_report, enable_cache
from tests.optimum.common import SCHEDULE, counted, draw, values

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def stochastic(flux):
    """Flux with a scheduler whose step is not Euler's."""
    scheduler = flux.scheduler
    flux.scheduler = type(scheduler).from_config(scheduler.config, stochastic_sampling=True)
    yield flux
    flux.scheduler = scheduler


@pytest.mark.parametrize(
    "cache", [TaylorSeerCacheConfig(3, 3, -2, corrector=True), "high", ErrorControl(10)]
)
def test_without_euler_steps_outputs_are_used_as_they_are(stochastic, cache):
    outputs = {}
    enable_cache(
        stochastic, cache, recorder=lambda step, output: outputs.update({step: output.copy()})
    )
    handed = values(stochastic)
    report = cache_report(stochastic)
    assert report.predicted_calls
    assert report.left_out == (
        "the corrector, since FlowMatchEulerDiscreteScheduler samples stochastically",
    )
    assert report.left_out[0] in str(report)
    for step, output in outputs.items():
        assert np.array_equal(handed[step], output)


def test_a_plan_with_a_corrector_needs_euler_steps(stochastic, monkeypatch):
    with enable_cache(stochastic, None) as enabled:
        draw(stochastic)
    sigmas = enabled.report.sigmas
    runs = counted(stochastic.transformer, monkeypatch)
    enable_cache(stochastic, CachePlan.from_mask(SCHEDULE, sigmas, corrector=True))
    with pytest.raises(ValueError, match=r"samples stochastically.*corrector=False"):
        draw(stochastic)
    assert runs == []
    with enable_cache(stochastic, CachePlan.from_mask(SCHEDULE, sigmas)):
        draw(stochastic)
    assert len(runs) == SCHEDULE.count("C")
