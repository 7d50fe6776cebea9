"""`taylorseer-ov calibrate`: learn cache plans for a model, and colours for its previews."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from . import options
from .console import Console


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "calibrate", help="learn cache plans for a model, which the presets use, and previews"
    )
    options.add_words(parser, prompt=False)
    parser.add_argument(
        "--prompts", type=Path, required=True, metavar="FILE", help="a prompt a line; 12 will do"
    )
    parser.add_argument(
        "--runs", type=int, nargs="+", help="transformer runs of each plan (default: the presets')"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first prompt (default: 0)")
    options.add_settings_options(parser)
    options.add_pipeline_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Calibrate, and write the plans and the preview beside the model."""
    from ..caching.calibrated_plans import write_plans
    from ..caching.calibration import calibrate
    from ..pictures.preview_fit import fit_preview
    from ..pictures.preview_map import write_preview

    options.take_words(arguments, "model")
    prompts = options.read_lines(arguments.prompts)
    # native does not show the transformer's outputs
    pipeline = options.make_pipeline(arguments, backend="python")
    settings = options.settings_of(arguments)
    usual = pipeline.get_generation_config().num_inference_steps
    steps = settings.pop("num_inference_steps", usual)
    plans = calibrate(
        pipeline,
        prompts,
        steps,
        transformer_runs=arguments.runs,
        first_seed=arguments.seed,
        say=console.say,
        **settings,
    )
    path = write_plans(pipeline.folder, plans)
    console.say(f"wrote {path}")
    console.event("plans", path=str(path), held_out_db=[plan.held_out_db for plan in plans])
    settings |= {"num_inference_steps": steps, "cache": plans[0].plan}
    preview = fit_preview(pipeline, prompts, first_seed=arguments.seed, say=console.say, **settings)
    path = write_preview(pipeline.folder, preview)
    console.say(f"wrote {path}")
    console.event("preview_map", path=str(path))
