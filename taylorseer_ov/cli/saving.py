"""Where a command puts its pictures: the options, whether it can be done, and the doing of it."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import options
from .console import Console, MisuseError
from .wording import in_options

if TYPE_CHECKING:
    from ..generation.settings import ImageGenerationConfig
    from ..pictures.result import GenerationResult


def add_saving_options(parser: argparse.ArgumentParser) -> None:
    """Where pictures are written to, and whether how they were made is kept inside them."""
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="a folder, or a file name that ends in .png, .jpg or .webp (default: this folder)",
    )
    parser.set_defaults(picture_index=None)  # which of the pictures drawn at once is asked for
    add_format_options(parser)


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """What the files of pictures in a folder are."""
    parser.add_argument(
        "--format",
        choices=("png", "jpg", "webp"),
        help="of pictures in a folder: png and webp keep every bit, jpg does not (default: png)",
    )
    parser.add_argument(
        "--no-metadata", action="store_true", help="keep how it was made out of the picture"
    )


def check_target(arguments: argparse.Namespace, pictures: int) -> Path:
    """Check, before minutes of work, that so many pictures can be written; return where to."""
    from ..pictures.formats import format_of

    output: Path = arguments.output
    taken = _is_taken(output)
    if format_of(output, arguments.format) is None:
        return options.writable_folder(output, "--output")
    if taken:
        raise MisuseError(f"{output} exists already; choose another --output")
    if pictures > 1:
        raise MisuseError(f"--output {output} is one file, for {pictures} pictures give a folder")
    options.writable_folder(output.parent, "--output")
    return output


def _is_taken(path: Path) -> bool:
    """Whether there is a file, folder or link of this name, which must be one that can be."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise MisuseError(f"{path} is no name for a file ({error.strerror})") from error
    return True


def check_size(target: Path, arguments: argparse.Namespace, asked: ImageGenerationConfig) -> None:
    """Check, as early, that the format has room for what is drawn."""
    from ..pictures.formats import check_format, format_of

    chosen = format_of(target, arguments.format) or arguments.format or "png"
    # of a picture that is drawn from another the size may not be known yet
    check_format(chosen, *(side for side in (asked.width, asked.height) if side is not None))


def save(
    result: GenerationResult, target: Path, arguments: argparse.Namespace, console: Console
) -> None:
    """Write the pictures and say so."""
    if arguments.picture_index is not None:
        result = result.at(arguments.picture_index)
    paths = _written(result, target, arguments)
    console.say(in_options(str(result.report)))
    for path in paths:
        console.say(f"wrote {path}")
        console.event("picture", path=str(path), report=result.report.to_dict())


def _written(
    result: GenerationResult, target: Path, arguments: argparse.Namespace
) -> Sequence[Path]:
    """Write the pictures; if the disk fills up, where the system keeps what is temporary.

    Raises:
        OSError: in that case too, with the names they have there.
    """
    metadata, format = not arguments.no_metadata, arguments.format
    try:
        return result.save(target, metadata, format)
    except OSError as error:
        try:
            kept = result.save(tempfile.mkdtemp(prefix="taylorseer-ov-"), metadata, format)
        except OSError:
            raise error from None
        told = ", ".join(map(str, kept))
        raise OSError(f"{error}; what was drawn is not lost, it is {told}") from error
