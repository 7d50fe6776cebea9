"""The account of computed and predicted steps."""

import pytest

from taylorseer_ov.caching.account import Account


def test_durations_are_told_apart_by_the_schedule():
    account = Account.of("CC.C", [0.5, 0.25, 0.001, 1])
    assert account == Account((0.5, 0.25, 1), (0.001,))
    assert account.to_dict("calls") == {
        "computed_calls": 3,
        "predicted_calls": 1,
        "ideal_speed_up": pytest.approx(4 / 3),
    }
    assert account.describe() == "3 computed 1.750 (500 ms each) + 1 predicted 0.001 (1 ms each)"


def test_an_interrupted_schedule_counts_as_far_as_it_went():
    account = Account.of("CC..C", [1, 1])
    assert account.ideal_speed_up == 1
    assert account.describe("call") == "2 computed 2.000 (1e+03 ms each) + no predicted call"
    assert Account.of("CC", []).ideal_speed_up == 0
