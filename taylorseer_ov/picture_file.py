"""Pictures as files: PNG with the text that tells how it was made, under a name from its prompt."""

from __future__ import annotations

import io
import struct
import unicodedata
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .files import write_numbered

if TYPE_CHECKING:
    from .recipe import Recipe
    from .report import GenerationResult

# The first is read by many programs, the second is ours.
PARAMETERS_KEY, RECIPE_KEY = "parameters", "taylorseer_ov"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_TEXT = 1 << 20  # bytes of one text
MOST_TEXTS = 64
LONGEST_NAME = 80  # bytes of a prompt's part of a file name, of 255 that a name may have


def save(result: GenerationResult, target: str | Path, metadata: bool) -> list[Path]:
    """Write the pictures of a result; see `GenerationResult.save`."""
    path = Path(target)
    pngs = encode(result, metadata)
    if path.suffix.lower() == ".png":
        path.parent.mkdir(parents=True, exist_ok=True)
        names = numbered_stems(path.stem, len(pngs))
        paths = [path.with_name(name + path.suffix) for name in names]
    elif path.suffix and not path.is_dir():
        raise ValueError(
            f"pictures are written as PNG: {str(path)!r} must end in .png, or be a folder there is"
        )
    else:
        path.mkdir(parents=True, exist_ok=True)
        recipe = result.recipe
        stem = stem_of(recipe.prompt, recipe.seed) + "_interrupted" * recipe.interrupted
        names = numbered_stems(stem, len(pngs))
        paths = [path / f"{name}.png" for name in names]
    return [write_numbered(*pair) for pair in zip(paths, pngs, strict=True)]


def encode(result: GenerationResult, metadata: bool) -> list[bytes]:
    """Return each picture of a result as the bytes of a PNG file."""
    recipes = [result.recipe.at(index) for index in range(len(result.data))]
    return [
        encode_png(pixels, recipe if metadata else None)
        for pixels, recipe in zip(result.data, recipes, strict=True)
    ]


def encode_png(pixels: NDArray[np.uint8], recipe: Recipe | None) -> bytes:
    """Return pixels (height, width, 3) as the bytes of a PNG file, with a recipe's texts."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    if recipe is not None:
        texts.add_text(PARAMETERS_KEY, recipe.parameters_text())
        texts.add_text(RECIPE_KEY, recipe.to_json())
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()


# --- names -------------------------------------------------------------------------------------


def stem_of(prompt: str, seed: int | None) -> str:
    """Return a file name, without suffix, for a picture; a seed of None is the caller's noise."""
    # with either ending it is none of the names that Windows reserves, such as `con`
    return slug(prompt) + ("_own-noise" if seed is None else f"_seed{seed}")


def slug(prompt: str) -> str:
    """Return words of any script joined by `-`: a part of a file name that is safe everywhere.

    Letters, digits and the marks that belong to them are kept, everything else separates words.
    """
    text = unicodedata.normalize("NFC", prompt).lower()
    kept = "".join(letter if unicodedata.category(letter)[0] in "LNM" else " " for letter in text)
    joined = "-".join(kept.split()).encode("utf-8")[:LONGEST_NAME].decode("utf-8", "ignore")
    return joined.strip("-") or "picture"


def numbered_stems(stem: str, count: int) -> list[str]:
    """Return the names of `count` pictures drawn at once."""
    if count == 1:
        return [stem]
    return [f"{stem}_{index + 1}of{count}" for index in range(count)]


# --- reading -----------------------------------------------------------------------------------


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


# https://www.w3.org/TR/png-3/#11textinfo
_READERS = {b"tEXt": _read_plain, b"zTXt": _read_compressed, b"iTXt": _read_international}
