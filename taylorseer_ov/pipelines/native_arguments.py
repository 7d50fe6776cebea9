"""What openvino_genai's models and pipelines take, made of what ours do."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from ..flux.initial_image import InitialImage
from ..flux.noise import Draw, noise_source
from ..genai import import_openvino_genai


def native_tensor(array: NDArray[Any]) -> ov.Tensor:
    """Return an array as a tensor, which shares its memory if it lies in one piece."""
    return ov.Tensor(np.ascontiguousarray(array))


def native_tensors(initial: InitialImage | None) -> list[ov.Tensor]:
    """Return a given picture, and its mask if it has one; none if there is no picture."""
    if initial is None:
        return []
    tensors = [native_tensor(initial.pixels)]
    if initial.mask_image is not None:
        tensors.append(ov.Tensor(initial.mask_image[None, ..., None].astype(np.uint8) * 255))
    return tensors


def native_generator(generator: Any) -> Any:
    """Return a generator of openvino_genai's: the caller's, or one that asks the caller's."""
    genai = import_openvino_genai()
    # of a class derived from these it would call nothing
    if type(generator) in (genai.CppStdGenerator, genai.TorchGenerator):
        return generator
    return drawing_generator(genai, noise_source(generator, 0))


def drawing_generator(genai: Any, draw: Draw) -> Any:
    """Return a generator of openvino_genai that draws what ours does."""

    def randn_tensor(self: Any, shape: Any) -> ov.Tensor:
        return native_tensor(draw(tuple(shape)))

    return type("Drawing", (genai.Generator,), {"randn_tensor": randn_tensor})()
