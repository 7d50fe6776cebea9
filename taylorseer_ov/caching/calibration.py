"""Learn a cache plan for a model from recorded trajectories.

A full run of n steps moves the latents by D[i] after step i, a sum of its outputs v[l]:

    D[i] = sum over l <= i of  dsigma[l] * v[l]

A cached run can only move them within the span of the outputs it has computed. Its best try is the
least-squares fit of D[i] on the outputs B computed up to step i, over all recorded prompts,

    a[i] = argmin |D[i] - B a|^2 + ridge * |a - prior[i]|^2

and the weights of step i are what is to be added to the fit so far, (a[i] - a[i-1]) / dsigma[i].
That is a predictor and a corrector in one. The prior goes on from a[i-1] with the weights of a
repaired order-1 plan. All of this needs inner products only: Gram matrices of outputs.

The outputs of a cached run differ from those of a full run, since its latents do. So the fit is
repeated with the outputs that the cached run itself computes, a few times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..checks import whole_number
from ..learned_files import target_folder
from ..version import installed_version
from ..warning import warn
from .calibrated_plans import present_plans
from .fit import Inner, fit, gram
from .learned_plan import CalibratedPlan
from .occasion import Occasion
from .plan import CachePlan
from .presets import (
    FEWEST_CALIBRATED_RUNS,
    FEWEST_STEPS,
    CalibrationWarning,
    plan_without,
    preset_runs,
)
from .recording import Drawing, Recordable, RecordablePipeline, Trajectory, record
from .schedule import Schedule, native_schedules, spread_runs
from .schedule_search import least_left_over, search_schedules

# Plans that were fitted to fewer are often no better than the ones that they are to replace.
SENSIBLE_PROMPTS = 12


def calibrate(
    pipeline: Drawing | Recordable,
    prompts: Sequence[str],
    num_inference_steps: int,
    *,
    transformer_runs: Sequence[int] | None = None,
    held_out: int | None = None,
    rounds: int = 3,
    first_seed: int = 0,
    into: str | Path | None = None,
    say: Callable[[str], object] = lambda line: None,
    **settings: Any,
) -> list[CalibratedPlan]:
    """Learn plans for a model; about (3 + 2 rounds) generations for each prompt and number of runs.

    Keeps Gram matrices and, of each prompt's full run, the sample that `recording.py` states.

    Args:
        pipeline: a `Text2ImagePipeline`, or anything else that is `Recordable`.
        prompts: a dozen or more; the last ones are held out and decide between candidates.
        num_inference_steps: the steps that plans are made for.
        transformer_runs: a plan is made for each of these; those of the presets if None.
        held_out: how many of them, a third by default.
        rounds: how often a fit is repeated on the cached runs themselves.
        first_seed: of the first prompt's noise; each further prompt has the next one.
        into: the folder that `write_plans` is going to be given, which is seen to be possible first
            and whose plans are the ones to do better than; those that there are for the pipeline's
            `folder`, if it has one, by default.
        say: called with a line of text about what was recorded and each candidate.
        settings: of `Text2ImagePipeline.generate`, such as the size; other pipelines have theirs.

    Returns:
        A plan for each of `transformer_runs`, in their order, with its likeness in dB and that of
        what a preset takes without it. `write_plans` keeps those that are better.

    Raises:
        TypeError: for settings that are unknown or not the pipeline's.
        ValueError: if there are too few prompts, no step could be skipped, or there are so few
            steps that presets cache nothing and `transformer_runs` says nothing else; or if `into`
            cannot be written.

    Warns:
        CalibrationWarning: for fewer than a dozen prompts.
    """
    held_out = max(1, len(prompts) // 3) if held_out is None else held_out
    if not 1 <= held_out < len(prompts):
        raise ValueError(f"{len(prompts)} prompts, {held_out} of them held out, leave none to fit")
    whole_number("first_seed", first_seed, 0)
    all_runs = _checked_runs(transformer_runs, num_inference_steps)
    recordable = _as_recordable(pipeline, settings)
    present = _present_plans(pipeline, into)
    sigmas = recordable.sigmas(num_inference_steps)
    if len(prompts) < SENSIBLE_PROMPTS:
        _warn_of_few(len(prompts), held_out)
    say(f"recording {len(prompts)} full runs of {num_inference_steps} steps")
    calibration = Calibration(recordable, prompts, sigmas, held_out, first_seed, present)
    return calibration.choose_each(all_runs, rounds, say)


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


def _warn_of_few(prompts: int, held_out: int) -> None:
    warn(
        f"{prompts} prompts are few to calibrate on, {held_out} of them to judge by: what is "
        f"learned may not hold for others; give {SENSIBLE_PROMPTS} or more",
        CalibrationWarning,
    )


def _checked_runs(transformer_runs: Sequence[int] | None, num_inference_steps: int) -> list[int]:
    if transformer_runs is None:
        return _runs_of_presets(num_inference_steps)
    for runs in transformer_runs:
        if not FEWEST_CALIBRATED_RUNS <= runs < num_inference_steps:
            raise ValueError(
                f"transformer_runs must be from {FEWEST_CALIBRATED_RUNS} to one less than the "
                f"{num_inference_steps} steps, got {runs}"
            )
    return list(transformer_runs)


def _runs_of_presets(num_inference_steps: int) -> list[int]:
    if num_inference_steps < FEWEST_STEPS:
        raise ValueError(
            f"presets cache nothing in fewer than {FEWEST_STEPS} steps and would take no plan for "
            f"{num_inference_steps}: give num_inference_steps, or for a plan of your own "
            "transformer_runs"
        )
    return list(dict.fromkeys(preset_runs(num_inference_steps).values()))


def _present_plans(pipeline: Drawing | Recordable, into: str | Path | None) -> list[CalibratedPlan]:
    """Return the plans to do better than, after a look whether new ones can be written."""
    folder = getattr(pipeline, "folder", None)
    if folder is None:
        return []
    if into is not None:
        target_folder(folder.fingerprint(), into)
    return present_plans(folder, into)


def _as_recordable(pipeline: Drawing | Recordable, settings: dict[str, Any]) -> Recordable:
    if not isinstance(pipeline, Recordable):
        return RecordablePipeline(pipeline, **settings)
    if settings:
        raise TypeError(f"{', '.join(settings)}: to be set in the pipeline that is calibrated")
    return pipeline
