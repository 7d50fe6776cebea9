"""PNG files with texts beside the picture: written, and read without decoding the picture.

Source: https://www.w3.org/TR/png-3/#11textinfo
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from .texts import MOST_PARTS, MOST_TEXT, inflate

SIGNATURE = b"\x89PNG\r\n\x1a\n"
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


def read_png(file: BinaryIO) -> dict[str, str]:
    """Return the texts of a PNG file by their keywords, read from after its signature on.

    Texts longer than a megabyte are left out.
    """
    texts: dict[str, str] = {}
    for _ in range(MOST_PARTS):
        header = file.read(8)
        if len(header) < 8 or len(texts) == MOST_TEXTS:
            break
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
    return inflate(body[1:]).decode("latin-1")


def _read_international(body: bytes) -> str:
    compressed, (_, _, text) = body[:1] == b"\1", body[2:].split(b"\0", 2)
    return (inflate(text) if compressed else text).decode("utf-8")


_READERS = {b"tEXt": _read_plain, b"zTXt": _read_compressed, b"iTXt": _read_international}
