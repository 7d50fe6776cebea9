"""How much slower is the first generation of a process than the next ones?

    python -m scripts.benchmarks.first [--model demo] [--repeats 10] [--pictures 6]

A pipeline is made with a device, as openvino_genai's samples make it, and draws the same picture
several times, in processes of their own that take turns: the Python backend, the native one, the
default with a callback, and openvino_genai itself. A table of medians, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

PROMPT = "a large red circle on a blue background"
SIZE = {"width": 128, "height": 128, "max_sequence_length": 32}
WAYS = ("python", "native", "auto with a callback", "openvino_genai")


def pipeline_of(model: str, way: str) -> Callable[[], Any]:
    """Return what draws a picture in one of the ways, its models loaded."""
    if way == "openvino_genai":
        import openvino_genai

        from taylorseer_ov.flux.hub import find_model

        theirs = openvino_genai.Text2ImagePipeline(find_model(model), "CPU")
        return lambda: theirs.generate(PROMPT, taylorseer_config=None, **SIZE)
    from taylorseer_ov import Text2ImagePipeline

    if way == "auto with a callback":
        ours = Text2ImagePipeline(model, "CPU")
        return lambda: ours.generate(
            PROMPT, taylorseer_config=None, callback=lambda *step: False, **SIZE
        )
    ours = Text2ImagePipeline(model, "CPU", backend=way)
    return lambda: ours.generate(PROMPT, taylorseer_config=None, **SIZE)


def measure(model: str, way: str, pictures: int) -> dict[str, float]:
    """Load and draw in this process; return seconds of loading, of the first and the next."""
    begin_s = time.perf_counter()
    draw = pipeline_of(model, way)
    load_s = time.perf_counter() - begin_s
    taken = []
    for _ in range(pictures):
        begin_s = time.perf_counter()
        draw()
        taken.append(time.perf_counter() - begin_s)
    return {"load_s": load_s, "first_s": taken[0], "next_s": statistics.median(taken[1:])}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--way", choices=WAYS, help="measure this one in this process only")
    arguments = parser.parse_args(argv)
    if arguments.way:
        print(json.dumps(measure(arguments.model, arguments.way, arguments.pictures)))
        return
    command = [sys.executable, "-m", "scripts.benchmarks.first", "--model", arguments.model]
    command += ["--pictures", str(arguments.pictures), "--way"]
    measured: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(arguments.repeats):
        for way in WAYS:
            told = subprocess.run([*command, way], capture_output=True, text=True, check=True)
            measured[way].append(json.loads(told.stdout.splitlines()[-1]))
    results = {}
    print(f"{'medians':22}{'load s':>8}{'first s':>9}{'next s':>8}{'first / next':>14}")
    for way, runs in measured.items():
        medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        ratio = statistics.median(run["first_s"] / run["next_s"] for run in runs)
        results[way] = medians | {"ratio": ratio}
        print(f"{way:22}", *(f"{medians[n]:7.3f}" for n in medians), f"{ratio:13.2f}")
    print(json.dumps({"repeats": arguments.repeats, "ways": results}))


if __name__ == "__main__":
    main()
