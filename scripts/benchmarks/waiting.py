"""How right is the time left that the progress bar shows, from a third of the way on?

    python -m scripts.benchmarks.waiting [MODEL_DIR] [--steps 28] [--pictures 5]

For each kind of caching, pictures are drawn and each estimate is compared with the time that the
picture then took. Errors are shares of the whole duration; the first picture, which warms up, is
left out. A table, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from taylorseer_ov import ErrorControl, TaylorSeerCacheConfig, Text2ImagePipeline, demo_model_path
from taylorseer_ov.generation.progress import TimeLeft

PROMPT = "a green star left of a yellow square on a white background"
KINDS = {
    "uncached": None,
    "TaylorSeer Lite": TaylorSeerCacheConfig(),
    "fast": "fast",
    "error control": ErrorControl(),
}


def errors_of(
    pipeline: Text2ImagePipeline, cache, steps: int, decoding_s: float | None
) -> tuple[list[float], float]:
    """Draw one picture; return the estimates' errors as shares of its duration, and the VAE's."""
    left = TimeLeft(time.perf_counter, decoding_s)
    begin_s = time.perf_counter()
    estimates: list[tuple[float, float]] = []

    def progress(done: int, runs: int) -> None:
        estimate_s = left.after(done, runs)
        if estimate_s is not None:
            estimates.append((time.perf_counter() - begin_s, estimate_s))

    result = pipeline.generate(PROMPT, cache=cache, num_inference_steps=steps, progress=progress)
    total_s = time.perf_counter() - begin_s
    errors = [
        abs(at_s + estimate_s - total_s) / total_s
        for at_s, estimate_s in estimates
        if at_s >= total_s / 3
    ]
    return errors, result.report.vae_s


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir", nargs="?", default=demo_model_path())
    parser.add_argument("--steps", type=int, default=28)
    parser.add_argument("--pictures", type=int, default=5)
    arguments = parser.parse_args()
    pipeline = Text2ImagePipeline(arguments.model_dir, backend="python")
    results = {}
    print(f"{'':16}{'median':>8}{'worst':>8}   error of the time left, share of the duration")
    for name, cache in KINDS.items():
        errors: list[float] = []
        _, decoding_s = errors_of(pipeline, cache, arguments.steps, None)
        for _ in range(arguments.pictures):
            found, decoding_s = errors_of(pipeline, cache, arguments.steps, decoding_s)
            errors += found
        results[name] = {"median": statistics.median(errors), "worst": max(errors)}
        print(f"{name:16}{results[name]['median']:8.1%}{results[name]['worst']:8.1%}")
    print(json.dumps({"steps": arguments.steps, "pictures": arguments.pictures} | results))


if __name__ == "__main__":
    main()
