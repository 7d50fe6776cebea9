"""Options that several commands share, and what is made of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import MisuseError
from .devices import parse_devices
from .properties import CHOICES, PROPERTY_OPTIONS, properties_of

if TYPE_CHECKING:
    from ..generation.setup import Backend
    from ..pipelines.tasks import Text2ImagePipeline

EMPTY_ADVICE = "--allow-empty draws what the model makes of it"


class Collect(argparse.Action):
    """Take all values of an option that is given again, where argparse takes the last ones."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the values to those that were given; a default counts for none."""
        given = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*([] if given is self.default else given), *values])


# --- model and prompt ------------------------------------------------------------------------


def add_words(parser: argparse.ArgumentParser, prompt: bool = True) -> None:
    """MODEL and PROMPT, as words or as options."""
    model = "an exported Flux folder, 'demo', or the hub id of an exported model"
    usage = "MODEL" + (" PROMPT" if prompt else "")
    help_text = "the same as --model" + (" and --prompt" if prompt else "")
    parser.add_argument("words", nargs="*", metavar=usage, help=help_text)
    parser.set_defaults(by_words=("model", "prompt") if prompt else ("model",))
    parser.add_argument("-m", "--model", help=model)
    if prompt:
        parser.add_argument("-p", "--prompt", help="what to draw; - reads it from stdin")
        add_allow_empty(parser)


def add_allow_empty(parser: argparse.ArgumentParser) -> None:
    """Whether a prompt without a word is meant."""
    parser.add_argument(
        "--allow-empty", action="store_true", help="draw what the model makes of an empty prompt"
    )


def with_defaults(arguments: argparse.Namespace, defaults: Mapping[str, Any]) -> argparse.Namespace:
    """Return the arguments with a default for each of these that is not given."""
    missing = {
        name: default
        for name, default in defaults.items()
        if getattr(arguments, name) is None or getattr(arguments, name) is False
    }
    return argparse.Namespace(**vars(arguments) | missing)


def take_words(arguments: argparse.Namespace, *needed: str) -> None:
    """Give the words to those of `needed` that were not given as options, in order.

    Where there are fewer words, the first of those that `otherwise` has are taken from there.
    """
    words, otherwise = list(arguments.words), arguments.otherwise
    missing = [name for name in needed if getattr(arguments, name) is None]
    for name in list(missing):
        if len(missing) > len(words) and name in otherwise:
            setattr(arguments, name, otherwise[name])
            missing.remove(name)
    for name, word in zip(missing, words, strict=False):
        setattr(arguments, name, word)
    if words[len(missing) :]:
        twice = [f"--{name}" for name in needed if name not in missing and name not in otherwise]
        why = f"; {' and '.join(twice)} said it already" if twice else ""
        raise MisuseError(
            f"unexpected {words[len(missing)]!r}{why}; a prompt of several words needs quotes"
        )
    if missing[len(words) :]:
        told = " and ".join(f"--{name}" for name in missing[len(words) :])
        raise MisuseError(f"missing: {told}")
    if "prompt" in needed:
        _check_prompt(arguments)


def _check_prompt(arguments: argparse.Namespace) -> None:
    where = "the prompt"
    if arguments.prompt == "-":
        where, arguments.prompt = "what stdin has as the prompt", sys.stdin.read().strip()
    if not arguments.prompt.strip() and not arguments.allow_empty:
        raise MisuseError(f"{where} is empty; {EMPTY_ADVICE}")


def require(arguments: argparse.Namespace, name: str) -> None:
    """Check that an option is given, which argparse does unless `--settings` may say it."""
    if getattr(arguments, name) is None:
        raise MisuseError(f"missing: --{name.replace('_', '-')}")


# --- the pipeline ------------------------------------------------------------------------------


def add_pipeline_options(parser: argparse.ArgumentParser) -> None:
    """Where and how the models run."""
    group = parser.add_argument_group("device and memory")
    group.add_argument(
        "--device",
        metavar="DEVICE",
        help="CPU, GPU, NPU, ..., or text=CPU,transformer=GPU,vae=GPU (default: CPU)",
    )
    group.add_argument("--backend", choices=("auto", "native", "python"), help="default: auto")
    precisions = CHOICES[PROPERTY_OPTIONS["precision"]]
    group.add_argument("--precision", choices=precisions, help="default: the device's")
    group.add_argument("--low-memory", action="store_true", help="hold one model at a time")
    group.add_argument("--vae-tiling", action="store_true", help="decode in overlapping tiles")
    group.add_argument(
        "--embedding-cache",
        type=Path,
        metavar="DIR",
        help="keep encoded prompts there, so that repeated ones need no text encoder",
    )
    group.add_argument(
        "--cache-dir",
        metavar="DIR",
        help="keep compiled models there, so that they load faster the next time",
    )
    group.add_argument(
        "--property",
        metavar="KEY=VALUE",
        action="append",
        help="any property of OpenVINO, such as INFERENCE_NUM_THREADS=4; may be given again",
    )


def check_model(name: str) -> None:
    """Check, before anything is made or downloaded, that there may be such a model."""
    from ..flux.hub import check_source

    if not name:
        raise MisuseError("--model is empty, as a variable is that was not set")
    check_source(name)


def make_pipeline(
    arguments: argparse.Namespace, backend: Backend | None = None, *, streams: int = 1
) -> Text2ImagePipeline:
    """Make the pipeline that the options describe, its models not yet loaded.

    Args:
        backend: instead of the one they name.
        streams: as the pipeline takes it.
    """
    from ..pipelines.tasks import Text2ImagePipeline

    return Text2ImagePipeline(**pipeline_arguments(arguments, backend), streams=streams)


def pipeline_arguments(
    arguments: argparse.Namespace, backend: Backend | None = None
) -> dict[str, Any]:
    """What the constructor of a pipeline takes, for any task."""
    if backend is not None and arguments.backend not in (None, "auto", backend):
        raise MisuseError(
            f"--backend {arguments.backend}: only {backend} can do this; leave it out"
        )
    properties = properties_of(arguments)
    if properties.get("CACHE_DIR"):  # an empty text keeps nothing
        writable_folder(Path(properties["CACHE_DIR"]), "--cache-dir")
    if arguments.embedding_cache is not None:
        writable_folder(arguments.embedding_cache, "--embedding-cache")
    return {
        "models_path": arguments.model,
        "device": parse_devices("CPU" if arguments.device is None else arguments.device),
        "lazy": True,  # everything else is checked first
        "config": properties,
        "backend": backend or arguments.backend or "auto",
        "low_memory": arguments.low_memory,
        "vae_tiling": arguments.vae_tiling,
        "embedding_cache": arguments.embedding_cache,
    }


# --- the settings of a generation ---------------------------------------------------------------


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """What is drawn, apart from the prompt and the seed."""
    group = parser.add_argument_group("picture (defaults: the model's own)")
    group.add_argument("--steps", "--num-inference-steps", type=int, help="denoising steps (28)")
    group.add_argument("-W", "--width", type=int, help="pixels, a multiple of 16")
    group.add_argument("-H", "--height", type=int, help="pixels, a multiple of 16")
    group.add_argument(
        "--guidance", "--guidance-scale", type=float, help="how closely the prompt is followed"
    )
    group.add_argument("--max-sequence-length", type=int, help="tokens of text that are read")


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings of `generate` that were given."""
    asked = {
        "num_inference_steps": arguments.steps,
        "width": arguments.width,
        "height": arguments.height,
        "guidance_scale": arguments.guidance,
        "max_sequence_length": arguments.max_sequence_length,
    }
    return {name: value for name, value in asked.items() if value is not None}


# --- files ---------------------------------------------------------------------------


def writable_folder(folder: Path, option: str) -> Path:
    """Make a folder, and check before minutes of work that pictures can be written there."""
    from ..files import writable_folder

    try:
        return writable_folder(folder)
    except ValueError as error:
        raise MisuseError(f"{error}; choose another {option}") from error
