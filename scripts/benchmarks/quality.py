"""Measure how much every way of skipping transformer runs changes the picture.

    python -m scripts.benchmarks.quality --page            # the demo model, 64 held-out prompts
    python -m scripts.benchmarks.quality --quick           # 8 prompts and fewer methods: minutes
    python -m scripts.benchmarks.quality --steps 50        # at the presets' shares of other steps
    python -m scripts.benchmarks.quality MODEL_DIR         # another model trained on these shapes
    python -m scripts.benchmarks.quality MODEL_DIR --prompts MINE.txt --calibration-prompts MORE.txt
    python -m scripts.benchmarks.quality --count 208 --runs 14 11 10 8 \\
        --methods plain easycache native corrector error-control presets kept  # some, on more

Each prompt is drawn once with every step computed. All else is measured by how like that it is:

- the signal-to-error ratio of the final latents, in dB, which rounding to 8 bits cannot hide;
- PSNR (dB) and SSIM of the pictures;
- for the demo model, whether the picture still shows the scene that was asked for.

Equal latents or pictures count as 100 dB. Of each the mean over prompts is given, the 10th
percentile (p10, interpolated linearly between prompts) and the worst prompt. Methods are compared
at equal numbers of transformer runs, and with plain sampling in so few steps, which needs no
caching at all. Plans are calibrated here, on scenes of the training set; the evaluation takes
held-out ones. "Kept" are those that lie beside the model and that its users get. openvino_genai
draws the same prompts itself: it shows no latents, so pictures only.

Computes in f32. Prints a table, then one JSON document as the last line. The output folder gets the
same document with the figures of every prompt, the plot, the page and the calibrated plans, in a
file that the presets use if it is copied into the model folder. Nothing else is written there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scripts.benchmarks.cache_policies import MagCache, Recording
from scripts.benchmarks.quality_measures import Row, run_benchmark
from scripts.benchmarks.quality_methods import (
    CALIBRATED,
    GENAI,
    KEPT,
    MAG,
    Method,
    build_methods,
)
from scripts.benchmarks.quality_options import parse_arguments, prepare
from scripts.benchmarks.quality_page import Example, write_page
from scripts.benchmarks.quality_plot import draw_plot
from scripts.demo.judge import PictureJudge
from scripts.demo.shapes import CANVAS
from taylorseer_ov import CachePlan, ModelFolderError, Text2ImagePipeline, demo_model_path
from taylorseer_ov.caching.calibrated_plans import present_plans, write_plans
from taylorseer_ov.caching.calibration import calibrate
from taylorseer_ov.genai import missing_native_support

CALIBRATION_SEED = 50_000_000  # far from those of the evaluation
MAG_RECORDINGS = 6
PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32"}


# --- showing -------------------------------------------------------------------------------------


def print_table(rows: Sequence[Row]) -> None:
    """Print a line for each method."""
    names = ("mean", "p10", "worst")

    def figures(values: dict[str, float] | None, digits: int) -> str:
        if values is None:
            return "-"
        return " / ".join(f"{values[name]:.{digits}f}" for name in names)

    print(
        f"{'method':<21}{'setting':<17}{'runs':>5}{'latents dB':>22}{'PSNR dB':>22}"
        f"{'SSIM':>26}{'right':>7}  schedule"
    )
    each = " / ".join(names)
    print(f"{'':<43}{each:>22}{each:>22}{each:>26}")
    for row in rows:
        right = "-" if row["right"] is None else f"{row['right']:.0%}"
        varies = f" and {row['schedules'] - 1} others" if row["schedules"] > 1 else ""
        print(
            f"{row['family']:<21}{row['setting']:<17}{row['runs']:>5.1f}"
            f"{figures(row['latents_db'], 1):>22}{figures(row['psnr_db'], 1):>22}"
            f"{figures(row['ssim'], 4):>26}{right:>7}  {row['schedule']}{varies}"
        )


# --- the command ---------------------------------------------------------------------------------


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


def kept_plans(pipeline: Text2ImagePipeline, steps: int, runs: Sequence[int]) -> list[CachePlan]:
    """Read the plans beside the model that are for these steps and runs, and its usual size."""
    size = pipeline.get_generation_config().size
    return [
        kept.plan
        for kept in present_plans(pipeline.folder, into=pipeline.folder.path)
        if kept.plan.num_inference_steps == steps
        and kept.plan.transformer_runs in runs
        and (kept.height, kept.width) == size
    ]


def learn(
    arguments: argparse.Namespace, pipeline: Text2ImagePipeline, prompts: Sequence[str]
) -> tuple[list[Method], MagCache | None]:
    """Calibrate what needs it, write the plans, and list the methods to compare."""
    steps, families = arguments.steps, arguments.families
    mag_cache = None
    plans: list[CachePlan] = []
    if MAG in families:
        mag_cache = MagCache.calibrate(record_runs(pipeline, prompts[:MAG_RECORDINGS], steps))
    if CALIBRATED in families:
        learned = calibrate(
            pipeline,
            prompts,
            steps,
            transformer_runs=arguments.runs,
            rounds=1 if arguments.quick else 3,
            first_seed=CALIBRATION_SEED,
            say=say,
        )
        # in the same form as beside a model, and all of them: the figures say which are better
        whole = [replace(calibrated, without_db=None) for calibrated in learned]
        write_plans(pipeline.folder, whole, into=arguments.output_dir)
        plans = [calibrated.plan for calibrated in learned]
    methods = build_methods(
        pipeline.sigmas(num_inference_steps=steps),
        arguments.runs,
        families,
        plans=plans,
        kept=kept_plans(pipeline, steps, arguments.runs) if KEPT in families else (),
        mag_cache=mag_cache,
        tolerances=arguments.tolerances,
        quick=arguments.quick,
    )
    return methods, mag_cache


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser, arguments = parse_arguments(argv)
    folder = demo_model_path() if arguments.model == "demo" else Path(arguments.model)
    try:
        task, prompts = prepare(arguments)
        pipeline = Text2ImagePipeline(folder, "CPU", backend="python", **PROPERTIES)
    except (OSError, ValueError, RuntimeError, ModelFolderError) as error:
        parser.error(str(error))
    native, obstacle = load_native(folder) if GENAI in arguments.families else (None, None)
    defaults = pipeline.get_generation_config()
    # the judge knows the demo model's pictures only
    judged = task.scenes is not None and (defaults.height, defaults.width) == (CANVAS, CANVAS)
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    methods, mag_cache = learn(arguments, pipeline, prompts)
    if native is None:
        methods = [method for method in methods if method.family != GENAI]
    judge = PictureJudge() if judged else None
    rows, examples = run_benchmark(pipeline, native, task, methods, arguments.steps, judge, say)
    print_table(rows)
    if obstacle is not None:
        print(f"openvino_genai itself drew nothing: {obstacle}")
    summary = rounded(
        {
            "model": folder.resolve().name,
            "steps": arguments.steps,
            "count": len(task.prompts),
            "seed": arguments.seed,
            "calibration_count": len(prompts),
            "quick": arguments.quick,
            "methods": rows,
            "mag_ratios": None if mag_cache is None else mag_cache.ratios,
        }
    )
    save(arguments, summary, examples)
    for row in summary["methods"]:
        del row["prompts"]
    print(json.dumps(summary))


def say(line: str) -> None:
    """Tell of progress, apart from the table."""
    print(line, file=sys.stderr, flush=True)


def load_native(folder: Path) -> tuple[Text2ImagePipeline | None, str | None]:
    """Return openvino_genai's own pipeline, or why there is none."""
    obstacle = missing_native_support()
    if obstacle is not None:
        return None, obstacle
    return Text2ImagePipeline(folder, "CPU", backend="native", **PROPERTIES), None


def save(
    arguments: argparse.Namespace, summary: dict[str, Any], examples: Sequence[Example]
) -> None:
    """Write the figures, the plot and the page into the output folder."""
    folder: Path = arguments.output_dir
    (folder / "quality.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    plot = None
    if not arguments.no_plot:
        plot = folder / "quality.png"
        draw_plot(summary["methods"], plot)
    if arguments.page:
        write_page(folder / "quality.html", summary, examples, plot)


if __name__ == "__main__":
    main()
