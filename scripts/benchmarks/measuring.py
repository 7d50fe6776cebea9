"""What the benchmarks of speed and of memory share: processes, peaks, tables, exit statuses."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

PROMPT = "a large red circle on a blue background"


def process() -> ProcessPoolExecutor:
    """A process that makes one call after another, with nothing inherited from this one."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def peak_memory_mib() -> float | None:
    """Return the most resident memory this process has had, None where it cannot be known."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, whose getrusage counts the parent process too
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 2**10
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def print_table(head: str, rows: Sequence[Sequence[str | float | None]]) -> None:
    """Print rows, their first cells to the left; the head's cells are divided by bars."""
    texts = [
        ["-" if cell is None else cell if isinstance(cell, str) else f"{cell:.4g}" for cell in row]
        for row in [head.split("|"), *rows]
    ]
    first, *others = (max(map(len, column)) for column in zip(*texts, strict=True))
    for name, *cells in texts:
        right = map("{:>{}}".format, cells, others)
        print(f"{name:{first}}", *right, sep="  ")


def run_and_print(run: Callable[[argparse.Namespace], Any], arguments: argparse.Namespace) -> int:
    """Measure, and print what `run` returns as a line of JSON.

    Returns:
        The exit status: 0, 1 after a failure, 2 for misuse.
    """
    try:
        results = run(arguments)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (RuntimeError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(results))
    return 0
