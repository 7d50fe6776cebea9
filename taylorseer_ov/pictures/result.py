"""Pictures and the account of how they were made."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..files import write_numbered
from ..generation.report import GenerationReport
from .names import numbered_stems, stem_of
from .png import PARAMETERS_KEY, RECIPE_KEY

if TYPE_CHECKING:
    from PIL.Image import Image

    from .recipe import Recipe


class GenerationResult:
    """Pictures and the account of how they were made.

    Attributes:
        data: uint8 (N, height, width, 3).
        report: what ran and how long it took.
        recipe: how to draw the first picture again; `recipe.at(index)` is another one's.
    """

    def __init__(self, data: NDArray[np.uint8], report: GenerationReport, recipe: Recipe) -> None:
        self.data = data
        self.report = report
        self.recipe = recipe

    @property
    def images(self) -> list[Image]:
        """The pictures as PIL images."""
        from PIL import Image

        return [Image.fromarray(picture) for picture in self.data]

    def save(self, target: str | Path, metadata: bool = True) -> list[Path]:
        """Write the pictures as PNG files, each whole or not at all, and return their paths.

        Nothing is overwritten: where a name is taken, a number is added.

        Args:
            target: a path that ends in .png, or a folder, in which the pictures are named after
                prompt and seed: `a-red-circle_seed42.png`. Folders are made as needed.
            metadata: keep the recipe in the pictures, for `Recipe.from_picture`, and the text that
                AUTOMATIC1111's web UI reads.

        Raises:
            ValueError: for a path with another ending.
        """

        return save(self, target, metadata)


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
