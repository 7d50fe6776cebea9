"""A case from its number: what is given, and the command that is given it."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from scripts.fuzz.folders import hostile_folder
from scripts.fuzz.pictures import GOOD, hostile_picture, hostile_recipe
from scripts.fuzz.requests import hostile_arguments, hostile_lines
from taylorseer_ov import Text2ImagePipeline

KINDS = {
    "folder": hostile_folder,
    "picture": hostile_picture,
    "recipe": hostile_recipe,
    "lines": hostile_lines,
    "arguments": hostile_arguments,
}


@dataclass(frozen=True)
class Case:
    """What is run: a command in `folder/here`, which finds what it needs in `folder/given`."""

    number: int
    kind: str
    folder: Path
    words: list[str]


def prepare(folder: Path) -> None:
    """Draw the pictures that cases start from, the same ones on one machine."""
    folder.mkdir()
    pipeline = Text2ImagePipeline("demo", backend="python", INFERENCE_PRECISION_HINT="f32")
    drawn = pipeline.generate("a red circle", num_inference_steps=2, cache=None)
    for name in GOOD:
        drawn.save(folder / name)


def make_case(number: int, good: Path, folder: Path) -> Case:
    """Make a case in a folder, which is new."""
    kind = list(KINDS)[number % len(KINDS)]
    given = folder / "given"
    for part in (given, folder / "here", folder / "home"):
        part.mkdir(parents=True)
    for name in GOOD:
        shutil.copy(good / name, given / name)
    return Case(number, kind, folder, KINDS[kind](random.Random(number), given))
