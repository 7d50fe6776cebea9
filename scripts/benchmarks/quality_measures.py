"""Draw with every method, and measure how like the uncached pictures that is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scripts.benchmarks.quality_methods import GENAI, UNCACHED, Method
from scripts.benchmarks.quality_page import Example, Shown
from scripts.demo.judge import PictureJudge, compare
from scripts.demo.shapes import Scene
from taylorseer_ov import Text2ImagePipeline, psnr, ssim
from taylorseer_ov.caching.recording import FinalLatents
from taylorseer_ov.caching.trials import likeness

MOST_DB = 100.0
PAGE_PROMPTS = 5

Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What is drawn by all methods.

    Attributes:
        scenes: what the prompts ask for, if the demo model's judge can tell.
    """

    prompts: Sequence[str]
    seeds: Sequence[int]
    scenes: Sequence[Scene] | None = None


@dataclass
class Drawn:
    """What one method drew, by prompt. `latents` is empty if it does not show any."""

    latents: list[np.ndarray] = field(default_factory=list)
    pictures: list[np.ndarray] = field(default_factory=list)
    schedules: list[str] = field(default_factory=list)


def draw(
    pipeline: Text2ImagePipeline, task: Task, method: Method, *, latents: bool = True
) -> Drawn:
    """Draw all prompts with one method."""
    drawn, final = Drawn(), FinalLatents()
    for prompt, seed in zip(task.prompts, task.seeds, strict=True):
        result = pipeline.generate(
            prompt,
            cache=method.cache,
            num_inference_steps=method.steps,
            rng_seed=seed,
            callback=final if latents else None,
        )
        drawn.pictures.append(np.asarray(result.data)[0])
        drawn.schedules.append(result.report.schedule)
        if latents:
            drawn.latents.append(final.latents)
    return drawn


def measure(
    method: Method, drawn: Drawn, reference: Drawn, task: Task, judge: PictureJudge | None
) -> Row:
    """Compare what a method drew with the pictures in which every step was computed."""
    pairs = list(zip(reference.pictures, drawn.pictures, strict=True))
    by_prompt: dict[str, list[Any]] = {
        "runs": [schedule.count("C") for schedule in drawn.schedules],
        "psnr_db": [min(psnr(a, b), MOST_DB) for a, b in pairs],
        "ssim": [ssim(a, b) for a, b in pairs],
    }
    if drawn.latents:
        both = zip(reference.latents, drawn.latents, strict=True)
        by_prompt["latents_db"] = [min(likeness(a, b), MOST_DB) for a, b in both]
    if judge is not None and task.scenes is not None:
        verdicts = judge.judge(np.stack(drawn.pictures))
        by_prompt["right"] = compare(task.scenes, verdicts)["everything"].tolist()

    right = by_prompt.get("right")
    return {
        "family": method.family,
        "setting": method.setting,
        "scheduled_runs": method.runs,
        "runs": math.fsum(by_prompt["runs"]) / len(pairs),
        "latents_db": summarize(by_prompt["latents_db"]) if drawn.latents else None,
        "psnr_db": summarize(by_prompt["psnr_db"]),
        "ssim": summarize(by_prompt["ssim"]),
        "right": None if right is None else sum(right) / len(right),
        "schedule": drawn.schedules[0],
        "schedules": len(set(drawn.schedules)),
        "prompts": by_prompt,
    }


def summarize(values: Sequence[float]) -> dict[str, float]:
    """Return the mean over prompts, the 10th percentile (interpolated linearly) and the worst."""
    return {
        "mean": math.fsum(values) / len(values),
        "p10": float(np.percentile(values, 10)),
        "worst": min(values),
    }


def run_benchmark(
    pipeline: Text2ImagePipeline,
    native: Text2ImagePipeline | None,
    task: Task,
    methods: Sequence[Method],
    steps: int,
    judge: PictureJudge | None,
    say: Callable[[str], object],
) -> tuple[list[Row], list[Example]]:
    """Draw with every step computed, then with each method, and measure.

    Returns:
        The figures, those of the uncached pictures first, and the first pictures for the page.
    """
    shown_on_page = list(zip(task.prompts, task.seeds, strict=True))[:PAGE_PROMPTS]
    examples = [Example(prompt, seed, []) for prompt, seed in shown_on_page]
    rows: list[Row] = []
    reference: Drawn | None = None
    uncached = Method(UNCACHED, f"{steps} steps", None, steps, steps)
    for number, method in enumerate([uncached, *methods]):
        start_s = time.perf_counter()
        by_genai = method.family == GENAI
        chosen = native if by_genai and native is not None else pipeline
        drawn = draw(chosen, task, method, latents=not by_genai)
        reference = reference or drawn
        row = measure(method, drawn, reference, task, judge)
        rows.append(row)
        for i, example in enumerate(examples):
            example.pictures.append(shown(row, drawn, i))
        seconds = time.perf_counter() - start_s
        say(f"{number:3} of {len(methods)}: {method.family}, {method.setting}: {seconds:.0f} s")
    return rows, examples


def shown(row: Row, drawn: Drawn, i: int) -> Shown:
    """What the page shows of prompt `i`."""
    by_prompt = row["prompts"]

    def value(name: str) -> Any:
        return by_prompt[name][i] if name in by_prompt else None

    return Shown(
        family=row["family"],
        setting=row["setting"],
        scheduled_runs=row["scheduled_runs"],
        schedule=drawn.schedules[i],
        picture=drawn.pictures[i],
        latents_db=value("latents_db"),
        psnr_db=value("psnr_db"),
        right=value("right"),
    )
