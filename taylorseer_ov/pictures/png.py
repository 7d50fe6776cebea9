"""PNG files with texts beside the picture: written, and read without decoding the picture.

Source: https://www.w3.org/TR/png-3/#11textinfo
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# The first is read by many programs, the second is ours.
PARAMETERS_KEY, RECIPE_KEY = "parameters", "taylorseer_ov"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_TEXT = 1 << 20  # bytes of one text
MOST_TEXTS = 64


def encode_png(pixels: NDArray[np.uint8], texts: Mapping[str, str]) -> bytes:
    """Return pixels (height, width, 3) as the bytes of a PNG file with texts by their keywords."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def read_texts(path: str | Path) -> dict[str, str]:
    """Return the texts of a PNG file by their keywords; the picture itself is not decoded.

    Texts longer than a megabyte are left out.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no PNG file.
    """
    texts: dict[str, str] = {}
    with Path(path).open("rb") as file:
        if file.read(8) != SIGNATURE:
            raise ValueError(f"{path} is no PNG file")
        while len(header := file.read(8)) == 8 and len(texts) < MOST_TEXTS:
            length, kind = struct.unpack(">I4s", header)
            reader = _READERS.get(kind)
            if reader is None or length > MOST_TEXT:
                file.seek(length + 4, io.SEEK_CUR)
                continue
            keyword, _, body = file.read(length).partition(b"\0")
            file.seek(4, io.SEEK_CUR)
            try:
                texts[keyword.decode("latin-1")] = reader(body)
            except (ValueError, zlib.error):
                continue  # a damaged text
    return texts


def _read_plain(body: bytes) -> str:
    return body.decode("latin-1")


def _read_compressed(body: bytes) -> str:
    return _inflate(body[1:]).decode("latin-1")


def _read_international(body: bytes) -> str:
    compressed, (_, _, text) = body[:1] == b"\1", body[2:].split(b"\0", 2)
    return (_inflate(text) if compressed else text).decode("utf-8")


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    inflated = inflater.decompress(data, MOST_TEXT)
    if inflater.unconsumed_tail:
        raise ValueError("too long")
    return inflated


_READERS = {b"tEXt": _read_plain, b"zTXt": _read_compressed, b"iTXt": _read_international}
