"""The command line: parse, call, print."""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import TaylorSeerCacheConfig

if TYPE_CHECKING:
    from .pipeline import Text2ImagePipeline
    from .report import GenerationResult

MISUSE, FAILURE = 2, 1
# Pictures that take less than this are drawn several times: a single short run says little.
SHORT_S, MOST_PAIRS = 2.0, 5


class MisuseError(Exception):
    """Something about the command line that only looking at the machine shows."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for a failure, 2 for misuse."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], None] = arguments.command
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
        try:
            command(arguments)
        except (MisuseError, ValueError, TypeError, FileNotFoundError) as error:
            return _fail(error, MISUSE, arguments.debug)
        except KeyboardInterrupt:
            return _fail(RuntimeError("interrupted, nothing was written"), FAILURE, False)
        except (RuntimeError, OSError, MemoryError) as error:
            return _fail(error, FAILURE, arguments.debug)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="taylorseer-ov", description="Flux on OpenVINO, sped up by TaylorSeer caching."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    compare = commands.add_parser(
        "compare",
        help="draw a picture twice, uncached and cached, and show what caching saved and cost",
    )
    compare.set_defaults(command=_compare)
    generate = commands.add_parser("generate", help="draw a picture, cached")
    generate.set_defaults(command=_generate)
    for command in (compare, generate):
        _add_options(command)
    calibrate = commands.add_parser(
        "calibrate", help="learn cache plans for a model, which the presets then use"
    )
    calibrate.set_defaults(command=_calibrate)
    _add_calibrate_options(calibrate)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    native = TaylorSeerCacheConfig()
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="an exported Flux folder, or 'demo'")
    parser.add_argument("prompt", metavar="PROMPT", help="what to draw")
    parser.add_argument("--device", default="CPU", help="CPU, GPU, NPU, ... (default: CPU)")
    parser.add_argument(
        "--backend", choices=("auto", "native", "python"), default="auto", help="default: auto"
    )
    parser.add_argument("--steps", type=int, help="denoising steps (default: the model's, 28)")
    parser.add_argument("--width", type=int, help="pixels, a multiple of 16 (default: the model's)")
    parser.add_argument("--height", type=int, help="pixels, a multiple of 16")
    parser.add_argument("--seed", type=int, help="seed of the noise (default: 42)")
    parser.add_argument("--guidance-scale", type=float, help="default: the model's, 3.5")
    parser.add_argument("--max-sequence-length", type=int, help="tokens of text that are read")
    parser.add_argument(
        "--cache",
        metavar="NAME",
        help="high, balanced or fast, a file with a cache plan, or off; without it, the following",
    )
    parser.add_argument("--cache-interval", type=int, default=native.cache_interval)
    parser.add_argument(
        "--disable-cache-before-step", type=int, default=native.disable_cache_before_step
    )
    parser.add_argument(
        "--disable-cache-after-step",
        type=int,
        default=native.disable_cache_after_step,
        help="negative values count from the end (default: %(default)s)",
    )
    parser.add_argument(
        "--max-order", type=int, default=native.max_order, help="derivatives in a forecast"
    )
    parser.add_argument("--precision", choices=("f32", "f16", "bf16"), help="default: the device's")
    parser.add_argument("--output-dir", type=Path, default=Path(), help="default: this folder")
    parser.add_argument("--overwrite", action="store_true", help="replace existing pictures")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _add_calibrate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="an exported Flux folder")
    parser.add_argument(
        "--prompts", type=Path, required=True, metavar="FILE", help="a prompt a line; 12 will do"
    )
    parser.add_argument("--device", default="CPU", help="default: CPU")
    parser.add_argument("--steps", type=int, default=28, help="default: 28")
    parser.add_argument("--width", type=int, help="default: the model's")
    parser.add_argument("--height", type=int, help="default: the model's")
    parser.add_argument("--guidance-scale", type=float, help="default: the model's, 3.5")
    parser.add_argument("--max-sequence-length", type=int, help="tokens of text that are read")
    parser.add_argument(
        "--runs", type=int, nargs="+", help="transformer runs of each plan (default: the presets')"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first prompt (default: 0)")
    parser.add_argument("--precision", choices=("f32", "f16", "bf16"), help="default: the device's")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _calibrate(arguments: argparse.Namespace) -> None:
    from .calibration import calibrate
    from .presets import PRESETS, write_plans

    try:
        lines = arguments.prompts.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MisuseError(f"cannot read the prompts in {arguments.prompts} ({error})") from error
    prompts = [line.strip() for line in lines if line.strip()]
    arguments.backend = "python"  # native does not show the transformer's outputs
    pipeline = _pipeline(arguments)
    settings = _settings(arguments)
    steps = settings.pop("num_inference_steps")
    plans = calibrate(
        pipeline,
        prompts,
        steps,
        transformer_runs=arguments.runs or [round(share * steps) for share in PRESETS.values()],
        first_seed=arguments.seed,
        say=print,
        **settings,
    )
    print(f"wrote {write_plans(pipeline.folder, plans)}")


def _generate(arguments: argparse.Namespace) -> None:
    (path,) = _output_paths(arguments, "taylorseer")
    pipeline = _pipeline(arguments)
    result = _draw(pipeline, arguments, "taylorseer", _cache(arguments))
    result.images[0].save(path)
    print(result.report)
    print(f"wrote {path}")


def _compare(arguments: argparse.Namespace) -> None:
    names = ("taylorseer_baseline", "taylorseer", "taylorseer_comparison")
    paths = _output_paths(arguments, *names)
    cache = _cache(arguments)
    pipeline = _pipeline(arguments)

    from .comparison import comparison_picture
    from .quality import psnr, ssim

    # The first generation of a process pays for memory and kernels that later ones find ready.
    _draw(pipeline, arguments, "warm-up", None, num_inference_steps=1)
    pairs: list[tuple[GenerationResult, GenerationResult]] = []
    while not pairs or (len(pairs) < MOST_PAIRS and pairs[0][0].report.total_s < SHORT_S):
        title = f" {len(pairs) + 1}" if pairs else ""
        pairs.append(
            (
                _draw(pipeline, arguments, "baseline" + title, None),
                _draw(pipeline, arguments, "taylorseer" + title, cache),
            )
        )
    baseline, cached = (_median_run([pair[k] for pair in pairs]) for k in (0, 1))
    pictures = (baseline.images[0], cached.images[0], comparison_picture(baseline, cached))
    for picture, path in zip(pictures, paths, strict=True):
        picture.save(path)

    for title, result in (("baseline", baseline), ("taylorseer", cached)):
        print(f"--- {title}\n{result.report}")
    first, second = baseline.data, cached.data
    speed_up = baseline.report.total_s / cached.report.total_s
    times = f", medians of {len(pairs)} runs each, in turn" if len(pairs) > 1 else ""
    print("--- what caching did")
    print(f"schedule    {cached.report.schedule}   (C: transformer run, .: forecast)")
    print(
        f"speed-up    {speed_up:.2f}x of at most {cached.report.ideal_speed_up:.2f}x "
        f"({cached.report.computed_steps} of {len(cached.report.step_s)} transformer runs{times})"
    )
    print(f"likeness    PSNR {psnr(first, second):.2f} dB, SSIM {ssim(first, second):.4f}")
    for path in paths:
        print(f"wrote       {path}")


def _median_run(results: list[GenerationResult]) -> GenerationResult:
    """The run of median duration: equal seeds give equal pictures, only the times differ."""
    return sorted(results, key=lambda result: result.report.total_s)[len(results) // 2]


def _cache(arguments: argparse.Namespace) -> TaylorSeerCacheConfig | str | None:
    if arguments.cache is not None:
        return None if arguments.cache == "off" else str(arguments.cache)
    return TaylorSeerCacheConfig(
        cache_interval=arguments.cache_interval,
        disable_cache_before_step=arguments.disable_cache_before_step,
        disable_cache_after_step=arguments.disable_cache_after_step,
        max_order=arguments.max_order,
    )


def _pipeline(arguments: argparse.Namespace) -> Text2ImagePipeline:
    from .model_folder import demo_model_path
    from .pipeline import Text2ImagePipeline

    model = demo_model_path() if arguments.model_dir == "demo" else Path(arguments.model_dir)
    properties = {}
    if arguments.precision:
        properties["INFERENCE_PRECISION_HINT"] = arguments.precision
    return Text2ImagePipeline(model, arguments.device, backend=arguments.backend, **properties)


def _draw(
    pipeline: Text2ImagePipeline,
    arguments: argparse.Namespace,
    title: str,
    cache: TaylorSeerCacheConfig | str | None,
    **overrides: Any,
) -> GenerationResult:
    from tqdm import tqdm

    settings = _settings(arguments)
    if arguments.seed is not None:
        settings["rng_seed"] = arguments.seed
    # counted in transformer runs, so that the time left is right when steps are forecast
    with tqdm(desc=title, unit="run", file=sys.stderr) as bar:

        def progress(done: int, runs: int) -> None:
            bar.total = runs
            bar.update(done - bar.n)

        result = pipeline.generate(
            arguments.prompt,
            cache=cache,
            progress=progress,
            **(settings | overrides),
        )
        progress(result.report.computed_steps, result.report.computed_steps)
    return result


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings of `generate` that were given."""
    asked = {
        "num_inference_steps": arguments.steps,
        "width": arguments.width,
        "height": arguments.height,
        "guidance_scale": arguments.guidance_scale,
        "max_sequence_length": arguments.max_sequence_length,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _output_paths(arguments: argparse.Namespace, *names: str) -> list[Path]:
    """Check, before minutes of work, that the pictures can be written."""
    folder: Path = arguments.output_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise MisuseError(
            f"cannot write into {str(folder)!r} ({error.strerror}); choose another --output-dir"
        ) from error
    paths = [folder / f"{name}.png" for name in names]
    present = [str(path) for path in paths if path.exists()]
    if present and not arguments.overwrite:
        raise MisuseError(
            f"{', '.join(present)} exists already; add --overwrite or choose another --output-dir"
        )
    return paths


def _fail(error: BaseException, status: int, debug: bool) -> int:
    if debug:
        raise error
    _say(f"error: {error}")
    return status


def _say(text: str) -> None:
    print(f"taylorseer-ov: {text}", file=sys.stderr)
