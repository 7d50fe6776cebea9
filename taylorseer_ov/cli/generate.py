"""`taylorseer-ov generate`: draw pictures from a prompt, cached."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import again, caching, inputs, options, saving
from .console import Console, MisuseError
from .settings_file import add_settings_option

if TYPE_CHECKING:
    from ..generation.progress import StopRequest
    from ..generation.settings import ImageGenerationConfig
    from ..pictures.preview import Show
    from ..pictures.recipe import Recipe
    from ..pictures.result import GenerationResult
    from ..pipelines.models import LoopModels
    from .inputs import Pipeline
    from .waiting import Waiting

GIVEN = ("image", "mask_image")  # that are drawn from
MOST_IMAGES = 1000
ASKED = {"width", "height", "rng_seed"}  # settings that are looked at before anything is drawn


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "generate", help="draw pictures, one for each seed"
    )
    options.add_words(parser)
    parser.add_argument(
        "-C",
        "--config-from",
        type=Path,
        metavar="PICTURE",
        help="draw again what this picture of ours shows, with its settings where none are given",
    )
    parser.add_argument(
        "--seed",
        type=int,
        nargs="+",
        action=options.Collect,
        help="seeds of the noise, one picture each (default: 42)",
    )
    parser.add_argument(
        "--num-images",
        type=int,
        metavar="N",
        help="so many pictures, from the seed and those that follow it",
    )
    saving.add_saving_options(parser)
    parser.add_argument(
        "--preview",
        metavar="DIR",
        help="write a small picture there every few steps; - makes it an event of --json",
    )
    add_settings_option(parser)
    inputs.add_input_options(parser)
    options.add_settings_options(parser)
    caching.add_cache_options(parser)
    options.add_pipeline_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, console: Console) -> int | None:
    """Draw."""
    recipe = None if arguments.config_from is None else again.read_recipe(arguments)
    if recipe is not None:
        arguments = again.with_recipe(arguments, recipe)
    options.take_words(arguments, "model", "prompt")
    options.check_model(arguments.model)
    if arguments.preview == "-" and not arguments.json:
        raise MisuseError("--preview - makes events: add --json, or name a folder")
    pictures = inputs.read_inputs(arguments)
    target = saving.check_target(arguments, _count(arguments))
    pipeline = inputs.make_pipeline(arguments, len(pictures))
    if recipe is not None:
        again.warn_of_differences(recipe, pipeline, pictures, console)
    usual = pipeline.get_generation_config()
    settings = inputs.in_size(usual, pictures, _settings(recipe, arguments, usual.cache))
    pictures.clear()  # they may be far larger than what is drawn
    asked = usual.updated({name: settings[name] for name in ASKED & settings.keys()})
    saving.check_size(target, arguments, asked)
    seeds = _seeds(arguments, asked)
    return _draw_all(pipeline, settings, seeds, target, arguments, console)


def _draw_all(
    pipeline: Pipeline,
    settings: dict[str, Any],
    seeds: Sequence[int],
    target: Path,
    arguments: argparse.Namespace,
    console: Console,
) -> int | None:
    """Draw and save a picture for each seed; 130 if stopped."""
    from .interrupts import stop_on_interrupt

    result = None
    with stop_on_interrupt() as stop:
        for seed in seeds:
            seeded = settings | {"rng_seed": seed}
            preview = _preview(pipeline, seeded, arguments.preview, len(seeds) > 1, console)
            asked = seeded | preview
            result = draw(pipeline, asked, console, title="drawing", stop=stop, before=result)
            saving.save(result, target, arguments, console)
            if stop():
                return 130
    return None


def _count(arguments: argparse.Namespace) -> int:
    """How many pictures were asked for."""
    count, seeds = arguments.num_images, arguments.seed or [None]
    if count is None:
        return len(seeds)
    if len(seeds) > 1:
        raise MisuseError(
            f"--num-images {count} counts on from one --seed; {len(seeds)} of them are as many "
            "pictures already"
        )
    if not 1 <= count <= MOST_IMAGES:
        raise MisuseError(
            f"--num-images must be from 1 to {MOST_IMAGES}, got {count}; for more there is "
            "taylorseer-ov batch, which can be stopped and goes on where it was"
        )
    return int(count)


def _seeds(arguments: argparse.Namespace, usual: ImageGenerationConfig) -> Sequence[int]:
    """The seed of each picture, all of them in range; those that none is given for count on."""
    seeds: Sequence[int] = arguments.seed or [usual.rng_seed]
    if arguments.num_images is not None:
        seeds = range(seeds[0], seeds[0] + _count(arguments))
    for seed in (min(seeds), max(seeds)):
        usual.updated({"rng_seed": seed})
    return seeds


def _settings(
    recipe: Recipe | None, arguments: argparse.Namespace, usual_cache: object
) -> dict[str, Any]:
    """What `generate` takes: what the options say, then what the recipe does."""
    settings = {} if recipe is None else again.settings_of(recipe)
    settings |= {"prompt": arguments.prompt} | options.settings_of(arguments)
    if arguments.strength is not None:
        settings["strength"] = arguments.strength
    start = settings.pop("cache", usual_cache)
    # what is usual is not asked for: where it is of no use, nobody is to be warned
    kept = {} if start == usual_cache else {"cache": start}
    return settings | kept | caching.cache_of(arguments, start)


def _preview(
    pipeline: Pipeline,
    settings: dict[str, Any],
    where: str | None,
    several: bool,
    console: Console,
) -> dict[str, Any]:
    """The callback that shows previews, if they are asked for."""
    if where is None:
        return {}
    from ..pictures.preview import preview_callback, preview_event, save_previews

    def tell(steps_done: int, png: bytes) -> None:
        console.event("preview", **preview_event(steps_done, png))

    seed = settings.get("rng_seed", pipeline.get_generation_config().rng_seed)
    name = f"seed{seed}_step" if several else "step"
    show: Show = tell
    if where != "-":
        show = save_previews(options.writable_folder(Path(where), "--preview"), name)
    no_settings = ("prompt", *GIVEN)
    asked = {name: value for name, value in settings.items() if name not in no_settings}
    return {"callback": preview_callback(pipeline, show, **asked)}


def draw(
    pipeline: Pipeline,
    settings: dict[str, Any],
    console: Console,
    *,
    title: str,
    stop: StopRequest | None = None,
    before: GenerationResult | None = None,
) -> GenerationResult:
    """Draw a picture and show how far it is; the one `before` tells how long decoding takes.

    In another thread, so that Ctrl-C is heard while models load.
    """
    from .interrupts import in_thread

    decoding_s = None if before is None else before.report.vae_s
    with console.progress(title, decoding_s) as waiting:
        return in_thread(partial(_load_and_draw, pipeline, settings, waiting, stop))


def _load_and_draw(
    pipeline: Pipeline, settings: dict[str, Any], waiting: Waiting, stop: StopRequest | None
) -> GenerationResult:
    def run_done(done: int, runs: int) -> None:
        if stop is not None:
            stop.begin()
        waiting(done, runs)

    pictures = [settings[name] for name in GIVEN if name in settings]
    others = {name: value for name, value in settings.items() if name not in GIVEN}
    prompt = others.pop("prompt")
    job = pipeline.prepare(prompt, *pictures, progress=run_done, stop=stop, **others)
    backends = pipeline.backends
    choice = backends.choose(job)
    part_by_part = backends.setup.memory.low_memory
    whole = backends.loaded is None and not (part_by_part or backends.needs_shape)
    with waiting.loading(pipeline.folder.path.resolve().name) if whole else nullcontext():
        backends.load(choice.backend, job.settings)
    waiting.begin(job.expected_runs(()))
    with _telling_of_parts(backends.load_python().models, waiting):
        result = pipeline.draw(job)
    waiting(result.report.computed_steps, result.report.computed_steps)
    return result


@contextmanager
def _telling_of_parts(models: LoopModels, waiting: Waiting) -> Iterator[None]:
    """Within this block, show which part is loaded, as it is in little memory."""
    from ..pipelines.models import Models

    if not isinstance(models, Models):
        yield
        return
    models.loading = waiting.loading
    try:
        yield
    finally:
        models.loading = nullcontext
