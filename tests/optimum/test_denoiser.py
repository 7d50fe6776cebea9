"""Calls of the denoiser itself, with a cache enabled."""

import numpy as np
import pytest

from taylorseer_ov import CachePlan, ErrorControl, cache_report, enable_cache
from tests.optimum.common import CONFIG, SCHEDULE, calls, close, counted, draw, inputs, load, values

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("settings", [{}, {"return_dict": True}, {"return_dict": False}])
def test_forecasts_have_the_form_of_outputs(flux, settings):
    computed = list(calls(flux, **settings))
    enable_cache(flux, CONFIG)
    outputs = list(calls(flux, **settings))
    assert cache_report(flux).branches[0].schedule == SCHEDULE
    first, second, forecast = outputs[1], outputs[2], outputs[3]
    for output in outputs:
        assert type(output) is type(computed[0])
        assert list(output) == list(computed[0])
    key = "out_sample"
    assert forecast[key].dtype == first[key].dtype
    close(forecast[key], 2 * second[key] - first[key])
    assert np.array_equal(outputs[-1][key], computed[-1][key])


def test_several_outputs_of_any_type_keep_their_form():
    import torch

    from taylorseer_ov.optimum.generation import Form, _as_array

    torch.manual_seed(0)
    video, audio = torch.randn(2, 3, 4), torch.randn(2, 5).to(torch.bfloat16)
    for output in ((video, audio), [video, audio], {"out_sample": video, "audio": audio}):
        array = _as_array(output)
        assert array.dtype == np.float32
        rebuilt = Form(output).build(array)
        array[:] = 0  # the engine's buffer, which it writes again
        assert type(rebuilt) is type(output)
        for name in output if isinstance(output, dict) else range(2):
            assert rebuilt[name].dtype == output[name].dtype
            assert torch.equal(rebuilt[name], output[name])


@pytest.mark.parametrize("cache", [CONFIG, ErrorControl(10), "balanced"])
def test_outputs_belong_to_the_caller(flux, cache):
    enable_cache(flux, cache)
    outputs, expected = [], []
    for output in calls(flux):
        outputs.append(output["out_sample"])
        expected.append(output["out_sample"].numpy().copy())
    assert cache_report(flux).predicted_calls
    for output, first in zip(outputs, expected, strict=True):
        assert np.array_equal(output, first)  # not written again
    for output, first in zip(calls(flux), expected, strict=True):
        assert np.array_equal(output["out_sample"], first)
        output["out_sample"].zero_()  # what the pipeline does to it changes no forecast


def test_a_change_of_shape_within_a_generation_computes_until_forecasts_are_possible(flux):
    schedule = "CCC...C..C"
    expected = values(flux, batch_from=4)
    enable_cache(flux, CachePlan(*without_sigmas(schedule)))
    outputs = values(flux, batch_from=4)
    (branch,) = cache_report(flux).branches
    # steps 4, 5, 7 and 8 would have used outputs of one picture
    assert branch.schedule == "CCC.CCCCCC"
    assert branch.restarted_steps == (4,)
    for step, kind in enumerate(branch.schedule):
        assert np.array_equal(outputs[step], expected[step]) == (kind == "C")


def without_sigmas(schedule):
    plan = CachePlan.from_mask(schedule, np.linspace(1, 0, len(schedule) + 1))
    return plan.mask, plan.weights


def test_calls_outside_a_generation_run_the_denoiser(exported, monkeypatch):
    import torch

    flux = load("OVFluxPipeline", exported[0])
    runs = counted(flux.transformer, monkeypatch)
    given = inputs(flux, torch.tensor(500.0))
    with enable_cache(flux, CONFIG) as enabled:
        for _ in range(5):
            flux.transformer(**given)
        assert len(runs) == 5
        with pytest.raises(RuntimeError, match="nothing was generated"):
            _ = enabled.report
        draw(flux)
        flux.transformer(**given)
        assert len(runs) == 5 + SCHEDULE.count("C") + 1
        assert enabled.report.branches[0].schedule == SCHEDULE
