"""`taylorseer-ov compare`: what caching saves and what it costs, for one picture or for many.

Given two folders instead of a model and a prompt, it compares the pictures in them.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import caching, compare_folders, options
from .console import Console, MisuseError
from .generate import draw
from .prompt_files import read_prompts
from .settings_file import add_settings_option
from .wording import in_options

if TYPE_CHECKING:
    from ..pictures.result import GenerationResult
    from ..pipelines.tasks import Text2ImagePipeline

PICTURES = ("taylorseer_baseline.png", "taylorseer.png", "taylorseer_comparison.png")

# Pictures that take less than this are drawn several times: a single short run says little.
SHORT_S, MOST_PAIRS = 2.0, 5


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compare",
        help="draw uncached and cached, and show what caching saved and cost; or DIR DIR",
    )
    options.add_words(parser)
    parser.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="a prompt a line: a table of likeness for every --cache, and no pictures",
    )
    parser.add_argument(
        "--seed",
        type=int,
        nargs="+",
        action=options.Collect,
        help="seeds of the noise (default: 42)",
    )
    parser.add_argument(
        "-o",
        "--page",
        type=Path,
        metavar="FILE",
        help="of two folders of pictures, given as DIR DIR: a page that shows all pairs",
    )
    parser.add_argument("--output-dir", type=Path, help="default: this folder")
    parser.add_argument("--overwrite", action="store_true", help="replace existing pictures")
    add_settings_option(parser)
    options.add_settings_options(parser)
    caching.add_cache_options(parser, several=True)
    options.add_pipeline_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Compare."""
    if compare_folders.are_folders(arguments):
        compare_folders.run(arguments, console)
        return
    if arguments.page is not None:
        raise MisuseError("--page is of two folders of pictures; give both as words")
    if arguments.prompts is not None:
        options.take_words(arguments, "model")
        options.check_model(arguments.model)
        _check_no_picture_options(arguments)
        _compare_many(arguments, console)
        return
    options.take_words(arguments, "model", "prompt")
    options.check_model(arguments.model)
    caches, seeds = caching.caches_of(arguments), arguments.seed or [None]
    if len(caches) > 1 or len(seeds) > 1:
        raise MisuseError("several --cache or --seed make a table: give the prompts by --prompts")
    _compare_one(arguments, caches[0], seeds[0], console)


def _check_no_picture_options(arguments: argparse.Namespace) -> None:
    """Refuse, beside `--prompts`, what is for one prompt and its pictures."""
    for option in ("prompt", "output_dir", "overwrite", "allow_empty"):
        if getattr(arguments, option):
            raise MisuseError(
                f"--prompts makes a table and no pictures: leave --{option.replace('_', '-')} out"
            )


def _compare_one(
    arguments: argparse.Namespace, cache: caching.Cache, seed: int | None, console: Console
) -> None:
    paths = _output_paths(arguments)
    pipeline = options.make_pipeline(arguments)
    settings = {"prompt": arguments.prompt} | options.settings_of(arguments)
    if seed is not None:
        settings["rng_seed"] = seed
    pairs = _measure(pipeline, settings, cache, console)
    baseline, cached = (_median_run([pair[k] for pair in pairs]) for k in (0, 1))
    _write(baseline, cached, paths, arguments.overwrite)
    _tell(baseline, cached, len(pairs), paths, console)


def _measure(
    pipeline: Text2ImagePipeline, settings: dict[str, Any], cache: caching.Cache, console: Console
) -> list[tuple[GenerationResult, GenerationResult]]:
    """Draw uncached and cached in turn, several times if that is short."""

    def drawn(title: str, **changed: Any) -> GenerationResult:
        return draw(pipeline, settings | changed, console, title=title)

    # The first generation of a process pays for memory and kernels that later ones find ready.
    drawn("warm-up", cache=None, num_inference_steps=1)
    pairs: list[tuple[GenerationResult, GenerationResult]] = []
    while not pairs or (len(pairs) < MOST_PAIRS and pairs[0][0].report.total_s < SHORT_S):
        title = f" {len(pairs) + 1}" if pairs else ""
        pairs.append(
            (drawn("baseline" + title, cache=None), drawn("taylorseer" + title, cache=cache))
        )
    return pairs


def _write(
    baseline: GenerationResult, cached: GenerationResult, paths: list[Path], overwrite: bool
) -> None:
    import numpy as np

    from ..files import write_new, write_over
    from ..pictures.comparison import comparison_picture
    from ..pictures.png import encode_png

    comparison = np.asarray(comparison_picture(baseline, cached))
    for pixels, path in zip((baseline.data[0], cached.data[0], comparison), paths, strict=True):
        (write_over if overwrite else write_new)(path, encode_png(pixels, {}))


def _tell(
    baseline: GenerationResult,
    cached: GenerationResult,
    runs: int,
    paths: list[Path],
    console: Console,
) -> None:
    """Say what both did and what caching did, with the medians of so many runs each."""
    from ..pictures.quality import finite_psnr, ssim

    psnr_db, likeness = finite_psnr(baseline.data, cached.data), ssim(baseline.data, cached.data)
    report = cached.report
    speed_up = baseline.report.total_s / report.total_s
    for title, result in (("baseline", baseline), ("taylorseer", cached)):
        console.say(f"--- {title}\n{in_options(str(result.report))}")
    times = f", medians of {runs} runs each, in turn" if runs > 1 else ""
    console.say("--- what caching did")
    console.say(f"schedule    {report.schedule}   (C: transformer run, .: forecast)")
    console.say(
        f"speed-up    {speed_up:.2f}x of at most {report.ideal_speed_up:.2f}x "
        f"({report.computed_steps} of {len(report.step_s)} transformer runs{times})"
    )
    console.say(f"likeness    PSNR {psnr_db:.2f} dB, SSIM {likeness:.4f}")
    for path in paths:
        console.say(f"wrote       {path}")
    console.event(
        "comparison",
        paths=[str(path) for path in paths],
        speed_up=speed_up,
        psnr_db=psnr_db,
        ssim=likeness,
        baseline=baseline.report.to_dict(),
        cached=report.to_dict(),
    )


def _median_run(results: list[GenerationResult]) -> GenerationResult:
    """The run of median duration: equal seeds give equal pictures, only the times differ."""
    return sorted(results, key=lambda result: result.report.total_s)[len(results) // 2]


def _output_paths(arguments: argparse.Namespace) -> list[Path]:
    folder = options.writable_folder(arguments.output_dir or Path(), "--output-dir")
    paths = [folder / name for name in PICTURES]
    present = [str(path) for path in paths if path.exists()]
    if present and not arguments.overwrite:
        exist = "exists" if len(present) == 1 else "exist"
        raise MisuseError(
            f"{', '.join(present)} {exist} already; add --overwrite or choose another --output-dir"
        )
    return paths


# --- many prompts -------------------------------------------------------------------------


def _compare_many(arguments: argparse.Namespace, console: Console) -> None:
    """Likeness to the uncached pictures, beside that of plain sampling with as many runs."""
    pairs = list(itertools.product(read_prompts(arguments.prompts), arguments.seed or [42]))
    pipeline = options.make_pipeline(arguments)
    settings = options.settings_of(arguments)

    def drawn(title: str, **changed: Any) -> list[GenerationResult]:
        return [
            draw(
                pipeline,
                settings | changed | {"prompt": prompt, "rng_seed": seed},
                console,
                title=f"{title}, {number} of {len(pairs)}",
            )
            for number, (prompt, seed) in enumerate(pairs, 1)
        ]

    full = drawn("uncached", cache=None)
    rows = []
    for cache in caching.caches_of(arguments):
        name = caching.name_of(cache)
        cached = drawn(name, cache=cache)
        rows.append(_row(name, full, cached))
        runs = round(rows[-1]["runs"])
        plain = drawn(f"{runs} steps", cache=None, num_inference_steps=runs)
        rows.append(_row(f"  plain, {runs} steps", full, plain))
    _tell_table(rows, len(pairs), console)


def _tell_table(rows: list[dict[str, Any]], pictures: int, console: Console) -> None:
    console.say(f"{pictures} pictures each; PSNR in dB")
    console.say(f"{'':24}{'runs':>6}{'speed':>8}{'PSNR':>8}{'worst':>8}{'SSIM':>9}{'worst':>9}")
    for row in rows:
        console.say(
            f"{row['name']:24}{row['runs']:6.1f}{row['speed_up']:7.2f}x{row['psnr_db']:8.2f}"
            f"{row['worst_psnr_db']:8.2f}{row['ssim']:9.4f}{row['worst_ssim']:9.4f}"
        )
    console.event("table", pictures=pictures, rows=rows)


def _row(name: str, full: list[GenerationResult], other: list[GenerationResult]) -> dict[str, Any]:
    import statistics

    from ..pictures.quality import finite_psnr, ssim

    both = list(zip(full, other, strict=True))
    psnrs = [finite_psnr(a.data, b.data) for a, b in both]
    ssims = [ssim(a.data, b.data) for a, b in both]
    return {
        "name": name,
        "runs": statistics.fmean(result.report.computed_steps for result in other),
        "speed_up": statistics.median(a.report.total_s / b.report.total_s for a, b in both),
        "psnr_db": statistics.fmean(psnrs),
        "worst_psnr_db": min(psnrs),
        "ssim": statistics.fmean(ssims),
        "worst_ssim": min(ssims),
    }
