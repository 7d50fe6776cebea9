"""Export a diffusers pipeline to the OpenVINO folder that this package and OpenVINO GenAI load.

    python scripts/export_model.py black-forest-labs/FLUX.1-schnell schnell --weight-format int8
    python scripts/export_model.py path/to/diffusers/folder exported --verify
    python scripts/export_model.py path/to/diffusers/folder exported --lora style.safetensors=0.8

Exit status: 0, 1 after a failure, 2 for misuse. Programs call `taylorseer_ov.export.export_model`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

try:
    from taylorseer_ov.export import PEAK_BYTES, ExportError, export_model
except ModuleNotFoundError as error:
    if error.name != "taylorseer_ov":
        raise
    sys.exit('error: install the package first, from its folder: pip install -e ".[export]"')


def lora(text: str) -> tuple[Path, float]:
    """Read PATH or PATH=SCALE."""
    path, _, scale = text.rpartition("=")
    try:
        return Path(path or scale), float(scale) if path else 1.0
    except ValueError:  # the = is part of the name
        return Path(text), 1.0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="export_model.py", description="Export a text-to-image pipeline to OpenVINO."
    )
    parser.add_argument("source", metavar="MODEL", help="hub id (owner/name) or diffusers folder")
    parser.add_argument("output", metavar="OUT_DIR", help="folder to make")
    parser.add_argument(
        "--weight-format",
        choices=list(PEAK_BYTES),
        help="for every part; default fp16 (not int8 for parts of 10^9 parameters or more, which "
        "is Optimum's own default)",
    )
    parser.add_argument("--group-size", type=int, help="int4: weights per scale, default 128")
    parser.add_argument("--ratio", type=float, help="int4: share of int4, rest int8; default 1.0")
    parser.add_argument("--sym", action="store_true", help="int8, int4: without zero points")
    parser.add_argument(
        "--lora",
        type=lora,
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
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    options = vars(parse(argv))
    if options["weight_format"] is None:
        options["weight_format"] = "fp16"
        print("no --weight-format given: fp16 for every part")
    for library in ("DIFFUSERS", "TRANSFORMERS"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    try:
        folder = export_model(**options, say=lambda line: print(line, flush=True))
    except (ValueError, FileExistsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted; nothing was written", file=sys.stderr)
        return 1
    except (ExportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"exported to {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
