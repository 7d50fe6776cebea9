"""`taylorseer-ov batch`: draw the lines of a file, in as many sittings as it takes."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import caching, options
from .console import Console, MisuseError
from .prompt_files import PromptFile, opened
from .saving import add_format_options
from .settings_file import add_settings_option
from .waiting import Tenths

if TYPE_CHECKING:
    from ..batch.run import BadLinesError
    from ..batch.sitting import Outcome
    from ..generation.progress import StopRequest
    from ..pipelines.tasks import Text2ImagePipeline

STAGES = {"pooled": "encoded with CLIP", "text": "encoded with T5", "latents": "denoised"}


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "batch", help="draw the lines of a file; can be stopped and run again at any time"
    )
    options.add_words(parser, prompt=False)
    parser.add_argument(
        "--prompts",
        metavar="FILE",
        help="a prompt a line, or JSON lines with a prompt and settings: "
        '{"prompt": "a red circle", "seed": 1, "steps": 28, "cache": "fast", "name": "circle"}; '
        "- reads stdin. A second word means the same",
    )
    parser.add_argument(
        "-o",
        "--output-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="for the pictures and manifest.jsonl; what is there is not drawn again",
    )
    parser.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="I/N", help="draw the I-th of N shares"
    )
    parser.add_argument("--seed", type=int, help="of the lines that have none (default: 42)")
    parser.add_argument(
        "--skip-bad-lines", action="store_true", help="leave out lines that cannot be drawn"
    )
    add_format_options(parser)
    add_settings_option(parser)
    options.add_allow_empty(parser)
    options.add_settings_options(parser)
    caching.add_cache_options(parser)
    options.add_pipeline_options(parser)
    parser.add_argument(
        "--streams",
        type=int,
        default=1,
        metavar="N",
        help="pictures to denoise at once, for more of them in the same time (default: 1)",
    )
    parser.set_defaults(run=run, by_words=("model", "prompts"))
    return parser


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Draw what is missing; 1 if lines failed or were left out, 130 if stopped."""
    from .interrupts import in_thread, stop_on_interrupt

    options.take_words(arguments, "model", "prompts")
    options.require(arguments, "output_dir")
    options.check_model(arguments.model)
    with opened(arguments.prompts) as file:
        lines = PromptFile(file, arguments.prompts, arguments.allow_empty)
        options.writable_folder(arguments.output_dir, "--output-dir")
        pipeline = options.make_pipeline(arguments, streams=arguments.streams)
        usual = pipeline.get_generation_config()
        settings = options.settings_of(arguments) | caching.cache_of(arguments, usual.cache)
        if arguments.seed is not None:
            settings["rng_seed"] = arguments.seed
        pipeline.set_generation_config(usual.updated(settings))
        with stop_on_interrupt("finishing the pictures that are begun") as stop:
            counts = in_thread(partial(_draw, pipeline, lines, arguments, console, stop))
            return _summarize(counts, arguments.output_dir, console, stop())


class _TimeLeft:
    """Tell how far a batch is, and keep what was told last in `text`."""

    def __init__(self, console: Console) -> None:
        self._console, self.text = console, ""
        self._tenths = {stage: Tenths() for stage in STAGES}

    def __call__(self, stage: str, done: int, of: int, seconds: float) -> None:
        self.text = f"{done} of {of}, {seconds:.0f} s left"
        if stage in STAGES and self._tenths[stage].is_due(done, of):
            self._console.say(f"{STAGES[stage]} {self.text}")
        self._console.event("progress", stage=stage, done=done, of=of, seconds_left=seconds)


def _draw(
    pipeline: Text2ImagePipeline,
    lines: PromptFile,
    arguments: argparse.Namespace,
    console: Console,
    stop: StopRequest,
) -> Counter[str]:
    """Draw what is missing, tell what becomes of each line, and count that."""
    from ..batch.run import BadLinesError, run_batch

    time_left = _TimeLeft(console)

    def progress(stage: str, done: int, of: int, seconds: float) -> None:
        stop.begin()
        time_left(stage, done, of, seconds)

    try:
        outcomes = run_batch(
            pipeline,
            lines,
            arguments.output_dir,
            shard=arguments.shard,
            skip_bad_lines=arguments.skip_bad_lines,
            metadata=not arguments.no_metadata,
            format=arguments.format or "png",
            stop=stop,
            progress=progress,
        )
    except BadLinesError as error:
        raise _misuse(error, console) from error
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts[outcome.status] += 1
        _tell(outcome, time_left.text, console)
    return counts


def _misuse(error: BadLinesError, console: Console) -> MisuseError:
    """Tell programs every line that is bad; the error that people see has the first."""
    first, count = error.lines[0], len(error.lines)
    for line in error.lines:
        console.event("bad_line", line=line.number, error=line.error)
    return MisuseError(
        f"{count} of {error.checked} lines cannot be drawn, and nothing was drawn; "
        f"line {first.number}: {first.error}. --skip-bad-lines leaves such lines out"
    )


def _tell(outcome: Outcome, time_left: str, console: Console) -> None:
    files = [str(path) for path in outcome.files]
    if outcome.status == "drawn":
        console.say(f"line {outcome.line}: {', '.join(files)}   ({time_left})")
    elif outcome.error is not None:
        console.warn(f"line {outcome.line} {outcome.status}: {outcome.error}")
    console.event("line", **asdict(outcome) | {"files": files})


def _summarize(counts: Counter[str], folder: Path, console: Console, stopped: bool) -> int:
    told = {
        "drawn": "drawn",
        "present": "there already",
        "failed": "failed",
        "bad": "bad lines left out",
        "busy": "left to other processes",
    }
    parts = [f"{counts[status]} {words}" for status, words in told.items() if counts[status]]
    console.say(f"{', '.join(parts) or 'nothing drawn'}; see {folder / 'manifest.jsonl'}")
    console.event("summary", stopped=stopped, **{status: counts[status] for status in told})
    if stopped:
        console.say("stopped: run the same command again to draw what is left")
        return 130
    return 1 if counts["failed"] or counts["bad"] else 0


def _shard(text: str) -> tuple[int, int]:
    first, _, shards = text.partition("/")
    try:
        shard = int(first), int(shards)
    except ValueError:
        shard = 0, 0
    if not 1 <= shard[0] <= shard[1]:
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N, with I from 1 to N")
    return shard
