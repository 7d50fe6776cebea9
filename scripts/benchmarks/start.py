"""How long do importing the package and `taylorseer-ov --help` take, beyond Python's own start?

    python -m scripts.benchmarks.start [--repeats 20]

Each is a process of its own; they take turns, so that a machine whose speed drifts is fair to all.
A table of medians and smallest values in seconds, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

STARTS = {
    "python -c pass": ["-c", "pass"],
    "import numpy": ["-c", "import numpy"],
    "import taylorseer_ov": ["-c", "import taylorseer_ov"],
    "taylorseer-ov --help": ["-m", "taylorseer_ov.cli", "--help"],
}


def seconds_of(arguments: Sequence[str]) -> float:
    """Run Python with these arguments; return the seconds until it has ended."""
    begin_s = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin_s


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args(argv).repeats
    taken: dict[str, list[float]] = {name: [] for name in STARTS}
    for _ in range(repeats + 1):  # the first reads the files from disk
        for name, arguments in STARTS.items():
            taken[name].append(seconds_of(arguments))
    bare_s = statistics.median(taken["python -c pass"][1:])
    results = {}
    print(f"{'':22}{'median':>8}{'least':>8}{'beyond Python':>15}")
    for name, times in taken.items():
        median_s, least_s = statistics.median(times[1:]), min(times[1:])
        results[name] = {"median_s": median_s, "least_s": least_s, "beyond_s": median_s - bare_s}
        print(f"{name:22}{median_s:8.3f}{least_s:8.3f}{median_s - bare_s:15.3f}")
    print(json.dumps({"repeats": repeats, "starts": results}))


if __name__ == "__main__":
    main()
