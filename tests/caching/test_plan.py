"""Plans: weights, their exactness, and the checks that keep a plan possible."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taylorseer_ov import CachePlan, TaylorSeerCacheConfig
from taylorseer_ov.caching.rows import interpolation_weights
from taylorseer_ov.caching.schedule import parse_schedule

pytestmark = pytest.mark.once

UNEVEN = np.append(np.linspace(1, 0.02, 28) ** 1.7, 0)


def test_order_one_in_the_step_index_has_native_weights():
    plan = CachePlan.taylor(TaylorSeerCacheConfig(), UNEVEN)
    assert str(plan) == "CCCCCC..C..C..C..C..C..C..CC"
    assert plan.transformer_runs == 14
    assert plan.ideal_speed_up == 2.0
    for step, expected in {
        6: {5: 2, 4: -1},
        7: {5: 3, 4: -2},
        9: {8: 4 / 3, 5: -1 / 3},
        10: {8: 5 / 3, 5: -2 / 3},
        11: {11: 1},
    }.items():
        row = np.zeros(28)
        row[list(expected)] = list(expected.values())
        np.testing.assert_allclose(plan.weights[step], row, rtol=1e-15)


@pytest.mark.parametrize("abscissa", ["step", "sigma"])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_polynomials_of_the_order_are_forecast_exactly(order, abscissa):
    config = TaylorSeerCacheConfig(4, 5, -2, max_order=order, abscissa=abscissa)
    plan = CachePlan.taylor(config, UNEVEN)
    x = np.arange(28) / 28 if abscissa == "step" else UNEVEN[:-1]
    outputs = np.polyval(np.arange(1, order + 2), x)
    np.testing.assert_allclose(plan.weights @ outputs, outputs, rtol=1e-12, atol=1e-12)
    beyond = np.polyval(np.arange(1, order + 3), x)
    assert np.abs(plan.weights @ beyond - beyond).max() > 1e-4


@given(
    st.integers(2, 7), st.integers(0, 9), st.integers(-5, 35), st.integers(0, 3), st.integers(9, 31)
)
@pytest.mark.filterwarnings("ignore::taylorseer_ov.InactiveCacheWarning")
def test_constants_are_kept_and_json_round_trips(interval, before, after, order, steps):
    config = TaylorSeerCacheConfig(interval, before, after, order, "sigma")
    plan = CachePlan.taylor(config, np.append(np.geomspace(1, 0.05, steps), 0))
    np.testing.assert_allclose(plan.weights.sum(axis=1), 1, rtol=1e-9)
    again = CachePlan.from_json(plan.to_json())
    assert again == plan
    assert hash(again) == hash(plan)


@pytest.mark.parametrize("abscissa", ["step", "sigma"])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("mask", ["CCCCC...C..C....CC.C", "CCCC................"])
def test_the_corrected_path_lands_on_the_uncached_one_for_polynomials(mask, order, abscissa):
    sigmas = np.append(np.linspace(1, 0.02, 20) ** 1.7, 0)
    plan = CachePlan.from_mask(mask, sigmas, max_order=order, abscissa=abscissa, corrector=True)
    x = np.arange(20) / 20 if abscissa == "step" else sigmas[:-1]
    outputs = np.polyval(np.arange(1, order + 2), x)
    moved = np.cumsum(np.diff(sigmas) * (plan.weights @ outputs))
    np.testing.assert_allclose(moved, np.cumsum(np.diff(sigmas) * outputs), rtol=1e-9)


def test_the_corrector_mends_what_an_extrapolation_of_lower_order_left():
    """With reuse the forecasts are off for a line, but at the next run the drift is mended."""
    sigmas = np.append(np.linspace(1, 0.1, 12) ** 1.3, 0)
    plan = CachePlan.from_mask(
        "C..C...C..CC", sigmas, max_order=0, abscissa="sigma", corrector=True
    )
    outputs = 2 + 3 * sigmas[:-1]
    moved = np.cumsum(np.diff(sigmas) * (plan.weights @ outputs))
    exact = np.cumsum(np.diff(sigmas) * outputs)
    runs = np.flatnonzero(plan.mask)
    np.testing.assert_allclose(moved[runs], exact[runs], rtol=1e-12)
    assert np.abs(moved - exact).max() > 0.01


def test_the_corrector_keeps_constants():
    plan = CachePlan.taylor(TaylorSeerCacheConfig(corrector=True, max_order=2), UNEVEN)
    np.testing.assert_allclose(plan.weights.sum(axis=1), 1, rtol=1e-9)


def test_damping_goes_from_taylor_to_reuse():
    plans = [CachePlan.from_mask("CC.C..CC", UNEVEN[-9:], damping=d) for d in (0, 0.5, 1)]
    reuse = CachePlan.from_mask("CC.C..CC", UNEVEN[-9:], max_order=0)
    assert np.array_equal(plans[0].weights, reuse.weights)
    np.testing.assert_allclose(plans[1].weights, (plans[0].weights + plans[2].weights) / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mask": ".CC"}, "first step has nothing to be forecast from"),
        ({"mask": "CxC"}, "'C' and '.' only"),
        ({"mask": "CC"}, r"sigmas must have shape \(3,\), got \(4,\)"),
        ({"mask": "CCC", "sigmas": [1, 0.5, 0.7, 0]}, "sigmas must fall from step to step"),
        ({"mask": "CCC", "damping": 2}, "damping must be from 0 to 1, got 2"),
        ({"mask": "CCC", "max_order": -1}, "max_order must be"),
    ],
)
def test_impossible_schedules_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CachePlan.from_mask(**({"sigmas": [1, 0.7, 0.5, 0]} | arguments))


def test_orders_rise_as_history_allows():
    plan = CachePlan.taylor(TaylorSeerCacheConfig(3, 0, -1, max_order=3), UNEVEN)
    predicted = np.flatnonzero(~np.array(plan.mask))
    uses = np.count_nonzero(plan.weights[predicted], axis=1)
    assert uses[:5].tolist() == [2, 2, 3, 3, 4]


def test_uncached_plan():
    plan = CachePlan.uncached(4)
    assert str(plan) == "CCCC"
    assert plan.is_uncached
    assert not CachePlan.taylor(TaylorSeerCacheConfig(), UNEVEN).is_uncached


def test_a_plan_is_shown_in_one_line():
    plan = CachePlan.from_mask("CC..C.CC", UNEVEN[-9:])
    assert str(plan) == "CC..C.CC"
    assert repr(plan) == "<CachePlan CC..C.CC, 5 of 8 steps computed>"


def test_weights_cannot_be_changed():
    plan = CachePlan.uncached(3)
    with pytest.raises(ValueError, match="read-only"):
        plan.weights[0, 0] = 2


@pytest.mark.parametrize(
    ("mask", "weights", "message"),
    [
        ("CC", np.eye(3), r"shape \(2, 2\)"),
        ("", np.empty((0, 0)), "at least one step"),
        ("CC", [[1, 0], [0, np.nan]], "finite"),
        ("CC", [[1, 1], [0, 1]], "step 0 has a weight on the output of step 1, which is later"),
        ("C.", [[1, 0], [0, 1]], "step 1 .* which does not run the transformer"),
        ("C.", [[1, 0], [0, 0]], "step 1 has no weight"),
    ],
)
def test_impossible_plans_are_refused(mask, weights, message):
    with pytest.raises(ValueError, match=message):
        CachePlan([letter == "C" for letter in mask], weights)


def test_json_of_something_else_is_refused():
    with pytest.raises(ValueError, match="not a cache plan"):
        CachePlan.from_json(json.dumps({"mask": "CC"}))
    with pytest.raises(ValueError, match=r"'C' and '\.' only, got 'CxC'"):
        parse_schedule("CxC")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": ["C", "C"]}, "whose 'mask' is of another kind"),
        ({"rows": 2.0}, "whose 'rows' is of another kind"),
        ({"rows": [[], []]}, "whose 'rows' is of another kind"),
        ({"rows": [{"0": "1"}, {"1": 1.0}]}, "whose 'rows' is of another kind"),
        ({"rows": [{"0": 1.0}, {"x": 1.0}]}, "whose 'rows' is of another kind"),
        ({"rows": [{"0": 1.0}, {"9": 1.0}]}, "whose values do not fit each other"),
        ({"sigmas": ["1", "0.5", "0"]}, "whose 'sigmas' is of another kind"),
        ({"sigmas": 1.0}, "whose 'sigmas' is of another kind"),
    ],
)
def test_json_of_a_plan_with_values_of_other_kinds_is_refused(changes, message):
    values = json.loads(CachePlan.uncached(2).to_json()) | changes
    with pytest.raises(ValueError, match=message):
        CachePlan.from_json(json.dumps(values))


def test_sigmas_of_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape \(n \+ 1,\)"):
        CachePlan.taylor(TaylorSeerCacheConfig(), [1.0])


def test_interpolation_weights_reproduce_their_nodes():
    nodes = np.array([0.9, 0.5, 0.2])
    np.testing.assert_allclose(
        [interpolation_weights(nodes, x) for x in nodes], np.eye(3), atol=1e-12
    )


@pytest.mark.parametrize("corrector", [False, True])
def test_the_plan_after_a_step_uses_nothing_of_before_it(corrector):
    plan = CachePlan.from_mask("CCC..C..C.CC", UNEVEN[-13:], max_order=1, corrector=corrector)
    assert plan.after(0) is plan
    rest = plan.after(5)
    # of its steps 5 to 11, the two forecasts that need the run in step 2 are computed
    assert str(rest) == "CCCC.CC"
    assert np.array_equal(rest.sigmas, plan.sigmas[5:])
    for step, row in enumerate(plan.weights[5:]):
        expected = np.eye(7)[step] if row[:5].any() else row[5:]
        assert np.array_equal(rest.weights[step], expected)


def test_a_corrector_is_what_makes_a_run_use_more_than_its_output():
    assert not CachePlan.uncached(4).has_corrector
    assert not CachePlan.from_mask("CC..CC", UNEVEN[-7:]).has_corrector
    assert CachePlan.from_mask("CC..CC", UNEVEN[-7:], corrector=True).has_corrector
