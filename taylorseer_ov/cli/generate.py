"""`taylorseer-ov generate`: draw pictures from a prompt, cached."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import options
from .console import Console, MisuseError

if TYPE_CHECKING:
    from ..pipeline import Text2ImagePipeline
    from ..report import GenerationResult
    from ..waiting import StopRequest


def add_to(commands: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        "generate", help="draw pictures, one for each seed"
    )
    options.add_words(parser)
    parser.add_argument(
        "--seed", type=int, nargs="+", help="seeds of the noise, one picture each (default: 42)"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="a folder, or a file name that ends in .png (default: this folder)",
    )
    options.add_settings_options(parser)
    options.add_cache_options(parser)
    options.add_pipeline_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, console: Console) -> int | None:
    """Draw."""
    from ..waiting import in_thread, stop_on_interrupt

    options.take_words(arguments, "model", "prompt")
    seeds: list[int | None] = arguments.seed or [None]
    target = _check_target(arguments.output, len(seeds))
    (cache,) = options.caches_of(arguments)
    pipeline = options.make_pipeline(arguments)
    settings = options.settings_of(arguments) | {"cache": cache}
    with stop_on_interrupt() as stop:
        for seed in seeds:
            seeded = settings if seed is None else settings | {"rng_seed": seed}
            result = in_thread(partial(draw, pipeline, arguments.prompt, seeded, console, stop))
            _save(result, target, console)
            if stop():
                return 130
    return None


def draw(
    pipeline: Text2ImagePipeline,
    prompt: str,
    settings: dict[str, Any],
    console: Console,
    stop: StopRequest | None = None,
    title: str = "drawing",
) -> GenerationResult:
    """Draw a picture and show how far it is."""
    with console.progress(title) as progress:
        result = pipeline.generate(prompt, progress=progress, stop=stop, **settings)
        runs = result.report.computed_steps
        progress(runs, runs)
    return result


def _check_target(output: Path, pictures: int) -> Path:
    """Check, before minutes of work, that the pictures can be written."""
    if output.suffix.lower() != ".png":
        return options.writable_folder(output, "--output")
    if output.exists():
        raise MisuseError(f"{output} exists already; choose another --output")
    if pictures > 1:
        raise MisuseError(f"--output {output} is one file, for {pictures} seeds give a folder")
    options.writable_folder(output.parent, "--output")
    return output


def _save(result: GenerationResult, target: Path, console: Console) -> None:
    paths = [target if target.suffix else target / "taylorseer.png"]
    result.images[0].save(paths[0])
    console.say(result.report)
    for path in paths:
        console.say(f"wrote {path}")
        console.event("picture", path=str(path), report=result.report.to_dict())
