"""Many cases, some at once, each with the same end whatever has run before."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from scripts.fuzz.cases import make_case, prepare
from scripts.fuzz.watching import End, run_case


def new_processes(count: int) -> ProcessPoolExecutor:
    """Return processes that are not forked: one that has drawn has threads, and cannot fork."""
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))


def run_number(number: int, scratch: Path, limit_s: float) -> End:
    """Run the case of a number in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        return run_case(make_case(number, scratch / "good", Path(folder) / "case"), limit_s)


def run_numbers(numbers: Sequence[int], jobs: int, limit_s: float) -> Iterator[End]:
    """Run cases, so many at once, and yield their ends in order."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        with new_processes(1) as drawing:
            drawing.submit(prepare, scratch / "good").result()
        with new_processes(jobs) as running:
            run = partial(run_number, scratch=scratch, limit_s=limit_s)
            yield from running.map(run, numbers)
