"""Pictures and the account of how they were made, and how both become files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Pictures, TensorMembers
from ..files import write_numbered
from ..generation.report import GenerationReport
from .formats import Format, encode, format_of
from .names import numbered_stems, stem_of
from .png import encode_png
from .recipe import Recipe

if TYPE_CHECKING:
    from PIL.Image import Image


class GenerationResult(TensorMembers):
    """Pictures and the account of how they were made.

    It has what the `openvino.Tensor` that openvino_genai returns tells of itself, and numpy takes
    it as the array it holds. Where OpenVINO wants a tensor, hand it `openvino.Tensor(result.data)`.

    Attributes:
        data: uint8 (N, height, width, 3).
        report: what ran and how long it took.
        recipe: how to draw the first picture again; `recipe.at(index)` is another one's.
    """

    def __init__(self, data: Pictures, report: GenerationReport, recipe: Recipe) -> None:
        self.data = data
        self.report = report
        self.recipe = recipe

    @property
    def images(self) -> list[Image]:
        """The pictures as N PIL images in mode RGB, copies of `data`."""
        from PIL import Image

        return [Image.fromarray(picture) for picture in self.data]

    def at(self, index: int) -> GenerationResult:
        """The result with one of its pictures alone, as `recipe.at(index)` is its recipe.

        Raises:
            IndexError: if there are fewer pictures.
        """
        return GenerationResult(self.data[index][None], self.report, self.recipe.at(index))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Pictures:
        """Return `data` for numpy, in another type or as a copy if numpy wants that."""
        return np.array(self.data, dtype, copy=copy)

    def __repr__(self) -> str:
        count, height, width, _ = self.data.shape
        report = self.report
        return (
            f"<GenerationResult {count} picture{'s' * (count > 1)} of {width}x{height}, "
            f"{report.computed_steps} of {len(report.step_s)} steps computed, "
            f"{report.total_s:.3g} s>"
        )

    def _repr_png_(self) -> bytes:
        """The pictures side by side, for notebooks."""
        return encode_png(np.concatenate(list(self.data), axis=1), {})

    def encode(self, metadata: bool = True, format: Format = "png") -> list[bytes]:
        """Return each picture as the bytes of a file, with its recipe as `save` has it.

        Args:
            metadata, format: as `save` has them.

        Raises:
            ValueError: for another format, or a picture that is too large for it.
        """
        first = self.recipe.index
        recipes = [self.recipe.at(first + index) for index in range(len(self.data))]
        return [
            encode(pixels, recipe.texts() if metadata else {}, format)
            for pixels, recipe in zip(self.data, recipes, strict=True)
        ]

    def save(
        self, target: str | Path, metadata: bool = True, format: Format | None = None
    ) -> list[Path]:
        """Write the pictures, each file whole or not at all, and return their paths.

        Nothing is overwritten: where a name is taken, a number is added.

        Args:
            target: a path that ends in .png, .jpg, .jpeg or .webp, or a folder, in which the
                pictures are named after prompt and seed: `a-red-circle_seed42.png`. Folders are
                made as needed, but one with a dot in its name must exist.
            metadata: keep the recipe in the pictures, for `Recipe.from_picture`, and the text that
                AUTOMATIC1111's web UI reads.
            format: of pictures in a folder: `"png"`, which None stands for, or `"webp"`, which
                keep every bit, or `"jpg"`. A path that names a file says it already.

        Raises:
            ValueError: for a path with another ending, another format, or a picture that is too
                large for it.
            OSError: if it cannot be written.
        """
        target = Path(target)
        named = format_of(target, format)
        encoded = self.encode(metadata, named or format or "png")
        paths = self._paths(target, None if named else f".{format or 'png'}")
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        return [write_numbered(*pair) for pair in zip(paths, encoded, strict=True)]

    def _paths(self, target: Path, suffix: str | None) -> list[Path]:
        """Where the pictures go if no name is taken; in a folder they get a `suffix`."""
        count, recipe = len(self.data), self.recipe
        if suffix is None:
            stems = numbered_stems(target.stem, count)
            return [target.with_name(stem + target.suffix) for stem in stems]
        stem = stem_of(recipe.prompt, recipe.seed) + "_interrupted" * recipe.interrupted
        return [target / (name + suffix) for name in numbered_stems(stem, count)]
