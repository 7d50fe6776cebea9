"""`taylorseer-ov doctor`: what works on this machine, what will surprise, and what helps."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..caching.config import TaylorSeerCacheConfig
from . import caching, options
from .console import Console, MisuseError
from .devices import parse_devices
from .wording import in_options


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "doctor", help="examine this machine and a model folder; exit status 1 for a problem"
    )
    options.add_words(parser, prompt=False)
    parser.add_argument(
        "--device",
        default="CPU",
        metavar="DEVICE",
        help="where it is to run: CPU, GPU, or text=CPU,transformer=GPU,vae=GPU (default: CPU)",
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="mend the model's scheduler file if openvino_genai misreads it, keeping a backup",
    )
    options.add_settings_options(parser)
    caching.add_cache_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print the findings; return 1 if one is a problem."""
    from ..doctor.diagnosis import diagnose

    if arguments.words:
        options.take_words(arguments, "model")
    model = None if arguments.model is None else _folder(arguments.model)
    if model is None and arguments.fix:
        raise MisuseError("--fix mends a model: name its folder")
    settings = options.settings_of(arguments) | caching.cache_of(arguments, TaylorSeerCacheConfig())
    if model is None and settings:
        raise MisuseError("settings are examined with a model: name its folder, or 'demo'")
    diagnosis = diagnose(
        model,
        device=parse_devices(arguments.device),
        fix=arguments.fix,
        **settings,
    )
    for finding in diagnosis.findings:
        console.say(in_options(str(finding)))
        console.event("finding", **finding.to_dict())
    console.say(diagnosis.summary)
    console.event("diagnosis", problems=len(diagnosis.problems), warnings=len(diagnosis.warnings))
    return 1 if diagnosis.problems else 0


def _folder(name: str) -> Path:
    """The folder of a model: unlike other commands, this one downloads none."""
    from ..files import similar_folder
    from ..flux.folder import demo_model_path

    path = demo_model_path() if name == "demo" else Path(name)
    if not path.is_dir():
        meant = similar_folder(path, "demo")
        raise MisuseError(
            f"there is no model folder {name!r}{meant}; give an exported Flux, or 'demo'; nothing "
            "is downloaded to be examined"
        )
    return path
