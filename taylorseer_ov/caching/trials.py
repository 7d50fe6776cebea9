"""Plans that are fitted to full runs, tried on the same prompts, refined, and judged by others.

What is fitted, and why more than once, `calibration.py` states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..version import installed_version
from .fit import Inner, fit, gram
from .learned_plan import CalibratedPlan
from .occasion import Occasion
from .plan import CachePlan
from .presets import plan_without
from .recording import Recordable, Trajectory, record
from .schedule import Schedule, native_schedules, spread_runs
from .schedule_search import least_left_over, search_schedules


@dataclass(frozen=True)
class Attempt:
    """A plan that was tried on the fitted prompts.

    Attributes:
        db: mean signal-to-error ratio of the final latents.
        inner: what its runs computed, for the next fit.
    """

    plan: CachePlan
    db: float
    inner: Inner


class Calibration:
    """The full runs of some prompts, and the plans that are fitted to them and tried on them.

    Making one draws every prompt with all steps computed. The last `held_out` prompts are fitted
    to by none of the plans.
    """

    def __init__(
        self,
        pipeline: Recordable,
        prompts: Sequence[str],
        sigmas: NDArray[np.floating],
        held_out: int,
        first_seed: int,
        present: list[CalibratedPlan],
    ) -> None:
        self._pipeline, self._prompts, self._first_seed = pipeline, prompts, first_seed
        self._sigmas, self._steps, self._present = sigmas, len(sigmas) - 1, present
        fitted = len(prompts) - held_out
        self._fitted, self._judged = range(fitted), range(fitted, len(prompts))
        uncached = CachePlan.uncached(self._steps)
        self._full = [self.run(i, uncached) for i in range(len(prompts))]
        self._gram = sum((gram(self._full[i].outputs) for i in self._fitted), np.zeros(()))

    def choose_each(
        self, all_runs: Sequence[int], rounds: int, say: Callable[[str], object]
    ) -> list[CalibratedPlan]:
        """Return the best plan for each number of transformer runs."""
        found = search_schedules(self._gram, self._sigmas, max(all_runs, default=0))
        return [self.choose(runs, found.get(runs), rounds, say) for runs in all_runs]

    def choose(
        self, runs: int, found: Schedule | None, rounds: int, say: Callable[[str], object]
    ) -> CalibratedPlan:
        """Return the best plan with so many transformer runs, judged by the held-out prompts.

        Args:
            found: a schedule to try beside the usual ones.
        """
        schedules = {spread_runs(self._steps, runs)}
        native = native_schedules(self._steps, runs)
        if native:
            schedules.add(least_left_over(native, self._gram, self._sigmas))
        if found is not None:
            schedules.add(found)
        # what is left over is that of full runs: all are tried for real, and the two best refined
        of_full_runs = Inner.of_full_runs(self._gram)
        tried = [self.attempt(schedule, of_full_runs) for schedule in sorted(schedules)]
        tried.sort(key=lambda attempt: attempt.db, reverse=True)
        candidates = [self.refine(attempt, rounds) for attempt in tried[:2]]
        for candidate in candidates:
            say(
                f"{candidate.plan}  {runs} runs: {candidate.calibration_db:.1f} dB fitted, "
                f"{candidate.held_out_db:.1f} dB held out (not calibrated: "
                f"{candidate.taylor_db:.1f} dB)"
            )
        best = max(candidates, key=lambda candidate: candidate.held_out_db)
        return self._beside_present(best, say)

    def _beside_present(
        self, learned: CalibratedPlan, say: Callable[[str], object]
    ) -> CalibratedPlan:
        """Add how what a preset takes without a plan does, and say so if that is no worse."""
        size = self._pipeline.height, self._pipeline.width
        occasion = Occasion(self._sigmas, size, self._pipeline.guidance_scale)
        runs = learned.plan.transformer_runs
        without = plan_without(runs, occasion, self._present)
        judged = replace(learned, without_db=self._held_out_db(without))
        if not judged.is_better:
            say(
                f"{learned.plan}  {runs} runs: not kept, since it is not better than what a preset "
                f"takes without it, {without.transformer_runs} runs "
                f"({judged.held_out_db:.1f} against {judged.without_db:.1f} dB)"
            )
        return judged

    def run(self, i: int, plan: CachePlan) -> Trajectory:
        """Draw prompt `i` as a plan says."""
        return record(self._pipeline, self._prompts[i], self._first_seed + i, plan)

    def attempt(self, mask: Schedule, inner: Inner) -> Attempt:
        """Fit a plan and draw with it, which tells how good it is and what it computes."""
        plan = fit(mask, self._sigmas, inner)[0]
        basis, cross, db = np.zeros(()), np.zeros(()), 0.0
        for i in self._fitted:
            full, cached = self._full[i], self.run(i, plan)
            basis = basis + gram(cached.outputs)
            cross = cross + gram(cached.outputs, full.outputs)
            db += likeness(full.latents, cached.latents) / len(self._fitted)
        return Attempt(plan, db, Inner(basis, cross, self._gram))

    def refine(self, last: Attempt, rounds: int) -> CalibratedPlan:
        """Fit again to what the cached runs computed, and judge the best of these plans."""
        best = last
        for _ in range(rounds):
            last = self.attempt(last.plan.mask, last.inner)
            best = max(best, last, key=lambda attempt: attempt.db)
        mask = best.plan.mask
        taylor = CachePlan.from_mask(mask, self._sigmas, abscissa="sigma", corrector=True)
        return CalibratedPlan(
            plan=best.plan,
            calibration_db=best.db,
            held_out_db=self._held_out_db(best.plan),
            taylor_db=self._held_out_db(taylor),
            height=self._pipeline.height,
            width=self._pipeline.width,
            guidance_scale=self._pipeline.guidance_scale,
            package_version=installed_version("taylorseer-ov") or "unknown",
        )

    def _held_out_db(self, plan: CachePlan) -> float:
        found = [likeness(self._full[i].latents, self.run(i, plan).latents) for i in self._judged]
        return math.fsum(found) / len(found)


def likeness(expected: Array, found: Array) -> float:
    """Return the signal-to-error ratio of arrays of one shape in dB, infinite if they are equal.

    10 log10(sum of expected^2 / sum of (expected - found)^2)
    """
    signal = float(np.sum(np.square(expected, dtype=np.float64)))
    error = float(np.sum(np.square(expected - found, dtype=np.float64)))
    return math.inf if error == 0 else 10 * math.log10(signal / error)
