"""`taylorseer-ov calibrate`: learn cache plans for a model, and colours for its previews."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import options
from .console import Console, MisuseError
from .prompt_files import read_prompts
from .settings_file import add_settings_option

if TYPE_CHECKING:
    from ..pipelines.tasks import Text2ImagePipeline

FEWEST_PROMPTS = 3


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "calibrate", help="learn cache plans for a model, which the presets use, and previews"
    )
    options.add_words(parser, prompt=False)
    parser.add_argument(
        "--prompts",
        type=Path,
        required=True,
        metavar="FILE",
        help="a prompt a line; a dozen or more",
    )
    parser.add_argument(
        "--runs",
        type=int,
        nargs="+",
        action=options.Collect,
        help="transformer runs of each plan (default: the presets')",
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="MODEL_DIR",
        help="write beside a model, to hand it on with what was learned (default: your own folder)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first prompt (default: 0)")
    add_settings_option(parser)
    options.add_settings_options(parser)
    options.add_pipeline_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Calibrate, and keep the plans and the preview that are better than what there was."""
    from ..caching.calibrated_plans import write_plans
    from ..caching.calibration import calibrate
    from ..learned_files import target_folder
    from .interrupts import in_thread

    options.take_words(arguments, "model")
    options.require(arguments, "prompts")
    options.check_model(arguments.model)
    prompts = read_prompts(arguments.prompts)
    if len(prompts) < FEWEST_PROMPTS:
        raise MisuseError(
            f"{arguments.prompts} has {len(prompts)} prompts; a preview is fitted to at least "
            f"{FEWEST_PROMPTS}, and plans to a dozen"
        )
    # native does not show the transformer's outputs
    pipeline = options.make_pipeline(arguments, backend="python")
    for part in ("transformer", "vae_decoder"):
        target_folder(pipeline.folder.fingerprint(part), arguments.into)
    settings = options.settings_of(arguments)
    usual = pipeline.get_generation_config().num_inference_steps
    steps = settings.pop("num_inference_steps", usual)
    learning = partial(
        calibrate,
        pipeline,
        prompts,
        steps,
        transformer_runs=arguments.runs,
        first_seed=arguments.seed,
        into=arguments.into,
        say=console.say,
        **settings,
    )
    plans = in_thread(learning)
    path = write_plans(pipeline.folder, plans, into=arguments.into)
    console.say("no plan is kept" if path is None else f"wrote {path}")
    console.event(
        "plans",
        path=None if path is None else str(path),
        held_out_db=[plan.held_out_db for plan in plans],
        without_db=[plan.without_db for plan in plans],
        kept=[plan.is_better for plan in plans],
    )
    settings |= {"num_inference_steps": steps, "cache": plans[0].plan}
    _fit_preview(arguments, console, pipeline, prompts, settings)


def _fit_preview(
    arguments: argparse.Namespace,
    console: Console,
    pipeline: Text2ImagePipeline,
    prompts: list[str],
    settings: dict[str, Any],
) -> None:
    from ..pictures.preview_fit import fit_preview
    from ..pictures.preview_map import present_preview, write_preview
    from .interrupts import in_thread

    present = present_preview(pipeline.folder, arguments.into)
    given = {"first_seed": arguments.seed, "present": present, "say": console.say}
    preview = in_thread(partial(fit_preview, pipeline, prompts, **given, **settings))
    path = None
    if preview is not present:
        path = write_preview(pipeline.folder, preview, into=arguments.into)
        console.say(f"wrote {path}")
    console.event("preview_map", path=None if path is None else str(path))
