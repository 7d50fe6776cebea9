"""The command line of `quality.py`: what may be asked for, and what that makes of the prompts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.quality_measures import Task
from scripts.benchmarks.quality_methods import (
    FAMILIES,
    LEFT_OUT_IF_QUICK,
    TOLERANCES,
    native_config,
)
from scripts.benchmarks.quality_plot import import_figure
from scripts.demo.evaluate import choose_scenes
from taylorseer_ov.caching.error_control import ErrorControl
from taylorseer_ov.caching.presets import preset_runs

DESCRIPTION = "Measure how much every way of skipping transformer runs changes the picture."
RUNS_OF_28 = (14, 11, 10, 8, 6)
CALIBRATION_PROMPTS = Path(__file__).parents[1] / "demo" / "calibration_prompts.txt"


def parse_arguments(argv: Sequence[str] | None) -> tuple[argparse.ArgumentParser, Any]:
    """Read the command line, and settle what depends on several of its options."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    for name in ("count", "calibration_count"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, got {value}")
    if arguments.prompts is not None and arguments.calibration_prompts is None:
        parser.error("--prompts needs --calibration-prompts, other ones to calibrate on")
    if arguments.runs is None:
        shares = preset_runs(arguments.steps).values()
        arguments.runs = RUNS_OF_28 if arguments.steps == 28 else shares
    for runs in arguments.runs:
        if not 3 <= runs < arguments.steps:
            parser.error(f"--runs must be from 3 to {arguments.steps - 1}, got {runs}")
    arguments.runs = list(dict.fromkeys(arguments.runs))
    arguments.families = {FAMILIES[name] for name in arguments.methods or FAMILIES}
    if arguments.quick and arguments.methods is None:
        arguments.families.difference_update(LEFT_OUT_IF_QUICK)
    return parser, arguments


def build_parser() -> argparse.ArgumentParser:
    """Say what the command line takes."""
    parser = argparse.ArgumentParser(description=DESCRIPTION)
    option = parser.add_argument
    option("model", nargs="?", default="demo", help="a folder, or demo: the packaged one")
    option("--count", type=int, help="how many prompts: 64, or 8 with --quick")
    option("--steps", type=int, default=28, help="steps of the uncached picture")
    option("--seed", type=int, default=1000, help="of the first picture")
    option(
        "--runs",
        type=int,
        nargs="+",
        help="transformer runs to compare at: the presets', at 28 steps also 11 and 6",
    )
    option(
        "--methods",
        choices=FAMILIES,
        nargs="+",
        metavar="METHOD",
        help=f"compare these only, of {', '.join(FAMILIES)}; `presets` are not calibrated, `kept` "
        "are the plans that lie beside the model",
    )
    option("--tolerances", type=float, nargs="+", default=TOLERANCES, help="of the error control")
    option("--prompts", type=Path, help="text file: draw these, one a line")
    option("--calibration-prompts", type=Path, help="text file: calibrate on these, one a line")
    option("--calibration-count", type=int, help="how many of them: all, or 9 with --quick")
    option("--output-dir", type=Path, default=Path("quality"), help="gets all files")
    option("--quick", action="store_true", help="fewer prompts and methods")
    option("--page", action="store_true", help="also write quality.html")
    option("--no-plot", action="store_true", help="do without matplotlib")
    return parser


def prepare(arguments: argparse.Namespace) -> tuple[Task, list[str]]:
    """Choose the prompts to draw and to calibrate on, and check all else that was asked for.

    Raises:
        ValueError: for a prompt in both, too few runs, a tolerance that is none.
        OSError: for a file of prompts that cannot be read.
        RuntimeError: if the plot has no matplotlib.
    """
    if not arguments.no_plot:
        import_figure()
    quick = arguments.quick
    task = choose_task(arguments, arguments.count or (8 if quick else 64))
    prompts = read_prompts(arguments.calibration_prompts or CALIBRATION_PROMPTS)
    prompts = prompts[: arguments.calibration_count or (9 if quick else None)]
    both = sorted(set(prompts) & set(task.prompts))
    if both:
        raise ValueError(f"{both[0]!r} would be measured and calibrated on: keep them apart")
    for count in arguments.runs:
        native_config(arguments.steps, count)
    for tolerance in arguments.tolerances:
        ErrorControl(tolerance)
    return task, prompts


def choose_task(arguments: argparse.Namespace, count: int) -> Task:
    """Take prompts from a file, or captions of held-out scenes."""
    if arguments.prompts is not None:
        prompts = read_prompts(arguments.prompts)[:count]
        return Task(prompts, range(arguments.seed, arguments.seed + len(prompts)))
    scenes = choose_scenes(count, arguments.seed)
    seeds = range(arguments.seed, arguments.seed + count)
    return Task([scene.caption() for scene in scenes], seeds, scenes)


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
