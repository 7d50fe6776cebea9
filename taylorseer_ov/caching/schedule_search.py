"""Search schedules by what their runs tell about all steps, without drawing.

The outputs of a schedule's runs span what the latents can be moved by. The left-over of step i is
the part of a full run's displacement D[i] (`calibration.py`) that lies outside. It follows from the
Gram matrix G of the full run's outputs, factorized a run at a time (Cholesky): one more run, in
step c, adds the row

    L[k] = (G[c] - sum over rows m before  L[m, c] * L[m]) / sqrt(pivot + ridge)

whose pivot is what the numerator is at c, and takes from what is left over

    left_over[i] -= (sum over l <= i of  dsigma[l] * L[k, l])^2

So a schedule that goes on from another costs one row. The search takes all schedules a run further
at a time, and of those with the same last run keeps the best few.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Matrix
from .rows import noise_levels
from .schedule import Schedule

# A fit is drawn towards a plan that is near already, a left-over towards no run at all.
RIDGE = 1e-8  # as a share of the outputs' mean square
# On the demo model twice as wide a search leaves over nothing less in 28 steps, and 1 % in 50.
WIDTH = 32
MOST_BYTES = 2**27  # of the rows: those gone on from, and those that do
FIRST = np.zeros(1, np.intp)


@dataclass(frozen=True)
class Partial:
    """Schedules that have the same number of runs so far, m of k runs, and what these leave over.

    Attributes:
        gram: inner products of the full run's outputs, (n, n).
        dsigma: by which the steps are weighted, (n,).
        runs: the steps that run the transformer, (m, k), rising.
        rows: of the factorization, (m, k, n).
        left_over: squared norms by step, (m, n).
    """

    gram: Matrix
    dsigma: NDArray[np.float64]
    runs: NDArray[np.intp]
    rows: NDArray[np.float64]
    left_over: NDArray[np.float64]

    @classmethod
    def without_runs(cls, gram: Matrix, sigmas: NDArray[np.floating]) -> Partial:
        """The one schedule that has no run yet, and leaves all displacements over."""
        steps = len(gram)
        dsigma = np.diff(noise_levels(sigmas, steps))
        targets = np.tril(np.ones((steps, steps))) * dsigma
        left_over = np.einsum("il,lj,ij->i", targets, gram, targets, optimize=True)
        none = np.zeros((1, 0), np.intp)
        return cls(gram, dsigma, none, np.zeros((1, 0, steps)), left_over[None])

    def extended(self, chosen: NDArray[np.intp], places: NDArray[np.intp]) -> Partial:
        """Return schedules that go on from the `chosen` ones, (m',), with a run in `places`."""
        each = np.arange(len(places))
        before = self.rows[chosen]
        row = self.gram[places] - np.einsum("mk,mkn->mn", before[each, :, places], before)
        pivot = row[each, places] + RIDGE * np.trace(self.gram) / len(self.gram)
        row /= np.sqrt(pivot)[:, None]
        return Partial(
            self.gram,
            self.dsigma,
            np.concatenate([self.runs[chosen], places[:, None]], axis=1),
            np.concatenate([before, row[:, None]], axis=1),
            self.left_over[chosen] - np.square(np.cumsum(row * self.dsigma, axis=1)),
        )


def least_left_over(
    schedules: Iterable[Schedule], gram: Matrix, sigmas: NDArray[np.floating]
) -> Schedule:
    """Return the schedule that leaves least of the whole displacement over.

    Args:
        gram: inner products of full runs' outputs, (n, n).
        sigmas: falling noise levels, (n + 1,).
    """
    begun = Partial.without_runs(gram, sigmas)

    def at_end(schedule: Schedule) -> float:
        partial = begun
        for place in np.flatnonzero(schedule):
            partial = partial.extended(FIRST, np.array([place]))
        return float(partial.left_over[0, -1])

    return min(schedules, key=at_end)


def search_schedules(
    gram: Matrix,
    sigmas: NDArray[np.floating],
    most_runs: int,
    *,
    longest_gap: int = 8,
    width: int = WIDTH,
) -> dict[int, Schedule]:
    """Find a schedule for each number of transformer runs up to `most_runs`.

    What is looked for is the least sum of what is left over in the latents that each run is given,
    and in the last ones.

    Args:
        gram: inner products of full runs' outputs, (n, n).
        sigmas: falling noise levels, (n + 1,).
        longest_gap: between two runs, or the last one and the end, in steps.
        width: how many schedules with the same last run are gone on from; fewer where they would
            take too much memory, none from some 250 steps on.

    Returns:
        The schedules by their number of runs, where gaps need not be longer.
    """
    steps = len(gram)
    width = min(width, MOST_BYTES // (2 * gram.itemsize * steps**2 * max(most_runs, 1)))
    found: dict[int, Schedule] = {}
    if not width:
        return found
    partial, errors = Partial.without_runs(gram, sigmas).extended(FIRST, FIRST), np.zeros(1)
    for count in range(1, most_runs + 1):
        if count > 1:
            chosen, places, errors = _best_few(partial, errors, longest_gap, width)
            partial = partial.extended(chosen, places)
        complete = np.flatnonzero(partial.runs[:, -1] >= steps - longest_gap)
        if complete.size:
            in_all = errors[complete] + partial.left_over[complete, -1]
            runs = set(partial.runs[complete[np.argmin(in_all)]].tolist())
            found[count] = tuple(i in runs for i in range(steps))
    return found


def _best_few(
    partial: Partial, errors: NDArray[np.float64], longest_gap: int, width: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Choose how to go on: by which schedules, with a run in which places, and their errors."""
    steps = len(partial.gram)
    places = partial.runs[:, -1:] + np.arange(1, longest_gap + 1)
    chosen, gap = np.nonzero(places < steps)
    places = places[chosen, gap]
    # a run is given the latents of the step before it
    errors = errors[chosen] + partial.left_over[chosen, places - 1]
    order = np.lexsort((errors, places))
    chosen, places, errors = chosen[order], places[order], errors[order]
    rank = np.arange(len(places)) - np.searchsorted(places, places)
    kept = rank < width
    return chosen[kept], places[kept], errors[kept]
