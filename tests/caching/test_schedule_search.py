"""The search of schedules, against all that there are, the fit itself and the native rule."""

import itertools

import numpy as np
import pytest

from taylorseer_ov.caching import schedule_search
from taylorseer_ov.caching.fit import Inner, fit, gram
from taylorseer_ov.caching.schedule import native_schedules, schedule_text, spread_runs
from taylorseer_ov.caching.schedule_search import least_left_over, search_schedules

pytestmark = pytest.mark.once


def sigmas_of(steps):
    return np.append(np.linspace(1, 0.1, steps) ** 1.5, 0)


def gram_of(steps, seed=0):
    """Of outputs that change smoothly, and faster towards the end."""
    random = np.random.default_rng(seed)
    frequencies, phases = random.exponential(2, (2, 200)) * [[1], [np.pi]]
    sigmas = sigmas_of(steps)[:-1, None]
    return gram(random.standard_normal(200) * np.cos(frequencies * np.sqrt(sigmas) * 3 + phases))


def in_all(schedule, gram_full):
    """What the fit leaves over in the latents that runs are given, and in the last ones."""
    left_over = fit(schedule, sigmas_of(len(schedule)), Inner.of_full_runs(gram_full))[1]
    return float(left_over @ np.append(schedule[1:], True))


def all_schedules(steps, runs):
    for places in itertools.combinations(range(1, steps), runs - 1):
        yield tuple(i == 0 or i in places for i in range(steps))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_of_all_schedules_the_best_is_found(seed):
    steps, gram_full = 10, gram_of(10, seed)
    found = search_schedules(gram_full, sigmas_of(steps), 6, longest_gap=steps)
    assert list(found) == [1, 2, 3, 4, 5, 6]
    for runs, schedule in found.items():
        assert sum(schedule) == runs
        # as far as the ridges of fit and search let them be the same question
        least = min(in_all(other, gram_full) for other in all_schedules(steps, runs))
        assert in_all(schedule, gram_full) <= least * 1.02, schedule_text(schedule)


def test_it_does_better_than_the_schedules_that_need_no_search():
    steps, gram_full = 28, gram_of(28)
    found = search_schedules(gram_full, sigmas_of(steps), 14)
    for runs in (8, 10, 14):
        usual = {spread_runs(steps, runs)} | native_schedules(steps, runs)
        assert in_all(found[runs], gram_full) < min(in_all(other, gram_full) for other in usual)


def test_the_native_schedule_is_the_one_that_fits_best_at_the_end():
    steps, gram_full = 28, gram_of(28)
    inner = Inner.of_full_runs(gram_full)
    native = native_schedules(steps, 10)
    expected = min(native, key=lambda each: fit(each, sigmas_of(steps), inner)[1][-1])
    assert least_left_over(native, gram_full, sigmas_of(steps)) == expected


def test_no_gap_is_longer_than_the_cap():
    found = search_schedules(gram_of(12), sigmas_of(12), 6, longest_gap=3)
    assert list(found) == [4, 5, 6]  # the others cannot do without longer ones
    assert not any("..." in schedule_text(schedule) for schedule in found.values())


def test_work_and_memory_do_not_grow_faster_than_the_rows_of_all_partial_schedules(monkeypatch):
    """A search that moved one run at a time took 57 s at 50 steps, and did not end at 100."""
    extended, made, held = schedule_search.Partial.extended, [], []

    def counted(partial, chosen, places):
        made.append(len(places))
        longer = extended(partial, chosen, places)
        held.append(longer.rows.nbytes)
        return longer

    monkeypatch.setattr(schedule_search.Partial, "extended", counted)
    monkeypatch.setattr(schedule_search, "MOST_BYTES", 2**24)
    found = search_schedules(gram_of(100), sigmas_of(100), 50)
    assert sum(found[50]) == 50
    assert len(made) == 50
    assert sum(made) <= 50 * 100 * schedule_search.WIDTH
    assert max(held) <= 2**23
    assert search_schedules(gram_of(100), sigmas_of(100), 50, width=0) == {}
