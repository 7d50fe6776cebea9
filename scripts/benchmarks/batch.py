"""What does a line of a batch cost beyond its drawing, and how soon is the first picture there?

    python -m scripts.benchmarks.batch [--lines 1000 100000 1000000] [--pictures 20]

For each number of lines a process of its own goes through all of them, and draws so many pictures
that are evenly spread over them: it is one of as many shards as that takes. The pictures are as
small and quick as the demo model can draw them. Then a second process finds all of them there.

- first: seconds until the first picture is there, without loading the models.
- picture: median milliseconds from when a picture is begun until it is told to be there, less
  drawing it: waiting for the one before, writing, noting. In the first and in the last half of the
  lines, which should be the same.
- line: milliseconds of processor time of a line, without drawing: reading, checking, taking it into
  the manifest, and the writing of those that are drawn.
- peak: the most memory the process has had, MiB, of which it took "before" without any line.
- again: seconds until the second process has found the first picture, and of the whole of it,
  without loading the models; and its peak.

A table, then one line of JSON. Exit status: 0, 1 after a failure, 2 for misuse.
"""

from __future__ import annotations

import argparse
import queue
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from scripts.benchmarks.measuring import (
    PROMPT,
    peak_memory_mib,
    print_table,
    process,
    run_and_print,
)
from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.batch import run_batch

COLOURS = ("red", "green", "blue", "yellow")
AGAIN = ("first_s", "total_s", "peak_mib")
SMALLEST = {"width": 112, "height": 112, "num_inference_steps": 1, "cache": None}


def asked(lines: int) -> Iterator[dict[str, Any]]:
    """Yield lines that differ in prompt and seed."""
    for number in range(lines):
        yield {
            "prompt": f"a large {COLOURS[number % 4]} circle on a white background",
            "seed": number,
        } | SMALLEST


class Lines:
    """So many lines, which are made as they are asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return asked(self._count)

    def __len__(self) -> int:
        return self._count


def measure(lines: int, pictures: int, folder: str) -> dict[str, Any]:
    """Go through the lines of a batch in this process, and say what that took."""
    pipeline = Text2ImagePipeline(demo_model_path(), "CPU", backend="python")
    pipeline.generate(PROMPT, **SMALLEST)
    before_mib = peak_memory_mib()
    begin_s, begin_cpu_s = time.perf_counter(), time.thread_time()
    begun_s = queue.SimpleQueue[float]()
    this_thread = threading.current_thread()
    first_s = None
    beyond_ms = []

    def stop() -> bool:
        if threading.current_thread() is not this_thread:  # one that begins a picture
            begun_s.put(time.perf_counter())
        return False

    shard = (1, max(1, lines // pictures))
    for outcome in run_batch(pipeline, Lines(lines), folder, shard=shard, stop=stop):
        now_s = time.perf_counter()
        if first_s is None:
            first_s = now_s - begin_s
        if outcome.status == "drawn":
            beyond_ms.append((now_s - begun_s.get() - (outcome.seconds or 0)) * 1e3)
    half = len(beyond_ms) // 2
    return {
        "first_s": first_s,
        "picture_ms": statistics.median(beyond_ms[1:half]) if half > 1 else None,
        "late_picture_ms": statistics.median(beyond_ms[half:]) if half > 1 else None,
        "line_ms": (time.thread_time() - begin_cpu_s) / lines * 1e3,
        "before_mib": before_mib,
        "peak_mib": peak_memory_mib(),
        "total_s": time.perf_counter() - begin_s,
    }


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure each number of lines, and print a table."""
    results = {}
    for lines in arguments.lines:
        if lines < arguments.pictures:
            raise ValueError(f"--lines must be at least --pictures, got {lines}")
        with tempfile.TemporaryDirectory() as folder:
            first, again = (measured(lines, arguments.pictures, folder) for _ in range(2))
        results[lines] = first | {f"again_{name}": again[name] for name in AGAIN}
    names = [name for name in next(iter(results.values())) if name != "total_s"]
    print_table(
        "lines|first, s|picture, ms|late, ms|line, ms|before, MiB|peak, MiB|"
        "again first, s|all, s|peak, MiB",
        [[str(lines), *(found[name] for name in names)] for lines, found in results.items()],
    )
    return {"pictures": arguments.pictures, "lines": results}


def measured(*arguments: Any) -> dict[str, Any]:
    """Measure in a process of its own."""
    with process() as own:
        return own.submit(measure, *arguments).result()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, nargs="+", default=[1000, 100_000, 1_000_000])
    parser.add_argument("--pictures", type=int, default=20)
    return run_and_print(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
