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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..version import installed_version
from .calibrated_plans import CalibratedPlan
from .fit import Inner, fit, gram, search_mask
from .plan import CachePlan, schedule_text
from .recording import Recordable, RecordablePipeline, Trajectory, record
from .schedule import Schedule, native_schedules, spread_runs

if TYPE_CHECKING:
    from ..pipelines.tasks import Text2ImagePipeline


# --- choosing -----------------------------------------------------------------------------------


def likeness(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Signal-to-error ratio in dB."""
    signal = float(np.sum(np.square(expected, dtype=np.float64)))
    error = float(np.sum(np.square(expected - found, dtype=np.float64)))
    return math.inf if error == 0 else 10 * math.log10(signal / error)


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


def calibrate(
    pipeline: Text2ImagePipeline | Recordable,
    prompts: Sequence[str],
    num_inference_steps: int,
    *,
    transformer_runs: Sequence[int] = (14, 10, 8),
    held_out: int | None = None,
    rounds: int = 3,
    first_seed: int = 0,
    say: Callable[[str], object] = lambda line: None,
    **settings: Any,
) -> list[CalibratedPlan]:
    """Learn plans for a model; about (4 + 2 rounds) generations for each prompt and number of runs.

    Keeps Gram matrices and, of each prompt's full run, the sample that `recording.py` states.

    Args:
        prompts: at least three; the last ones are held out and decide between candidates.
        held_out: how many of them, a third by default.
        transformer_runs: a plan is made for each of these.
        rounds: how often a fit is repeated on the cached runs themselves.
        settings: of `Text2ImagePipeline.generate`, such as the size; other pipelines have theirs.

    Raises:
        TypeError: for settings that are unknown or not the pipeline's.
        ValueError: if there are too few prompts, or no step could be skipped.
    """
    held_out = max(1, len(prompts) // 3) if held_out is None else held_out
    if not 1 <= held_out < len(prompts):
        raise ValueError(f"{len(prompts)} prompts, {held_out} of them held out, leave none to fit")
    for runs in transformer_runs:
        if not 3 <= runs < num_inference_steps:
            raise ValueError(
                f"transformer_runs must be from 3 to {num_inference_steps - 1}, got {runs}"
            )
    recordable = _as_recordable(pipeline, settings)
    sigmas = recordable.sigmas(num_inference_steps)

    def run(i: int, plan: CachePlan) -> Trajectory:
        return record(recordable, prompts[i], first_seed + i, plan)

    def mean_db(plan: CachePlan, chosen: Sequence[int]) -> float:
        return math.fsum(likeness(full[i].latents, run(i, plan).latents) for i in chosen) / len(
            chosen
        )

    say(f"recording {len(prompts)} full runs of {num_inference_steps} steps")
    uncached = CachePlan.uncached(num_inference_steps)
    full = [run(i, uncached) for i in range(len(prompts))]
    fitted, judged = range(len(prompts) - held_out), range(len(prompts) - held_out, len(prompts))
    gram_full = sum((gram(full[i].outputs) for i in fitted), np.zeros(()))

    def attempt(mask: Schedule, inner: Inner) -> Attempt:
        """Fit a plan and draw with it, which tells how good it is and what it computes."""
        plan = fit(mask, sigmas, inner)[0]
        basis, cross, db = np.zeros(()), np.zeros(()), 0.0
        for i in fitted:
            cached = run(i, plan)
            basis = basis + gram(cached.outputs)
            cross = cross + gram(cached.outputs, full[i].outputs)
            db += likeness(full[i].latents, cached.latents) / len(fitted)
        return Attempt(plan, db, Inner(basis, cross, gram_full))

    def refined(last: Attempt) -> CalibratedPlan:
        best = last
        for _ in range(rounds):
            last = attempt(last.plan.mask, last.inner)
            best = max(best, last, key=lambda attempt: attempt.db)
        mask = best.plan.mask
        taylor = CachePlan.from_mask(mask, sigmas, abscissa="sigma", corrector=True)
        return CalibratedPlan(
            plan=best.plan,
            calibration_db=best.db,
            held_out_db=mean_db(best.plan, judged),
            taylor_db=mean_db(taylor, judged),
            height=recordable.height,
            width=recordable.width,
            guidance_scale=recordable.guidance_scale,
            package_version=installed_version("taylorseer-ov") or "unknown",
        )

    def left_over(mask: Schedule) -> float:
        return float(fit(mask, sigmas, of_full_runs)[1][-1])

    of_full_runs = Inner.of_full_runs(gram_full)
    chosen = []
    for runs in transformer_runs:
        starts = {spread_runs(num_inference_steps, runs)}
        native = native_schedules(num_inference_steps, runs)
        if native:
            starts.add(min(native, key=left_over))
        found = {search_mask(gram_full, sigmas, start) for start in starts}
        # the search sees full runs only: all are tried for real, and the two best refined
        tried = [attempt(mask, of_full_runs) for mask in sorted(starts | found)]
        tried.sort(key=lambda attempt: attempt.db, reverse=True)
        candidates = [refined(attempt) for attempt in tried[:2]]
        for candidate in candidates:
            say(
                f"{schedule_text(candidate.plan.mask)}  {runs} runs: "
                f"{candidate.calibration_db:.1f} dB fitted, {candidate.held_out_db:.1f} dB held "
                f"out (not calibrated: {candidate.taylor_db:.1f} dB)"
            )
        chosen.append(max(candidates, key=lambda candidate: candidate.held_out_db))
    return chosen


def _as_recordable(
    pipeline: Text2ImagePipeline | Recordable, settings: dict[str, Any]
) -> Recordable:
    if not isinstance(pipeline, Recordable):
        return RecordablePipeline(pipeline, **settings)
    if settings:
        raise TypeError(f"{', '.join(settings)}: to be set in the pipeline that is calibrated")
    return pipeline
