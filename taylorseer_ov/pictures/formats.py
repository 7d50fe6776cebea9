"""The formats that pictures are kept in, by the suffixes of their files.

PNG and WebP keep every bit of a picture. JPEG does not: its quality is 95 with colours as fine as
brightness, of which hardly anything is to be seen.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from . import exif, png
from .texts import MOST_TEXT, RECIPE_KEY, warn_left_out

Format = Literal["png", "jpg", "webp"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: Mapping[str, Format] = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp"}
MOST_SIDE = {"png": 2**31 - 1, "jpg": 65500, "webp": 16383}  # pixels that the formats have room for
JPEG_QUALITY: Mapping[str, Any] = {"quality": 95, "subsampling": 0}


def format_of(target: Path, format: Format | None = None) -> Format | None:
    """Return the format that a file's name asks for, None for a folder.

    A folder is what is one already, and a name without a dot.

    Args:
        format: what was asked for otherwise; a name may say nothing else.

    Raises:
        ValueError: if the name ends as no picture's does, or `format` is another or none of ours.
    """
    if format is not None:
        check_format(format)
    suffix = target.suffix or "." * target.name.endswith(".")
    if target.is_dir() or not suffix:
        return None
    named = SUFFIXES.get(suffix.lower())
    if named is None:
        raise ValueError(
            f"{str(target)!r} ends in {suffix!r}: pictures end in {', '.join(SUFFIXES)}; a folder "
            "with a dot in its name must exist already"
        )
    if format not in (None, named):
        raise ValueError(f"{str(target)!r} is to be {format!r}, but ends in {suffix!r}")
    return named


def check_format(format: Format, *sides: int) -> None:
    """Check that a format is one of ours and has room for so many pixels a side.

    Raises:
        ValueError: if not.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if max(sides, default=0) > MOST_SIDE[format]:
        raise ValueError(
            f"a picture of {'x'.join(map(str, sides))} pixels is too large for {format!r}, which "
            f"has at most {MOST_SIDE[format]} a side; take 'png'"
        )


def encode(pixels: NDArray[np.uint8], texts: Mapping[str, str], format: Format) -> bytes:
    """Return pixels (height, width, 3) as the bytes of a file, with texts by their names.

    Raises:
        ValueError: for another format, or a picture that is too large for it.
    """
    from PIL import Image

    height, width, _ = pixels.shape
    check_format(format, width, height)
    if (size := len(texts.get(RECIPE_KEY, ""))) > MOST_TEXT:
        warn_left_out(size, "any file")
        texts = {name: text for name, text in texts.items() if name != RECIPE_KEY}
    if format == "png":
        return png.encode_png(pixels, texts)
    buffer, options = io.BytesIO(), {}
    if format == "jpg":
        if texts:
            options["exif"] = exif.PREFIX + exif.exif_block(texts, exif.MOST_IN_JPEG)
        Image.fromarray(pixels).save(buffer, "JPEG", **JPEG_QUALITY, **options)
    else:
        if texts:
            options["exif"] = exif.exif_block(texts)
        Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, **options)
    return buffer.getvalue()


def read_texts(path: str | Path) -> dict[str, str]:
    """Return the texts in a picture's file by their names; the picture itself is not decoded.

    Texts longer than a megabyte are left out.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no PNG, JPEG or WebP file.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would keep its reader waiting
        raise ValueError(f"{path} is no file")
    try:
        with Path(path).open("rb") as file:
            return _read_texts(file, path)
    except OSError as error:  # of reading, it has no name
        raise OSError(error.errno, error.strerror, str(path)) from error


def _read_texts(file: BinaryIO, path: str | Path) -> dict[str, str]:
    head = file.read(12)
    if head.startswith(png.SIGNATURE):
        file.seek(len(png.SIGNATURE))
        return png.read_png(file)
    if head.startswith(b"\xff\xd8\xff"):
        file.seek(2)
        return exif.read_jpeg(file)
    if head.startswith(b"RIFF") and head.endswith(b"WEBP"):
        return exif.read_webp(file)
    raise ValueError(f"{path} is no PNG, JPEG or WebP file")
