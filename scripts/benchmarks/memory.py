"""Measure how much memory a picture takes: openvino_genai, both backends, and each way to save.

    python -m scripts.benchmarks.memory                       # 300 + 400 MiB of float16 weights
    python -m scripts.benchmarks.memory --weight-format int8  # half as many bytes
    python -m scripts.benchmarks.memory --model MODEL_DIR     # another one

The model is the demo model with random feed-forward layers added to T5 and to the transformer, as
wide as half a T5-XXL and written without torch: what it draws is nothing, what it takes is real.

Every way has a process of its own. Two figures each, in MiB:

- resident: the most that was in memory at once, mapped weight files included (VmHWM). The system
  takes those pages back when it needs them.
- private: the most of it that it cannot take back (RssAnon, looked at every 5 ms).

With `low_memory`, the peak should be that of the largest part; the last table has each part alone,
in a process that loads it and nothing else, as `low_memory` does: the transformer for one size.
`encode` fills the embedding cache, `repeated` finds the prompt there. Linux only.

Prints tables, then one line of JSON. Exit status: 0, 1 after a failure, 2 for misuse.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from scripts.benchmarks.measuring import (
    PROMPT,
    peak_memory_mib,
    print_table,
    process,
    run_and_print,
)
from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.flux.folder import FluxFolder
from taylorseer_ov.generation.memory import estimate
from taylorseer_ov.generation.settings import ImageGenerationConfig
from taylorseer_ov.generation.setup import MemoryOptions
from taylorseer_ov.model_files import read_json

WIDTH, INNER = 2048, 8192
PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32"}
PRECISION_BITS = 32
WEIGHT_FORMATS = ("fp16", "int8", "int4")
SAMPLED_EVERY_S = 0.005

# --- the model ---------------------------------------------------------------------------------


def write_large_model(folder: Path, text_mib: float, transformer_mib: float, weights: str) -> Path:
    """Write the demo model with so many MiB of float16 weights more; int8 and int4 need nncf."""
    shutil.copytree(demo_model_path(), folder)
    core = ov.Core()
    for part, mib in (("text_encoder_2", text_mib), ("transformer", transformer_mib)):
        model = core.read_model(demo_model_path() / part / "openvino_model.xml")
        add_layers(model, max(1, round(mib * 2**20 / (2 * WIDTH * INNER * 2))))
        if weights != "fp16":
            import nncf

            int4 = {"mode": nncf.CompressWeightsMode.INT4_SYM, "group_size": 128, "ratio": 1.0}
            model = nncf.compress_weights(model, **int4 if weights == "int4" else {})
        ov.save_model(model, folder / part / "openvino_model.xml")
    return folder


def add_layers(model: ov.Model, count: int) -> None:
    """Add residual feed-forward layers of random weights before a model's first output."""
    rng = np.random.default_rng(0)

    def linear(features: Any, inputs: int, outputs: int) -> Any:
        weights = rng.standard_normal((outputs, inputs), np.float32) * np.float32(inputs**-0.5)
        return ops.matmul(features, ops.constant(weights), False, True)

    result = model.get_results()[0]
    output = result.input_value(0)
    names = output.get_names()
    features = output.get_partial_shape()[-1].get_length()
    stream = linear(output, features, WIDTH)
    for _ in range(count):
        normalized = ops.mvn(stream, np.array([-1]), True, 1e-6, "inside_sqrt")
        inner = ops.gelu(linear(normalized, WIDTH, INNER), "tanh")
        stream = ops.add(stream, linear(inner, INNER, WIDTH))
    added = ops.multiply(linear(ops.tanh(stream), WIDTH, features), np.float32(0.01))
    total = ops.add(output, added)
    result.input(0).replace_source_output(total.output(0))
    total.output(0).set_names(names)
    model.validate_nodes_and_infer_types()


# --- each in a process of its own --------------------------------------------------------------


def measured(work: Callable[..., None], *arguments: Any) -> dict[str, float]:
    """Call `work` in a new process; return its peaks in MiB."""
    with process() as own:
        return own.submit(_peaks, work, *arguments).result()


def _peaks(work: Callable[..., None], *arguments: Any) -> dict[str, float]:
    most = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(SAMPLED_EVERY_S):
            status = Path("/proc/self/status").read_text()
            most = max(most, int(status.partition("RssAnon:")[2].split()[0]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work(*arguments)
    finally:
        done.set()
        watcher.join()
    return {"resident_mib": peak_memory_mib() or 0.0, "private_mib": most / 2**10}


def draw_with_openvino_genai(folder: Path, settings: dict[str, Any]) -> None:
    """Draw a picture with openvino_genai's own pipeline."""
    import openvino_genai

    pipeline = openvino_genai.Text2ImagePipeline(folder, "CPU", **PROPERTIES)
    pipeline.generate(PROMPT, taylorseer_config=None, max_sequence_length=32, **settings)


def draw(folder: Path, settings: dict[str, Any], reshaped: bool, options: dict[str, Any]) -> None:
    """Draw a picture with this package."""
    pipeline = Text2ImagePipeline(folder, **options, **PROPERTIES)
    if reshaped:
        pipeline.reshape(1, settings["height"], settings["width"], 3.5)
    pipeline.generate(PROMPT, taylorseer_config=None, max_sequence_length=32, **settings)


def draw_with_one_part(folder: Path, settings: dict[str, Any], part: str) -> None:
    """Go through one part's share of a generation, on made-up inputs."""
    from taylorseer_ov.flux.latents import image_position_ids
    from taylorseer_ov.flux.parts import FluxTransformer, Place, TextEncoder
    from taylorseer_ov.flux.tiled_vae import TiledVaeDecoder
    from taylorseer_ov.flux.vae import VaeDecoder

    read = FluxFolder.read(folder)
    place = Place(ov.Core(), "CPU", PROPERTIES)
    height, width = (settings[name] // read.vae_scale for name in ("height", "width"))
    model: Any
    if part == "text_encoder_2":
        model = TextEncoder(folder / part, 0, place)
        model.compile()
        model(np.zeros((1, 32), np.int64))
    elif part == "transformer":
        model = FluxTransformer(read, place)
        model.reshape(1, height * width // 4, 32)
        model.compile()
        config = read_json(folder / part / "config.json")
        text = np.ones((1, 32, config["joint_attention_dim"]), np.float32)
        pooled = np.ones((1, config["pooled_projection_dim"]), np.float32)
        model.start(text, pooled, image_position_ids(height // 2, width // 2), 3.5)
        model(np.ones((1, height * width // 4, read.in_channels), np.float32), np.float32(0.5))
    else:
        vae = TiledVaeDecoder if part == "tiled vae_decoder" else VaeDecoder
        model = vae(read, place)
        model.compile()
        rng = np.random.default_rng(0)
        model(rng.standard_normal((1, read.latent_channels, height, width), np.float32))


# --- measuring ---------------------------------------------------------------------------------


def measure(folder: Path, size: int, steps: int, work: Path) -> dict[str, dict[str, float]]:
    """Peaks of every way to draw a picture."""
    settings = {"height": size, "width": size, "num_inference_steps": steps}
    frugal = {"low_memory": True, "vae_tiling": True}
    embeddings = frugal | {"embedding_cache": work / "embeddings"}
    ways: dict[str, tuple[bool, dict[str, Any]]] = {
        "native": (False, {"backend": "native"}),
        "python": (False, {"backend": "python"}),
        "python, reshaped": (True, {"backend": "python"}),
        "low_memory": (False, {"low_memory": True}),
        "low_memory, vae_tiling": (False, frugal),
        "low_memory, vae_tiling, encode": (False, embeddings),
        "low_memory, vae_tiling, repeated": (False, embeddings),
    }
    peaks = {"openvino_genai": measured(draw_with_openvino_genai, folder, settings)}
    config = ImageGenerationConfig().updated(settings | {"max_sequence_length": 32})
    for way, (reshaped, options) in ways.items():
        peaks[way] = measured(draw, folder, settings, reshaped, options)
        known = {name: value for name, value in options.items() if name in frugal}
        figure = estimate(FluxFolder.read(folder), MemoryOptions(**known), config, PRECISION_BITS)
        peaks[way]["estimated_mib"] = figure.peak_bytes / 2**20
    return peaks


def measure_parts(folder: Path, size: int) -> dict[str, dict[str, float]]:
    """Peaks of each part alone."""
    settings = {"height": size, "width": size}
    parts = ("text_encoder_2", "transformer", "vae_decoder", "tiled vae_decoder")
    return {part: measured(draw_with_one_part, folder, settings, part) for part in parts}


def print_peaks(title: str, peaks: dict[str, dict[str, float]]) -> None:
    """Print the peaks of several ways to do the same."""
    print(f"\n{title}")
    keys = ("resident_mib", "private_mib", "estimated_mib")
    rows = [[name, *(figures.get(key) for key in keys)] for name, figures in peaks.items()]
    print_table("MiB|resident|private|estimated", rows)


# --- command line ------------------------------------------------------------------------------


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", metavar="MODEL_DIR", help="default: one is made")
    parser.add_argument("--text-mib", type=float, default=300, help="default: 300, as float16")
    parser.add_argument(
        "--transformer-mib", type=float, default=400, help="default: 400, as float16"
    )
    parser.add_argument("--weight-format", choices=WEIGHT_FORMATS, default="fp16")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 1024], help="in pixels")
    parser.add_argument("--steps", type=int, default=1, help="denoising steps (default: 1)")
    arguments = parser.parse_args(argv)
    if not Path("/proc/self/status").exists():
        parser.error("this needs Linux's /proc")
    return arguments


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure and print the tables."""
    results: dict[str, Any] = {"sizes": {}}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if arguments.model:
            folder = FluxFolder.read(arguments.model).path
        else:
            weights = (arguments.text_mib, arguments.transformer_mib, arguments.weight_format)
            with process() as own:
                folder = own.submit(write_large_model, work / "model", *weights).result()
        results["stored_mib"] = {
            part: (folder / part / "openvino_model.bin").stat().st_size / 2**20
            for part in ("text_encoder_2", "transformer", "vae_decoder")
        }
        stored = ", ".join(f"{part} {mib:.0f}" for part, mib in results["stored_mib"].items())
        print(f"weights in MiB: {stored}; computed in {PROPERTIES['INFERENCE_PRECISION_HINT']}")
        for size in arguments.sizes:
            peaks = measure(folder, size, arguments.steps, work / str(size))
            print_peaks(f"{size}x{size}", peaks)
            parts = measure_parts(folder, size)
            print_peaks(f"parts alone, {size}x{size}", parts)
            results["sizes"][size] = {"ways": peaks, "parts": parts}
    return results


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return run_and_print(run, parse(argv))


if __name__ == "__main__":
    sys.exit(main())
