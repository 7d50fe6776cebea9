"""Run cases and tell what was found; see the package's docstring."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.benchmarks.measuring import print_table
from scripts.fuzz.cases import KINDS, make_case, prepare
from scripts.fuzz.running import new_processes, run_numbers
from scripts.fuzz.watching import End, run_case


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print tables and one line of JSON; 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m scripts.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="cases (default: 100)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (default: 0)")
    parser.add_argument("--jobs", type=int, default=2, help="at once (default: 2)")
    parser.add_argument("--limit-s", type=float, default=120.0, help="of a case (default: 120)")
    parser.add_argument("--verbose", action="store_true", help="show the end of every case")
    parser.add_argument("--case", type=int, metavar="NUMBER", help="run this one and keep it")
    arguments = parser.parse_args(argv)
    if sys.platform != "linux":
        parser.error("this needs Linux's processes")
    if arguments.case is not None:
        return show(arguments.case, arguments.limit_s)
    ends = []
    numbers = range(arguments.first, arguments.first + arguments.count)
    for end in run_numbers(numbers, arguments.jobs, arguments.limit_s):
        ends.append(end)
        if end.found or arguments.verbose:
            print(
                f"case {end.number} ({end.kind}, {end.command}): {end.how} {'; '.join(end.found)}"
            )
            print(f"    {end.error[:300]}", flush=True)
    return tell(ends)


def show(number: int, limit_s: float) -> int:
    """Run one case in a folder that stays, and say what was seen."""
    scratch = Path(tempfile.mkdtemp())
    with new_processes(1) as drawing:
        drawing.submit(prepare, scratch / "good").result()
    case = make_case(number, scratch / "good", scratch / "case")
    print(f"cd {case.folder / 'here'}\ntaylorseer-ov {shlex.join(case.words)}")
    end = run_case(case, limit_s)
    print((case.folder / "stderr").read_text(encoding="utf-8", errors="replace")[-4000:])
    print(json.dumps(asdict(end)))
    return 1 if end.found else 0


def tell(ends: list[End]) -> int:
    """Print what became of the cases."""
    hows = sorted({end.how for end in ends})
    counts = Counter((end.kind, end.how) for end in ends)
    rows = [[kind, *(str(counts[kind, how]) for how in hows)] for kind in KINDS]
    print_table("|".join(["given", *hows]), rows)
    slowest = max(ends, key=lambda end: end.seconds)
    largest = max(ends, key=lambda end: end.peak_mib)
    found = [asdict(end) for end in ends if end.found]
    print(f"slowest: case {slowest.number}, {slowest.seconds:.1f} s")
    print(f"largest: case {largest.number}, {largest.peak_mib:.0f} MiB")
    print(f"{len(found)} of {len(ends)} cases with something found")
    summary = {
        "cases": len(ends),
        "ends": {f"{kind}, {how}": count for (kind, how), count in sorted(counts.items())},
        "slowest_s": slowest.seconds,
        "largest_mib": largest.peak_mib,
        "found": found,
    }
    print(json.dumps(summary))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
