"""What does a picture cost outside the models?

    python -m scripts.benchmarks.overhead [--model demo] [--pictures 20]

Pictures of the Python backend and of the native one, uncached, with native's default and with a
preset, in turn, in one process. Of each the models' own time is subtracted: every inference,
tokenizers included, and of what openvino_genai draws by itself its whole call. What is left is
ours: checks, the choice of what is cached, sums of outputs, tensors in and out, report and recipe.
Medians in milliseconds, by the clock and in the calling thread's time of the processor, which other
programs disturb less. A table, then one JSON line.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import openvino as ov
import openvino_genai

from scripts.benchmarks.measuring import print_table, run_and_print
from taylorseer_ov import TaylorSeerCacheConfig, Text2ImagePipeline

COLOURS = ("red", "green", "blue", "yellow")  # prompts differ: ids of the latest one are kept

KINDS = {"uncached": None, "TaylorSeer Lite": TaylorSeerCacheConfig(), "preset": "balanced"}
# the methods that are a model's work and nothing else; of OpenVINO the one below Python
MODEL_CALLS = (
    (ov.InferRequest.__mro__[2], "infer"),
    (openvino_genai.CLIPTextModel, "infer"),
    (openvino_genai.T5EncoderModel, "infer"),
    (openvino_genai.FluxTransformer2DModel, "infer"),
    (openvino_genai.AutoencoderKL, "decode"),
    (openvino_genai.Text2ImagePipeline, "generate"),
)


class ModelsTime:
    """The seconds that models have taken, by both clocks; while entered, their calls are timed."""

    def __init__(self) -> None:
        self.wall_s = self.thread_s = 0.0
        self._inside = False

    def __enter__(self) -> ModelsTime:
        self._plain = [(kind, name, getattr(kind, name)) for kind, name in MODEL_CALLS]
        for kind, name, call in self._plain:
            setattr(kind, name, self._timed(call))
        return self

    def __exit__(self, *raised: object) -> None:
        for kind, name, call in self._plain:
            setattr(kind, name, call)

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def timed(*given: Any, **named: Any) -> Any:
            if self._inside:  # what a model calls is its own
                return call(*given, **named)
            self._inside = True
            begin_s, begin_thread_s = time.perf_counter(), time.thread_time()
            try:
                return call(*given, **named)
            finally:
                self.wall_s += time.perf_counter() - begin_s
                self.thread_s += time.thread_time() - begin_thread_s
                self._inside = False

        return timed


def measure(draw: Callable[[], Any], models: ModelsTime) -> dict[str, float]:
    """Draw a picture; return milliseconds: of all of it, and by both clocks of what is outside."""
    models.wall_s = models.thread_s = 0.0
    begin_s, begin_thread_s = time.perf_counter(), time.thread_time()
    draw()
    taken_s = time.perf_counter() - begin_s
    taken_thread_s = time.thread_time() - begin_thread_s
    return {
        "picture_ms": 1000 * taken_s,
        "outside_ms": 1000 * (taken_s - models.wall_s),
        "outside_thread_ms": 1000 * (taken_thread_s - models.thread_s),
    }


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all, print the table, and return what is in it."""
    draws: dict[tuple[str, str], Callable[..., Any]] = {}
    for backend in ("python", "native"):
        # the native backend does no presets: "auto" does them on openvino_genai's models
        pipeline = Text2ImagePipeline(
            arguments.model, "CPU", backend="python" if backend == "python" else "auto"
        )
        for kind, cache in KINDS.items():
            draws[backend, kind] = functools.partial(pipeline.generate, cache=cache)
    measured: dict[tuple[str, str], list[dict[str, float]]] = {way: [] for way in draws}
    colours = itertools.cycle(COLOURS)
    with ModelsTime() as models, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for picture in range(arguments.pictures + 1):
            for way, draw in draws.items():
                prompt = f"a large {next(colours)} circle on a white background"
                taken = measure(functools.partial(draw, prompt), models)
                if picture:  # the first warms up
                    measured[way].append(taken)
    rows, results = [], []
    for (backend, kind), pictures in measured.items():
        medians = {
            name: statistics.median(taken[name] for taken in pictures) for name in pictures[0]
        }
        rows.append([f"{backend}, {kind}", *medians.values()])
        results.append({"models": backend, "kind": kind} | medians)
    print_table("|picture, ms|outside the models, ms|the same, of the thread", rows)
    return {"pictures": arguments.pictures, "ways": results}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="demo", help="a model folder, or demo")
    parser.add_argument("--pictures", type=int, default=20, help="of each kind")
    return run_and_print(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
