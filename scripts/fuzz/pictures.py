"""Pictures that are damaged, unusual or no pictures, and recipes that ask for strange things."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from scripts.fuzz.hostile import ODD_FILES, damaged, damaged_json, edited

# what `cases.prepare` has drawn: a picture of ours in every format
GOOD = ("good.png", "good.jpg", "good.webp")
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F")
SIZES = ((1, 1), (1, 3000), (17, 3), (64, 64), (128, 128))
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
HUGE = (0, 1, 2**16, 30_000, 2**31 - 1, 2**32 - 1)


def hostile_picture(rng: random.Random, given: Path) -> list[str]:
    """Make a hostile picture, and return a command that is given it."""
    suffix = rng.choice((".png", ".png", ".jpg", ".webp", ".PNG", ".gif", ""))
    path = given / f"picture{suffix}"
    choice = rng.random()
    if choice < 0.4:
        good = (given / rng.choice(GOOD)).read_bytes()
        way = damaged_png if good.startswith(SIGNATURE) and rng.random() < 0.7 else damaged
        path.write_bytes(way(rng, good))
    elif choice < 0.75:
        path.write_bytes(unusual_picture(rng))
    elif choice < 0.85:
        path.write_bytes(rng.choice(ODD_FILES))
    elif choice < 0.9:
        path.mkdir()
    elif choice < 0.95:
        os.mkfifo(path)
    else:
        path.symlink_to(rng.choice(("/dev/zero", "/dev/full", path.name, "/proc/self/mem")))
    return command(rng, path)


def command(rng: random.Random, path: Path) -> list[str]:
    """A command that reads a picture."""
    name = os.path.join(os.pardir, path.parent.name, path.name)
    good = os.path.join(os.pardir, path.parent.name, GOOD[0])
    draw = ["generate", "demo", "a red circle", "--steps", "2", "--image"]
    if rng.random() < 0.1:  # pairs of pictures by their names
        others = path.parent / "others"
        others.mkdir()
        shutil.copy(path.parent / GOOD[0], others / path.name)
        (path.parent / "these").mkdir()
        path.rename(path.parent / "these" / path.name)
        return [
            "compare",
            os.path.join(os.path.dirname(name), "these"),
            os.path.dirname(good) + "/others",
        ]
    return rng.choice(
        [
            ["info", name],
            ["generate", "-C", name, "--steps", "2", "--cache", "off"],
            [*draw, name],
            [*draw, name, "-W", "64", "-H", "64"],
            [*draw, good, "--mask", name],
        ]
    )


def unusual_picture(rng: random.Random) -> bytes:
    """A picture of any kind, which may be damaged."""
    mode, size = rng.choice(MODES), rng.choice(SIZES)
    noise = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (size[1], size[0], 3))
    picture = Image.fromarray(noise.astype(np.uint8))
    picture = picture.convert("I").convert("I;16") if mode == "I;16" else picture.convert(mode)
    buffer = io.BytesIO()
    try:
        picture.save(buffer, rng.choice(FORMATS))
    except (OSError, ValueError):  # a mode that the format has not
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, "PNG")
    data = buffer.getvalue()
    return damaged(rng, data) if rng.random() < 0.3 else data


def damaged_png(rng: random.Random, data: bytes) -> bytes:
    """A PNG file one of whose chunks is another, too many, or too large."""
    chunks = list(read_chunks(data))
    index = rng.randrange(len(chunks))
    kind, body = chunks[index]
    way = rng.choice(("size", "text", "bomb", "many", "cut", "body", "kind", "away", "length"))
    if way == "size":
        width, height = rng.choice(HUGE), rng.choice(HUGE)
        chunks[0] = b"IHDR", struct.pack(">II", width, height) + chunks[0][1][8:]
    elif way == "text":
        chunks.insert(1, (b"tEXt", rng.randbytes(8) + b"\0" + rng.randbytes(200)))
    elif way == "bomb":
        chunks.insert(1, (b"zTXt", b"parameters\0\0" + zlib.compress(bytes(30_000_000))))
    elif way == "many":
        chunks[1:1] = [(b"tEXt", b"key%d\0value" % number) for number in range(20_000)]
    elif way == "cut":
        chunks = chunks[:index]
    elif way == "body":
        chunks[index] = kind, damaged(rng, body)
    elif way == "kind":
        chunks[index] = rng.randbytes(4), body
    elif way == "away":
        del chunks[index]
    written = SIGNATURE + b"".join(map(write_chunk, chunks))
    if way == "length":
        place = 8 + sum(len(body) + 12 for _, body in chunks[:index])
        written = written[:place] + struct.pack(">I", rng.choice(HUGE)) + written[place + 4 :]
    return written


def read_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The kinds and bodies of a whole PNG file."""
    chunks, place = [], len(SIGNATURE)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        chunks.append((kind, data[place + 8 : place + 8 + length]))
        place += length + 12
    return chunks


def write_chunk(chunk: tuple[bytes, bytes]) -> bytes:
    """A chunk as it stands in a file."""
    kind, body = chunk
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


# --- recipes -------------------------------------------------------------------------------------


def hostile_recipe(rng: random.Random, given: Path) -> list[str]:
    """Make a picture whose recipe asks for strange things, and return a command that reads it."""
    with Image.open(given / GOOD[0]) as good:
        texts = dict(good.text)
        pixels = good.convert("RGB")
    key = next(name for name, text in texts.items() if text.startswith("{"))
    if rng.random() < 0.9:
        texts[key] = damaged_recipe(rng, texts[key])
    else:
        other = next(name for name in texts if name != key)
        texts[other] = damaged(rng, texts[other].encode()).decode("utf-8", "replace")
    info = PngInfo()
    for name, text in texts.items():
        rng.choice((info.add_itxt, info.add_text))(name, text)
    path = given / "recipe.png"
    pixels.save(path, pnginfo=info)
    name = os.path.join(os.pardir, given.name, path.name)
    again = ["generate", "-C", name]
    return rng.choice([["info", name], again, [*again, "demo"], [*again, "demo", "a blue star"]])


def damaged_recipe(rng: random.Random, text: str) -> str:
    """A recipe that is another, mostly still one."""
    if rng.random() < 0.15:
        return damaged_json(rng, text.encode()).decode("utf-8", "replace")
    recipe = json.loads(text)
    for _ in range(rng.choice((1, 1, 2))):
        recipe = edited(rng, recipe)
    return json.dumps(recipe)
