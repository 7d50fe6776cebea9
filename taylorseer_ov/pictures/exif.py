"""Texts in the Exif block of a JPEG or WebP file: written, and read without decoding the picture.

The text that many programs read is the block's user comment, in UTF-16 of the order that Exif's
readers take for granted, as AUTOMATIC1111's web UI and its relatives have it. The recipe is the
maker's note, which is for what the maker of a file wants to keep: our name and JSON, compressed,
because the block of a JPEG file holds 64 kB at most.

Sources: CIPA DC-008 (Exif), ITU-T T.81 annex B (JPEG), RFC 9649 (WebP);
https://github.com/AUTOMATIC1111/stable-diffusion-webui, `modules/images.py`.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import BinaryIO

from .texts import MOST_PARTS, MOST_TEXT, PARAMETERS_KEY, RECIPE_KEY, inflate, warn_left_out

PREFIX = b"Exif\0\0"
MOST_IN_JPEG = 65533 - len(PREFIX)  # bytes of a block
EXIF_TAG, VERSION_TAG, NOTE_TAG, COMMENT_TAG = 0x8769, 0x9000, 0x927C, 0x9286
LONG, UNDEFINED = 4, 7
BYTES = (1, 2, UNDEFINED)  # kinds of values that are read as bytes
UNICODE = b"UNICODE\0"
LEAST_COMMENT = 2048  # bytes that are kept free for it
OURS = RECIPE_KEY.encode() + b"\0"


# --- written ---------------------------------------------------------------------------------


def exif_block(texts: Mapping[str, str], most: int = MOST_TEXT) -> bytes:
    """Return the block that holds `texts`, our two, of which either may be missing.

    Args:
        most: bytes that it may have. Where they are too few, the prompt in the text for other
            programs is cut short; a recipe that alone is longer is left out, with a warning.
    """
    values = {VERSION_TAG: b"0232"}
    if RECIPE_KEY in texts:
        values[NOTE_TAG] = OURS + zlib.compress(texts[RECIPE_KEY].encode())
        if len(_directory(values)) + LEAST_COMMENT > most:
            warn_left_out(len(values.pop(NOTE_TAG)), "a JPEG file; PNG and WebP have room")
    if PARAMETERS_KEY in texts:
        values[COMMENT_TAG] = UNICODE
        room = most - len(_directory(values))
        values[COMMENT_TAG] += _cut(texts[PARAMETERS_KEY], room)
    return _directory(values)


def _cut(text: str, room: int) -> bytes:
    """A text in UTF-16 and so many bytes: all of its last line, and what there is room for."""
    prompt, newline, settings = text.rpartition("\n")
    end = (newline + settings).encode("utf-16-be", "replace")
    kept = prompt.encode("utf-16-be", "replace")[: max(0, room - len(end)) // 2 * 2]
    # not half a pair of surrogates at its end
    return kept.decode("utf-16-be", "ignore").encode("utf-16-be") + end[: room // 2 * 2]


def _directory(values: Mapping[int, bytes]) -> bytes:
    """A block of two directories, of which the first only leads to the second, with the values."""
    start = 8 + 2 + 12 + 4
    head = b"MM\0*" + struct.pack(">IHHHIII", 8, 1, EXIF_TAG, LONG, 1, start, 0)
    entries, data = [struct.pack(">H", len(values))], b""
    after = start + 2 + 12 * len(values) + 4
    for tag in sorted(values):
        value = values[tag]
        place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(">I", after + len(data))
        entries.append(struct.pack(">HHI", tag, UNDEFINED, len(value)) + place)
        if len(value) > 4:
            data += value + b"\0" * (len(value) % 2)
    return head + b"".join(entries) + bytes(4) + data


# --- read --------------------------------------------------------------------------------------


def read_jpeg(file: BinaryIO) -> dict[str, str]:
    """Return the texts of a JPEG file by their names, read from after its first marker on."""
    for _ in range(MOST_PARTS):
        header = file.read(4)
        if len(header) < 4 or header[0] != 0xFF or header[1] in (0xD9, 0xDA):  # the picture begins
            break
        length = max(2, int.from_bytes(header[2:], "big")) - 2
        if header[1] != 0xE1:
            file.seek(length, io.SEEK_CUR)
        elif (segment := file.read(length)).startswith(PREFIX):
            return _texts(segment[len(PREFIX) :])
    return {}


def read_webp(file: BinaryIO) -> dict[str, str]:
    """Return the texts of a WebP file by their names, read from after its header on."""
    for _ in range(MOST_PARTS):
        header = file.read(8)
        if len(header) < 8:
            break
        kind, length = struct.unpack("<4sI", header)
        if kind == b"EXIF" and length <= MOST_TEXT:
            return _texts(file.read(length).removeprefix(PREFIX))
        file.seek(length + length % 2, io.SEEK_CUR)
    return {}


def _texts(block: bytes) -> dict[str, str]:
    """The texts of a stranger's block; what is damaged is left out."""
    texts = {}
    try:
        order = {b"MM\0*": ">", b"II*\0": "<"}[block[:4]]
        first = _values(block, order, struct.unpack_from(order + "I", block, 4)[0])
        values = _values(block, order, struct.unpack(order + "I", first[EXIF_TAG])[0])
    except (LookupError, struct.error):
        return {}
    if COMMENT_TAG in values:
        texts[PARAMETERS_KEY] = _comment(values[COMMENT_TAG])
    note = values.get(NOTE_TAG, b"")
    if note.startswith(OURS):
        with suppress(ValueError, zlib.error):
            texts[RECIPE_KEY] = inflate(note[len(OURS) :]).decode()
    return texts


def _values(block: bytes, order: str, start: int) -> dict[int, bytes]:
    """The bytes of those values of a directory that are looked for, by their tags."""
    (count,) = struct.unpack_from(order + "H", block, start)
    found: dict[int, bytes] = {}
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number, offset = struct.unpack_from(order + "HHII", block, place)
        if tag in (EXIF_TAG, NOTE_TAG, COMMENT_TAG) and tag not in found:
            size = number if kind in BYTES else 4
            begin = offset if size > 4 else place + 8
            found[tag] = block[begin : begin + size]
    return found


def _comment(value: bytes) -> str:
    """A user comment; which order its UTF-16 has, Exif does not say."""
    if not value.startswith(UNICODE):
        return value.removeprefix(b"ASCII\0\0\0").decode("utf-8", "replace").rstrip("\0")
    text = value[len(UNICODE) :]
    little = text[1::2].count(0) > text[::2].count(0)
    return text.decode("utf-16-le" if little else "utf-16-be", "replace")
