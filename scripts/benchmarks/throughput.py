"""How many pictures does a batch draw in a minute, by what is done at once?

    python -m scripts.benchmarks.throughput [--sizes 128 256] [--count 12] [--streams 2]

Three ways in turn, so that a machine whose speed drifts is fair to all:

- one by one: `generate` and `save` for each picture, as batches drew before they did two at a time.
- 1 stream: `run_batch`; one picture is decoded and written while the next is denoised.
- N streams: the same with `streams=N`; so many are denoised at once.

Before timing, all ways draw once. Of each the median and the least seconds a picture, what the
median gains over one by one, and the process's own time in seconds a picture. A table, then one
line of JSON. Exit status: 0, 1 after a failure, 2 for misuse.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.measuring import PROMPT, print_table, run_and_print
from taylorseer_ov import Text2ImagePipeline
from taylorseer_ov.batch.run import run_batch

Way = Callable[[int, int, Path], None]  # draws so many pictures of a size into a folder


def one_by_one(pipeline: Text2ImagePipeline) -> Way:
    """Return what draws and saves one picture after the other."""

    def draw(count: int, size: int, folder: Path) -> None:
        for seed in range(count):
            pipeline.generate(PROMPT, rng_seed=seed, height=size, width=size).save(folder)

    return draw


def in_a_batch(pipeline: Text2ImagePipeline) -> Way:
    """Return what draws a batch, as many at once as the pipeline has streams."""

    def draw(count: int, size: int, folder: Path) -> None:
        size_of_all = {"height": size, "width": size}
        lines = [{"prompt": PROMPT, "seed": seed} | size_of_all for seed in range(count)]
        for outcome in run_batch(pipeline, lines, folder):
            if outcome.status != "drawn":
                raise RuntimeError(f"line {outcome.line} is {outcome.status}: {outcome.error}")

    return draw


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time all ways at all sizes, and print the table."""
    if min(arguments.count, arguments.repeats) < 1:
        raise ValueError("--count and --repeats must be at least 1")
    given = arguments.precision
    config = {} if given is None else {"INFERENCE_PRECISION_HINT": given}
    single = Text2ImagePipeline(arguments.model, "CPU", config=config)
    several = Text2ImagePipeline(arguments.model, "CPU", streams=arguments.streams, config=config)
    ways = {
        "one by one": one_by_one(single),
        "1 stream": in_a_batch(single),
        f"{arguments.streams} streams": in_a_batch(several),
    }
    rows: list[list[str | float | None]] = []
    results = {}
    for size in arguments.sizes:
        taken = _timed(ways, size, arguments.count, arguments.repeats)
        results[str(size)] = taken
        before = taken["one by one"]["median_s"]
        rows += [
            [f"{size} {name}", t["median_s"], t["least_s"], before / t["median_s"], t["process_s"]]
            for name, t in taken.items()
        ]
    print_table("seconds a picture|median|least|times as fast|process", rows)
    return vars(arguments) | {"sizes": results}


def _timed(
    ways: dict[str, Way], size: int, count: int, repeats: int
) -> dict[str, dict[str, float]]:
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, draw in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                begin_s, begin_process_s = time.perf_counter(), time.process_time()
                draw(count if repeat else min(count, 3), size, Path(folder))
                wall_s = time.perf_counter() - begin_s
                process_s = time.process_time() - begin_process_s
            if repeat:
                spent[name].append((wall_s / count, process_s / count))
    return {
        name: {
            "median_s": statistics.median(wall_s for wall_s, _ in times),
            "least_s": min(wall_s for wall_s, _ in times),
            "process_s": statistics.median(process_s for _, process_s in times),
        }
        for name, times in spent.items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--precision", help="INFERENCE_PRECISION_HINT, such as f32")
    return run_and_print(measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
