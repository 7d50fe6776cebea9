"""Measure what caching gains on this machine, on both backends, and what caching itself costs.

    python -m scripts.benchmarks.speed                         # the model inside the package
    python -m scripts.benchmarks.speed MODEL_DIR --device GPU  # another one
    python -m scripts.benchmarks.speed --width-of-flux 2       # also blocks as wide as FLUX.1's
    python -m scripts.benchmarks.speed --cost-only             # caching alone, without a model

What bounds what:

- A computed step runs the transformer: bound by arithmetic (2 * weights * tokens operations, and
  the attention's) with many tokens, by reading the weights from memory with few.
- A predicted step reads and writes a few arrays of 4 * tokens * channels bytes once (1 MiB each at
  1024x1024): bound by memory, and for small pictures by Python's ten or twenty microseconds.
- Text encoding and VAE are paid once. For c computed of n steps, the speed-up

      (text + n * computed + VAE) / (text + c * computed + (n - c) * predicted + VAE)

  is below the ideal n / c: hardly for large transformers, more where the VAE is slow.

Each backend has a process of its own, so that its peak memory is its own (resident, mapped files
included). After a picture of each kind to warm up, the backends take turns. Loading includes
importing OpenVINO; "first" is the first picture after loading, uncached; all else are medians.

Caching alone is timed around outputs made beforehand (`caching_cost.py`).

Prints tables, then one line of JSON. Exit status: 0, 1 after a failure, 2 for misuse.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from scripts.benchmarks.caching_cost import CHANNELS, measure_cost, median_ms
from scripts.benchmarks.measuring import (
    PROMPT,
    peak_memory_mib,
    print_table,
    process,
    run_and_print,
)
from scripts.benchmarks.wide_model import times_of_flux, write_wide_model
from taylorseer_ov import TaylorSeerCacheConfig, Text2ImagePipeline, demo_model_path
from taylorseer_ov.flux.devices import check_device
from taylorseer_ov.flux.folder import FluxFolder
from taylorseer_ov.generation.report import GenerationReport

CACHES = {"uncached": None, "cached": TaylorSeerCacheConfig()}
SMALL, LARGE = 64, 4096  # tokens of 128x128 and of 1024x1024 pictures
TIMES = ("computed_step_ms", "predicted_step_ms", "text_encoding_ms", "vae_ms", "total_ms")

# --- each in a process of its own --------------------------------------------------------------

_loaded: list[Text2ImagePipeline] = []


def load(folder: Path, device: str, backend: str) -> float:
    """Load and compile a model; return the seconds that took."""
    start_s = time.perf_counter()
    _loaded.append(Text2ImagePipeline(folder, device, backend=backend))
    _loaded[0].compile(device)
    return time.perf_counter() - start_s


def draw(steps: int, cache: TaylorSeerCacheConfig | None) -> GenerationReport:
    """Draw a picture with the model that was loaded."""
    return _loaded[0].generate(PROMPT, num_inference_steps=steps, cache=cache).report


# --- measuring ---------------------------------------------------------------------------------


def start(own: ProcessPoolExecutor, backend: str, folder: Path, device: str, steps: int) -> dict:
    """Load a model in a process and warm it up; the figures of that, or why native cannot do it."""
    try:
        load_s = own.submit(load, folder, device, backend).result()
        first, _ = [own.submit(draw, steps, cache).result() for cache in CACHES.values()]
    except RuntimeError as error:
        if backend == "python":
            raise
        return {"missing": str(error)}
    return {"load_s": load_s, "first_picture_s": first.total_s}


def measure_model(folder: Path, device: str, steps: int, repeats: int) -> dict[str, Any]:
    """Draw uncached and cached on both backends, by turns."""
    drawn: dict[tuple[str, str], list[GenerationReport]] = {}
    with ExitStack() as stack:
        processes = {name: stack.enter_context(process()) for name in ("python", "native")}
        backends = {
            name: start(own, name, folder, device, steps) for name, own in processes.items()
        }
        able = [name for name in backends if "missing" not in backends[name]]
        for _, name, backend in itertools.product(range(repeats), CACHES, able):
            report = processes[backend].submit(draw, steps, CACHES[name]).result()
            drawn.setdefault((backend, name), []).append(report)
        for backend in able:
            peak = processes[backend].submit(peak_memory_mib).result()
            backends[backend]["peak_memory_mib"] = peak
    for (backend, name), reports in drawn.items():
        measured = (
            [seconds for report in reports for seconds in report.computed_step_s],
            [seconds for report in reports for seconds in report.predicted_step_s],
            [report.text_encoding_s for report in reports],
            [report.vae_s for report in reports],
            [report.total_s for report in reports],
        )
        figures = backends[backend][name] = dict(zip(TIMES, map(median_ms, measured), strict=True))
        figures["speed_up"] = backends[backend]["uncached"]["total_ms"] / figures["total_ms"]
        figures["ideal_speed_up"] = reports[0].ideal_speed_up
        figures["schedule"] = reports[0].schedule
    return {"width": reports[0].width, "height": reports[0].height, "backends": backends}


def uncached_step_ms(model: dict[str, Any]) -> float:
    """Return a computed step of the backend that this package's caching runs in."""
    step_ms: float = model["backends"]["python"]["uncached"]["computed_step_ms"]
    return step_ms


# --- printing ----------------------------------------------------------------------------------


def print_model(title: str, model: dict[str, Any]) -> None:
    """Print what a model took on both backends."""
    python = model["backends"]["python"]
    print(f"\n{title}, {model['width']}x{model['height']}, cached {python['cached']['schedule']}")
    rows = []
    for backend, figures in model["backends"].items():
        if "missing" in figures:
            print(f"no {backend} backend: {figures['missing']}")
            continue
        keys = ("load_s", "first_picture_s", "peak_memory_mib")
        once: list[Any] = [figures[key] for key in keys]
        for name in CACHES:
            gains = [figures[name][key] for key in (*TIMES, "speed_up", "ideal_speed_up")]
            rows.append([f"{backend} {name}", *once, *gains])
            once = [""] * len(once)
    head = "ms|load, s|first, s|peak, MiB|computed|predicted|text|VAE|total|speed-up|ideal"
    print_table(head, rows)


def print_costs(costs: dict[str, dict[str, Any]]) -> None:
    """Print what caching alone took."""
    print("\ncaching alone, floats and kind")
    keys = ("forecast_ms", "at_a_run_ms", "mean_ms", "percent_of_computed_step")
    rows = [
        [f"{size} {kind}", *(figures.get(key) for key in keys)]
        for size, cost in costs.items()
        for kind, figures in cost.items()
    ]
    print_table("ms per step|forecast|at a run|mean|% of a computed step", rows)


# --- command line ------------------------------------------------------------------------------


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir", metavar="MODEL_DIR", nargs="?", help="default: the demo model")
    parser.add_argument("--device", default="CPU", help="default: CPU")
    parser.add_argument("--steps", type=int, default=28, help="denoising steps (default: 28)")
    parser.add_argument("--repeats", type=int, default=5, help="pictures of a kind (default: 5)")
    parser.add_argument(
        "--width-of-flux",
        metavar="BLOCKS",
        type=int,
        help="also a Flux of FLUX.1-dev's width with random weights and so many blocks of either "
        "kind; each takes GB of disk and memory (needs the export extra)",
    )
    parser.add_argument("--cost-only", action="store_true", help="caching alone, without a model")
    arguments = parser.parse_args(argv)
    for name in ("steps", "repeats", "width_of_flux"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, got {value}")
    if arguments.cost_only and (arguments.width_of_flux or arguments.model_dir):
        parser.error("--cost-only measures no model: leave out MODEL_DIR and --width-of-flux")
    return arguments


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure what is asked for and print the tables."""
    device, steps, repeats = arguments.device, arguments.steps, arguments.repeats
    how = f"on {device}, {steps} steps, medians of {repeats}"
    results: dict[str, Any] = {"device": device, "steps": steps, "repeats": repeats}
    step_ms: dict[int, float] = {}  # a computed step on the Python backend, by number of tokens
    if not arguments.cost_only:
        source = Path(arguments.model_dir or demo_model_path())
        FluxFolder.read(source)
        check_device(device)
        with tempfile.TemporaryDirectory() as work:
            blocks = arguments.width_of_flux
            if blocks:  # first, for it may fail
                with process() as own:
                    wide = own.submit(write_wide_model, source, blocks, Path(work)).result()
            results["model"] = model = measure_model(source, device, steps, repeats)
            print_model(f"{source.name} {how}", model)
            step_ms[model["width"] * model["height"] // 256] = uncached_step_ms(model)
            if blocks:
                results["width_of_flux"] = model = measure_model(wide, device, steps, repeats)
                print_model(f"{blocks} + {blocks} blocks of FLUX.1-dev's width {how}", model)
                factor = times_of_flux(blocks)
                step_ms[LARGE] = model["flux_computed_step_ms"] = factor * uncached_step_ms(model)
                print(
                    f"extrapolated to all blocks by their weights, times {factor:.3g}: "
                    f"{step_ms[LARGE]:.4g} ms for a computed step of this size, a lower bound for "
                    "1024x1024"
                )
    costs = results["caching"] = {}
    for tokens in sorted({*(step_ms or [SMALL]), LARGE}):
        cost = costs[f"{tokens}x{CHANNELS}"] = measure_cost(tokens, steps, repeats)
        for figures in cost.values():
            if tokens in step_ms:
                figures["percent_of_computed_step"] = 100 * figures["mean_ms"] / step_ms[tokens]
    print_costs(costs)
    return results


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run_and_print(run, parse(argv))


if __name__ == "__main__":
    sys.exit(main())
