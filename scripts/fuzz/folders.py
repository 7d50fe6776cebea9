"""Model folders whose files are missing, others, or not what they say."""

from __future__ import annotations

import os
import random
import re
import shutil
from pathlib import Path

from scripts.fuzz.hostile import NUMBERS, damaged, damaged_json
from taylorseer_ov import demo_model_path

ATTRIBUTE = re.compile(rb'="[^"]*"')
ENTITIES = b"""<?xml version="1.0"?>
<!DOCTYPE net [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">]>
<net name="&e;" version="11"/>"""


def hostile_folder(rng: random.Random, given: Path) -> list[str]:
    """Make a hostile model folder, and return a command that is given it."""
    model = given / "model"
    shutil.copytree(demo_model_path(), model)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        files = sorted(path for path in model.rglob("*") if path.is_file() and path.suffix)
        if files:
            break_file(rng, rng.choice(files))
    name = os.path.join(os.pardir, given.name, model.name)
    drawing = ["--steps", "1", *rng.choice(([], [], ["--low-memory"], ["--backend", "python"]))]
    return rng.choice(
        [
            ["info", name],
            ["doctor", name],
            ["generate", name, "a red circle", *drawing, "--cache", "off"],
            ["generate", name, "a red circle", *drawing],
            ["generate", name, "a red circle", "--steps", "12", "--cache", "fast"],
        ]
    )


def break_file(rng: random.Random, path: Path) -> None:
    """Make a file of a model another one, or something that is no file."""
    data = path.read_bytes()
    way = rng.random()
    if way < 0.25:
        path.unlink()
        if way < 0.05:
            path.mkdir()
        elif way < 0.09:
            path.symlink_to(path)
        elif way < 0.12:
            path.symlink_to("/dev/zero")
        elif way < 0.15:
            os.mkfifo(path)
    elif path.suffix == ".json":
        path.write_bytes(damaged_json(rng, data))
    elif path.suffix == ".xml":
        path.write_bytes(damaged_xml(rng, data))
    else:
        path.write_bytes(damaged(rng, data))


def damaged_xml(rng: random.Random, data: bytes) -> bytes:
    """Return a network whose numbers or lines are others."""
    choice = rng.random()
    if choice < 0.03:
        return ENTITIES
    if choice < 0.25:
        return damaged(rng, data)
    if choice < 0.4:
        lines = data.splitlines(keepends=True)
        del lines[rng.randrange(len(lines))]
        return b"".join(lines)
    found = list(ATTRIBUTE.finditer(data))
    if not found:
        return damaged(rng, data)
    place = rng.choice(found)
    other = rng.choice(
        [*(str(number).encode() for number in NUMBERS), b"", b"f32", b"1,2,3", b"-1"]
    )
    return data[: place.start()] + b'="' + other + b'"' + data[place.end() :]
