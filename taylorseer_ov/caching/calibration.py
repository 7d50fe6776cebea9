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

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..checks import whole_number
from ..learned_files import target_folder
from ..warning import warn
from .calibrated_plans import present_plans
from .learned_plan import CalibratedPlan
from .presets import (
    FEWEST_CALIBRATED_RUNS,
    FEWEST_STEPS,
    CalibrationWarning,
    preset_runs,
)
from .recording import Drawing, Recordable, RecordablePipeline
from .trials import Calibration

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
