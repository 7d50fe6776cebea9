"""How long does loading take, and how much slower is the first generation than the next ones?

    python -m scripts.benchmarks.first [--model demo] [--repeats 10] [--pictures 6]

A pipeline is made with a device, as openvino_genai's samples make it, and draws the same picture
several times, in processes of their own that take turns: the Python backend, the native one, the
default with a callback, and openvino_genai itself. Loading begins before anything is imported. What
it takes, alone and with the first generation, is compared with what openvino_genai took in the same
round; the processor's time is of the whole process until it is loaded. A table of medians, then one
JSON line.
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

from scripts.benchmarks.measuring import PROMPT, print_table

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
    load_s, load_cpu_s = time.perf_counter() - begin_s, time.process_time()
    taken = []
    for _ in range(pictures):
        begin_s = time.perf_counter()
        draw()
        taken.append(time.perf_counter() - begin_s)
    return {
        "load_s": load_s,
        "load_cpu_s": load_cpu_s,
        "first_s": taken[0],
        "next_s": statistics.median(taken[1:]),
    }


def compared(runs: list[dict[str, float]], theirs: list[dict[str, float]]) -> dict[str, float]:
    """Return the medians of a way's runs, and of their ratios to openvino_genai's of the round."""

    def loaded(run: dict[str, float]) -> float:
        return run["load_s"]

    def drawn(run: dict[str, float]) -> float:
        return run["load_s"] + run["first_s"]

    pairs = list(zip(runs, theirs, strict=True))
    return {
        **{name: statistics.median(run[name] for run in runs) for name in runs[0]},
        "first_to_next": statistics.median(run["first_s"] / run["next_s"] for run in runs),
        "load_ratio": statistics.median(loaded(ours) / loaded(their) for ours, their in pairs),
        "drawn_ratio": statistics.median(drawn(ours) / drawn(their) for ours, their in pairs),
        "cpu_ratio": statistics.median(
            ours["load_cpu_s"] / their["load_cpu_s"] for ours, their in pairs
        ),
    }


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
    results = {way: compared(runs, measured["openvino_genai"]) for way, runs in measured.items()}
    head = "medians, s|load|its CPU|first|next|first / next|load / theirs|with first|CPU"
    print_table(head, [[way, *figures.values()] for way, figures in results.items()])
    print(json.dumps({"repeats": arguments.repeats, "ways": results}))


if __name__ == "__main__":
    main()
