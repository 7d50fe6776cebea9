"""`taylorseer-ov export`: a diffusers pipeline to the OpenVINO folder that is drawn with."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..export.compression import PEAK_BYTES
from .console import Console, MisuseError


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "export", help="convert a diffusers folder or a model on the hub to OpenVINO"
    )
    parser.add_argument("source", metavar="MODEL", help="hub id (owner/name) or diffusers folder")
    parser.add_argument("output", metavar="OUT_DIR", help="folder to make")
    parser.add_argument(
        "--weight-format",
        choices=tuple(PEAK_BYTES),
        help="for every part; default fp16 (not int8 for parts of 10^9 parameters or more, which "
        "is Optimum's own default)",
    )
    parser.add_argument("--group-size", type=int, help="int4: weights per scale, default 128")
    parser.add_argument("--ratio", type=float, help="int4: share of int4, rest int8; default 1.0")
    parser.add_argument("--sym", action="store_true", help="int8, int4: without zero points")
    parser.add_argument(
        "--lora",
        type=read_lora,
        action="append",
        default=[],
        metavar="PATH[=SCALE]",
        help="fuse a LoRA file into a FLUX.1; may be given several times; scale 1 by default",
    )
    parser.add_argument("--revision", help="branch, tag or commit on the hub")
    parser.add_argument("--cache-dir", help="where downloads are kept")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an export there, once this one is whole"
    )
    parser.add_argument(
        "--verify", action="store_true", help="compare with torch in float32 (needs the memory)"
    )
    parser.set_defaults(run=run)
    return parser


def read_lora(text: str) -> tuple[Path, float]:
    """Read PATH or PATH=SCALE."""
    path, _, scale = text.rpartition("=")
    try:
        return Path(path or scale), float(scale) if path else 1.0
    except ValueError:  # the = is part of the name
        return Path(text), 1.0


def _after(first: str, say: Callable[[object], None]) -> Callable[[object], None]:
    """Return what says a line before the first of others: nothing, if what was typed is wrong."""
    waiting = [first]

    def said(line: object) -> None:
        while waiting:
            say(waiting.pop())
        say(line)

    return said


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Export."""
    from ..export.export import export_model

    if Path(arguments.source).is_dir():
        for name in ("revision", "cache_dir"):
            if getattr(arguments, name) is not None:
                option = name.replace("_", "-")
                raise MisuseError(
                    f"--{option} is for models on the hub; {arguments.source!r} is a folder here"
                )
    say: Callable[[object], None] = console.say
    if arguments.weight_format is None:
        say = _after("no --weight-format given: fp16 for every part", say)
    for library in ("DIFFUSERS", "TRANSFORMERS"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    folder = export_model(
        arguments.source,
        arguments.output,
        weight_format=arguments.weight_format or "fp16",
        group_size=arguments.group_size,
        ratio=arguments.ratio,
        sym=arguments.sym,
        lora=arguments.lora,
        revision=arguments.revision,
        cache_dir=arguments.cache_dir,
        overwrite=arguments.overwrite,
        verify=arguments.verify,
        say=say,
    )
    console.say(f"exported to {folder}")
    console.event("exported", path=str(folder))
