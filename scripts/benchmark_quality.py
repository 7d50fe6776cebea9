"""Measure how much every way of skipping transformer runs changes the picture.

    python scripts/benchmark_quality.py --page            # the demo model, 64 held-out prompts
    python scripts/benchmark_quality.py --quick           # 8 prompts and fewer methods: minutes
    python scripts/benchmark_quality.py MODEL_DIR --prompts MINE.txt --calibration-prompts MORE.txt

Each prompt is drawn once with every step computed. All else is measured by how like that it is:

- the signal-to-error ratio of the final latents, in dB, which rounding to 8 bits cannot hide;
- PSNR (dB) and SSIM of the pictures;
- for the demo model, whether the picture still shows the scene that was asked for.

Equal latents or pictures count as 100 dB. Methods are compared at equal numbers of transformer
runs, and with plain sampling in so few steps, which needs no caching at all. Plans are calibrated
on scenes of the training set; the evaluation takes held-out ones. openvino_genai draws the same
prompts itself: it shows no latents, so pictures only.

Computes in f32. Prints a table, then one JSON document as the last line. The output folder gets the
same document with the figures of every prompt, the calibrated plans, the plot and the page.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cache_policies import EasyCache, MagCache, Recording
from demo_judge import PictureJudge, compare
from demo_shapes import CANVAS, Scene, all_scenes
from evaluate_demo_model import choose_scenes
from quality_page import Example, Shown, write_page
from taylorseer_ov import (
    CachePlan,
    ModelFolderError,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    demo_model_path,
    psnr,
    ssim,
)
from taylorseer_ov.calibration import calibrate, likeness
from taylorseer_ov.control import ErrorControl
from taylorseer_ov.native import missing_native_support
from taylorseer_ov.presets import PLANS_FILE
from taylorseer_ov.schedule import inactive_reason, step_schedule

UNCACHED = "every step computed"
PLAIN = "plain sampling"
REUSE = "reuse"
NATIVE = "native order 1"
SIGMA_1 = "order 1 in sigma"
SIGMA_2 = "order 2 in sigma"
CORRECTED_STEP = "corrected, step"
CORRECTED_SIGMA = "corrected, sigma"
CALIBRATED = "calibrated"
CONTROLLED = "error control"
EASY = "EasyCache"
EASY_OUTPUT = "EasyCache on outputs"
MAG = "MagCache on outputs"
GENAI = "openvino_genai"

MOST_DB = 100.0
RUNS = (14, 11, 10, 8, 6)
# (cache_interval, disable_cache_before_step, disable_cache_after_step) by transformer runs
NATIVE_AT_28 = {14: (3, 6, -2), 11: (4, 4, -2), 10: (5, 4, -2), 8: (6, 3, -1)}
TOLERANCES = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016)
EASY_THRESHOLDS = (0.02, 0.04, 0.08, 0.16, 0.32)
# threshold, max_skip_steps, retention_ratio: those of diffusers 0.39, then those of the authors
MAG_SETTINGS = ((0.015, 3, 0.2), (0.03, 3, 0.2), (0.06, 3, 0.2), (0.12, 3, 0.2), (0.24, 5, 0.1))
CALIBRATION_SEED = 50_000_000  # far from those of the evaluation
MAG_RECORDINGS = 6
PAGE_PROMPTS = 5

Row = dict[str, Any]


# --- methods -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Method:
    """One way to draw a prompt.

    Attributes:
        family: what it is called, and its line in the plot.
        setting: what tells it from others of its family.
        cache: as `Text2ImagePipeline.generate` takes it.
        steps: those of the schedule, or fewer for plain sampling.
        runs: the transformer runs it was chosen for; None if it decides while drawing.
    """

    family: str
    setting: str
    cache: Any
    steps: int
    runs: int | None = None


def native_config(steps: int, runs: int) -> TaylorSeerCacheConfig:
    """Return the order-1 configuration of openvino_genai that is compared at so many runs.

    At 28 steps that of `NATIVE_AT_28`; else one whose warm-up takes about 0.4 of the runs,
    with the shortest longest gap.

    Raises:
        ValueError: if none has so many runs.
    """
    if steps == 28 and runs in NATIVE_AT_28:
        return TaylorSeerCacheConfig(*NATIVE_AT_28[runs])
    found = []
    for interval in range(2, steps):
        for before in range(2, runs + 1):
            for after in (-2, -1):
                config = TaylorSeerCacheConfig(interval, before, after)
                if inactive_reason(config, steps) is None:
                    mask = step_schedule(config, steps)
                    if sum(mask) == runs:
                        gap = int(np.diff(np.flatnonzero([*mask, True])).max())
                        key = abs(before - 0.4 * runs), gap, after
                        found.append((key, config))
    if not found:
        raise ValueError(f"no configuration of {steps} steps runs the transformer {runs} times")
    return min(found, key=lambda pair: pair[0])[1]


def setting_of(config: TaylorSeerCacheConfig) -> str:
    """Write a schedule as (cache_interval, disable_cache_before_step, disable_cache_after_step)."""
    values = (
        config.cache_interval,
        config.disable_cache_before_step,
        config.disable_cache_after_step,
    )
    return str(values)


def build_methods(
    steps: int,
    runs: Sequence[int],
    plans: Sequence[CachePlan],
    mag_cache: MagCache,
    *,
    with_native: bool = True,
    quick: bool = False,
) -> list[Method]:
    """List the methods in the order of the table; with openvino_genai's own drawing if wanted."""
    configs = {count: native_config(steps, count) for count in runs}
    variants: dict[str, dict[str, Any]] = {
        REUSE: {"max_order": 0},
        NATIVE: {},
        SIGMA_1: {"abscissa": "sigma"},
        SIGMA_2: {"abscissa": "sigma", "max_order": 2},
        CORRECTED_STEP: {"corrector": True},
        CORRECTED_SIGMA: {"corrector": True, "abscissa": "sigma"},
    }
    if quick:
        variants = {name: variants[name] for name in (REUSE, NATIVE, CORRECTED_SIGMA)}
    methods = [Method(PLAIN, f"{count} steps", None, count, count) for count in runs]
    methods += [
        Method(name, setting_of(config), dataclasses.replace(config, **changes), steps, count)
        for name, changes in variants.items()
        for count, config in configs.items()
    ]
    methods += [
        Method(CALIBRATED, "own schedule", plan, steps, plan.transformer_runs) for plan in plans
    ]
    for tolerance in TOLERANCES[2:3] if quick else TOLERANCES:
        control = ErrorControl(tolerance)
        methods.append(Method(CONTROLLED, f"tolerance {tolerance:g}", control, steps))
    for threshold in EASY_THRESHOLDS[2:3] if quick else EASY_THRESHOLDS:
        setting = f"threshold {threshold:g}"
        methods.append(Method(EASY, setting, EasyCache(threshold), steps))
        on_outputs = EasyCache(threshold, cached="output")
        methods.append(Method(EASY_OUTPUT, setting, on_outputs, steps))
    for threshold, most, retention in MAG_SETTINGS[2:3] if quick else MAG_SETTINGS:
        policy = dataclasses.replace(
            mag_cache, threshold=threshold, max_skip_steps=most, retention_ratio=retention
        )
        setting = f"{threshold:g}, {most}, {retention:g}"
        methods.append(Method(MAG, setting, policy, steps))
    if with_native:
        methods += [
            Method(GENAI, setting_of(config), config, steps, count)
            for count, config in configs.items()
            if steps != 28 or count in NATIVE_AT_28
        ]
    families = list(dict.fromkeys(method.family for method in methods))
    return sorted(methods, key=lambda method: families.index(method.family))


# --- drawing and measuring -----------------------------------------------------------------------


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
    drawn = Drawn()
    final: list[np.ndarray] = []

    def keep(step: int, num_steps: int, values: np.ndarray) -> None:
        final[:] = [values]

    for prompt, seed in zip(task.prompts, task.seeds, strict=True):
        result = pipeline.generate(
            prompt,
            cache=method.cache,
            num_inference_steps=method.steps,
            rng_seed=seed,
            callback=keep if latents else None,
        )
        drawn.pictures.append(np.asarray(result.data)[0])
        drawn.schedules.append(result.report.schedule)
        drawn.latents += final
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

    def summary(name: str) -> dict[str, float] | None:
        values = by_prompt.get(name)
        return values and {"mean": math.fsum(values) / len(values), "worst": min(values)}

    right = by_prompt.get("right")
    return {
        "family": method.family,
        "setting": method.setting,
        "scheduled_runs": method.runs,
        "runs": math.fsum(by_prompt["runs"]) / len(pairs),
        "latents_db": summary("latents_db"),
        "psnr_db": summary("psnr_db"),
        "ssim": summary("ssim"),
        "right": None if right is None else sum(right) / len(right),
        "schedule": drawn.schedules[0],
        "schedules": len(set(drawn.schedules)),
        "prompts": by_prompt,
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


# --- targets -------------------------------------------------------------------------------------


def evaluate_targets(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Say which of the project's targets for 28 steps are met, by likeness of the latents.

    Returns:
        For each target its text, the value reached, the value needed in dB, and `passed`; where
        what it compares was not measured, value and `passed` are None.
    """
    targets: list[dict[str, Any]] = []

    def decibels(family: str, runs: int, which: str = "mean") -> float | None:
        for row in rows:
            if row["family"] == family and row["scheduled_runs"] == runs:
                value: float = row["latents_db"][which]
                return value
        return None

    def minus(a: float | None, b: float | None) -> float | None:
        return None if a is None or b is None else a - b

    def require(text: str, value: float | None, needed: float) -> None:
        passed = None if value is None else value >= needed
        targets.append({"target": text, "value": value, "needed": needed, "passed": passed})

    for family in (CORRECTED_STEP, CORRECTED_SIGMA):
        gains = [minus(decibels(family, runs), decibels(NATIVE, runs)) for runs in (14, 11, 10)]
        known = [gain for gain in gains if gain is not None]
        mean = math.fsum(known) / 3 if len(known) == 3 else None
        require(f"{family}: mean gain over native at 14, 11 and 10 runs", mean, 1.0)
        lowest = min(known) if len(known) == 3 else None
        require(f"{family}: lowest gain over native at 14, 11 and 10 runs", lowest, -0.2)
    for runs in (14, 10, 8):
        gain = minus(decibels(CALIBRATED, runs), decibels(NATIVE, runs))
        require(f"calibrated: gain over native at {runs} runs", gain, 6.0)
    for fewer, more in ((10, 14), (8, 10)):
        gain = minus(decibels(CALIBRATED, fewer), decibels(NATIVE, more))
        require(f"calibrated at {fewer} runs: gain over native at {more}", gain, 0.0)
    gain = minus(decibels(CALIBRATED, 6), decibels(PLAIN, 6))
    require("calibrated at 6 runs: gain over plain sampling in 6 steps", gain, 8.0)
    gain = minus(decibels(CALIBRATED, 14, "worst"), decibels(NATIVE, 14, "worst"))
    require("calibrated at 14 runs: worst prompt, gain over native's worst", gain, 0.0)
    native_runs = sorted(row["scheduled_runs"] for row in rows if row["family"] == NATIVE)
    for row in rows:
        enough = [runs for runs in native_runs if runs >= row["runs"]]
        if row["family"] == CONTROLLED and enough:
            gain = minus(row["latents_db"]["mean"], decibels(NATIVE, enough[0]))
            text = f"error control, {row['setting']}, {row['runs']:.1f} runs"
            require(f"{text}: gain over native at {enough[0]}", gain, 0.0)
    return targets


# --- showing -------------------------------------------------------------------------------------


def print_table(rows: Sequence[Row]) -> None:
    """Print a line for each method: means, and behind the slash the worst prompt."""

    def pair(values: dict[str, float] | None, digits: int) -> str:
        return f"{values['mean']:.{digits}f} / {values['worst']:.{digits}f}" if values else "-"

    print(
        f"{'method':<21}{'setting':<17}{'runs':>5}{'latents dB':>15}{'PSNR dB':>15}"
        f"{'SSIM':>17}{'right':>7}  schedule"
    )
    for row in rows:
        right = "-" if row["right"] is None else f"{row['right']:.0%}"
        varies = f" and {row['schedules'] - 1} others" if row["schedules"] > 1 else ""
        print(
            f"{row['family']:<21}{row['setting']:<17}{row['runs']:>5.1f}"
            f"{pair(row['latents_db'], 1):>15}{pair(row['psnr_db'], 1):>15}"
            f"{pair(row['ssim'], 4):>17}{right:>7}  {row['schedule']}{varies}"
        )


def print_targets(targets: Sequence[dict[str, Any]]) -> None:
    """Print a line for each target."""
    for target in targets:
        verdict = {True: "met", False: "MISSED", None: "not measured"}[target["passed"]]
        value = "" if target["value"] is None else f"{target['value']:+.2f} dB, "
        print(f"{verdict:<13}{target['target']}: {value}needed {target['needed']:+.1f} dB")


# colour, width and dashes of a line; what is not named is thin and grey
STYLES: dict[str, tuple[str, float, str]] = {
    PLAIN: ("#444444", 1.8, "--"),
    NATIVE: ("#b35900", 2.2, "-"),
    CORRECTED_SIGMA: ("#8a4fae", 2.2, "-"),
    CALIBRATED: ("#0060b0", 2.8, "-"),
    CONTROLLED: ("#00805a", 2.2, "-"),
    EASY: ("#c2326d", 1.6, "-"),
    MAG: ("#8d7a00", 1.6, "-"),
}
FAINT = ("#9a9a9a", 1.1, "-")
MOST_SHOWN = 1.3  # times the most scheduled runs
LABEL_SHARE = 0.29  # of the width, for the names


def import_figure() -> Any:
    """Return matplotlib's `Figure`.

    Raises:
        RuntimeError: saying how to install it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RuntimeError(
            "the plot needs matplotlib: pip install matplotlib, or leave it out with --no-plot"
        ) from error
    return Figure


def draw_plot(rows: Sequence[Row], path: Path) -> None:
    """Plot likeness over transformer runs: latents on the left, pictures on the right."""
    figure = import_figure()(figsize=(13.5, 6.4), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    _draw_lines(left, rows, "latents_db", "Final latents: signal to error (dB)")
    _draw_lines(right, rows, "psnr_db", "Pictures: PSNR (dB)")
    figure.suptitle(
        "How like the picture with every step computed: mean over prompts, higher is better",
        x=0.01,
        ha="left",
        fontsize=13,
    )
    figure.savefig(path, dpi=130)


def _draw_lines(axes: Any, rows: Sequence[Row], measure: str, title: str) -> None:
    rows = [row for row in rows if row["family"] != UNCACHED and row[measure] is not None]
    # a policy that hardly skips anything is in the table only
    limit = MOST_SHOWN * max((row["scheduled_runs"] or 0 for row in rows), default=0)
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["runs"] <= limit:
            lines.setdefault(row["family"], []).append((row["runs"], row[measure]["mean"]))
    for family, points in lines.items():
        x, y = zip(*sorted(points), strict=True)
        color, width, dashes = STYLES.get(family, FAINT)
        if family == GENAI:
            axes.plot(x, y, "s", color="#b35900", markerfacecolor="none", markersize=9, zorder=4)
        else:
            axes.plot(x, y, dashes, color=color, linewidth=width, marker="o", markersize=3 + width)
    ends = {family: max(points) for family, points in lines.items()}
    low, high = axes.get_ylim()
    most_runs = max(x for x, _ in ends.values())
    names = sorted(ends, key=lambda family: ends[family][1])
    heights = spread([ends[family][1] for family in names], (high - low) * 0.042)
    label_x = most_runs + 0.1 * (most_runs - 4)
    for family, height in zip(names, heights, strict=True):
        color = STYLES.get(family, ("#b35900" if family == GENAI else "#6e6e6e",))[0]
        x, y = ends[family]
        axes.plot([x, label_x], [y, height], color=color, linewidth=0.5, alpha=0.5, zorder=1)
        bold = "bold" if family == CALIBRATED else "normal"
        axes.text(label_x, height, f" {family}", color=color, va="center", fontweight=bold)
    fewest_runs = min(x for points in lines.values() for x, _ in points)
    start = fewest_runs - 0.5
    axes.set_xlim(start, start + (label_x - start) / (1 - LABEL_SHARE))
    axes.set_xticks(range(math.ceil(fewest_runs), math.floor(most_runs) + 1))
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("transformer runs for a picture")
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def spread(wanted: Sequence[float], distance: float) -> list[float]:
    """Move rising values apart until neighbours are `distance` apart, as little as it takes."""
    # runs of labels that touch are centred on the mean of where they want to be
    groups: list[list[float]] = []
    centers: list[float] = []
    for value in wanted:
        groups.append([value])
        centers.append(value)
        while len(groups) > 1:
            reach = distance * (len(groups[-1]) + len(groups[-2])) / 2
            if centers[-1] - centers[-2] >= reach:
                break
            upper = groups.pop()
            groups[-1] += upper
            centers.pop()
            centers[-1] = math.fsum(groups[-1]) / len(groups[-1])
    return [
        center + distance * (i - (len(group) - 1) / 2)
        for group, center in zip(groups, centers, strict=True)
        for i in range(len(group))
    ]


# --- the command ---------------------------------------------------------------------------------


def choose_task(arguments: argparse.Namespace, count: int) -> Task:
    """Take prompts from a file, or captions of held-out scenes."""
    if arguments.prompts is not None:
        prompts = read_prompts(arguments.prompts)[:count]
        return Task(prompts, range(arguments.seed, arguments.seed + len(prompts)))
    scenes = choose_scenes(count, arguments.seed)
    seeds = range(arguments.seed, arguments.seed + count)
    return Task([scene.caption() for scene in scenes], seeds, scenes)


def calibration_prompts(arguments: argparse.Namespace, count: int) -> list[str]:
    """Take prompts from a file, or captions of training scenes in all their wordings."""
    if arguments.calibration_prompts is not None:
        return read_prompts(arguments.calibration_prompts)
    rng = np.random.default_rng(CALIBRATION_SEED)
    scenes = [scene for scene in all_scenes() if not scene.held_out]
    return [scenes[i].caption(rng) for i in rng.permutation(len(scenes))[:count]]


def read_prompts(path: Path) -> list[str]:
    """Read one prompt a line.

    Raises:
        ValueError: if there is none.
    """
    prompts = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    prompts = [prompt for prompt in prompts if prompt]
    if not prompts:
        raise ValueError(f"{path} has no prompts: one is expected on each line")
    return prompts


def record_runs(
    pipeline: Text2ImagePipeline, prompts: Sequence[str], steps: int
) -> list[Recording]:
    """Record full runs, for MagCache's ratios."""
    recordings = []
    for i, prompt in enumerate(prompts):
        recording = Recording()
        pipeline.generate(
            prompt, cache=recording, num_inference_steps=steps, rng_seed=CALIBRATION_SEED + i
        )
        recordings.append(recording)
    return recordings


def rounded(value: Any) -> Any:
    """Round all floats in a document to four decimals."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def parse_arguments(argv: Sequence[str] | None) -> tuple[argparse.ArgumentParser, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "model", nargs="?", default="demo", help="a folder, or demo: the packaged one"
    )
    parser.add_argument("--count", type=int, help="how many prompts: 64, or 8 with --quick")
    parser.add_argument("--steps", type=int, default=28, help="steps of the uncached picture")
    parser.add_argument("--seed", type=int, default=1000, help="of the first picture")
    parser.add_argument(
        "--runs", type=int, nargs="+", default=list(RUNS), help="transformer runs to compare at"
    )
    parser.add_argument("--prompts", type=Path, help="text file: draw these, one a line")
    parser.add_argument(
        "--calibration-prompts", type=Path, help="text file: calibrate on these, one a line"
    )
    parser.add_argument(
        "--calibration-count", type=int, help="scenes to calibrate on: 36, or 9 with --quick"
    )
    parser.add_argument("--output-dir", type=Path, default=Path("quality"), help="gets all files")
    parser.add_argument("--quick", action="store_true", help="fewer prompts and methods")
    parser.add_argument("--page", action="store_true", help="also write quality.html")
    parser.add_argument("--no-plot", action="store_true", help="do without matplotlib")
    arguments = parser.parse_args(argv)
    for name in ("count", "calibration_count"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, got {value}")
    if arguments.prompts is not None and arguments.calibration_prompts is None:
        parser.error("--prompts needs --calibration-prompts, other ones to calibrate on")
    for runs in arguments.runs:
        if not 4 <= runs < arguments.steps:
            parser.error(f"--runs must be from 4 to {arguments.steps - 1}, got {runs}")
    return parser, arguments


def main(argv: Sequence[str] | None = None) -> None:
    parser, arguments = parse_arguments(argv)
    quick, steps, runs = arguments.quick, arguments.steps, list(dict.fromkeys(arguments.runs))
    folder = demo_model_path() if arguments.model == "demo" else Path(arguments.model)
    properties = {"INFERENCE_PRECISION_HINT": "f32"}
    try:
        if not arguments.no_plot:
            import_figure()
        task = choose_task(arguments, arguments.count or (8 if quick else 64))
        prompts = calibration_prompts(
            arguments, arguments.calibration_count or (9 if quick else 36)
        )
        both = sorted(set(prompts) & set(task.prompts))
        if both:
            raise ValueError(f"{both[0]!r} would be measured and calibrated on: keep them apart")
        for count in runs:
            native_config(steps, count)
        pipeline = Text2ImagePipeline(folder, "CPU", backend="python", **properties)
    except (OSError, ValueError, RuntimeError, ModelFolderError) as error:
        parser.error(str(error))
    obstacle = missing_native_support()
    native = None
    if obstacle is None:
        native = Text2ImagePipeline(folder, "CPU", backend="native", **properties)
    defaults = pipeline.get_generation_config()
    # the judge knows the demo model's pictures only
    judged = task.scenes is not None and (defaults.height, defaults.width) == (CANVAS, CANVAS)
    arguments.output_dir.mkdir(parents=True, exist_ok=True)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    mag_cache = MagCache.calibrate(record_runs(pipeline, prompts[:MAG_RECORDINGS], steps))
    calibrated = calibrate(
        pipeline,
        prompts,
        steps,
        transformer_runs=runs,
        rounds=1 if quick else 3,
        first_seed=CALIBRATION_SEED,
        say=say,
    )
    plans = [found.plan for found in calibrated]
    methods = build_methods(
        steps, runs, plans, mag_cache, with_native=native is not None, quick=quick
    )
    rows, examples = run_benchmark(
        pipeline, native, task, methods, steps, PictureJudge() if judged else None, say
    )
    targets = evaluate_targets(rows) if steps == 28 else None

    print_table(rows)
    if obstacle is not None:
        print(f"openvino_genai itself drew nothing: {obstacle}")
    if targets is not None:
        print()
        print_targets(targets)
    summary: dict[str, Any] = {
        "model": arguments.model,
        "steps": steps,
        "count": len(task.prompts),
        "seed": arguments.seed,
        "calibration_count": len(prompts),
        "quick": quick,
        "methods": rows,
        "mag_ratios": mag_cache.ratios,
        "targets": targets,
    }
    summary = rounded(summary)
    save(arguments, summary, plans, examples)
    for row in summary["methods"]:
        del row["prompts"]
    print(json.dumps(summary))


def save(
    arguments: argparse.Namespace,
    summary: dict[str, Any],
    plans: Sequence[CachePlan],
    examples: Sequence[Example],
) -> None:
    """Write the figures, the plans, the plot and the page into the output folder."""
    folder: Path = arguments.output_dir
    (folder / "quality.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    document = {"plans": [json.loads(plan.to_json()) for plan in plans]}
    (folder / PLANS_FILE).write_text(json.dumps(document), encoding="utf-8")
    plot = None
    if not arguments.no_plot:
        plot = folder / "quality.png"
        draw_plot(summary["methods"], plot)
    if arguments.page:
        write_page(folder / "quality.html", summary, examples, plot)


if __name__ == "__main__":
    main()
