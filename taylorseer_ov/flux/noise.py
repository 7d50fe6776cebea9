"""The initial noise: a caller's, or for a seed openvino_genai's."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ..arrays import Array, held_array
from ..genai import missing_native_support
from .generators import CppStdGenerator, Generator

Draw = Callable[[tuple[int, ...]], Array]  # returns noise of a shape


def noise_of_seeds() -> str:
    """Name what draws the noise for a seed, by its numbers.

    Those of openvino_genai's `CppStdGenerator` on Linux are ours too, on any system.
    """
    system = platform.system()
    if missing_native_support() or system == "Linux":
        return "openvino_genai.CppStdGenerator"
    return f"openvino_genai.CppStdGenerator on {system}"


class NoiseGenerator(Protocol):
    """What draws the initial noise: a `Generator`, or anything like it."""

    def randn_tensor(self, shape: Any) -> Any:
        """Return standard normal noise of a shape, as an array or an `openvino.Tensor`."""


def noise_source(generator: NoiseGenerator | None, seed: int) -> Draw:
    """Return what draws noise: a caller's generator, or for a seed what native draws for it.

    A `Generator`, ours or openvino_genai's, is given an `openvino.Shape`, anything else a tuple.
    One that has no `randn_tensor` is asked for one value after the other, as native does.

    The noise it returns is float32; it raises TypeError if the generator draws no numbers, and
    ValueError if they are not finite or have another shape.
    """
    import openvino as ov

    source: Any = CppStdGenerator(seed) if generator is None else generator
    randn_tensor = getattr(source, "randn_tensor", None) or _OneByOne(source).randn_tensor
    wants_shape = isinstance(source, Generator) or is_native(source)

    def draw(shape: tuple[int, ...]) -> Array:
        drawn = randn_tensor(ov.Shape(shape) if wants_shape else shape)
        return _float32(drawn, shape)

    return draw


def _float32(drawn: Any, shape: tuple[int, ...]) -> Array:
    """A copy of what a generator drew, checked: a transformer makes a black picture of a NaN."""
    try:
        values = np.asarray(held_array(drawn))
    except ValueError as error:  # lists of different lengths
        raise TypeError(f"the generator must draw an array of numbers: {error}") from None
    if values.shape != shape:
        raise ValueError(f"the generator drew noise of shape {values.shape}, not {shape}")
    if values.dtype.kind not in "fiu":
        raise TypeError(f"the generator must draw numbers, got an array of {values.dtype}")
    with np.errstate(over="ignore"):
        noise = values.astype(np.float32)
    if not np.isfinite(noise).all():
        raise ValueError("the generator drew noise that is not finite in float32")
    return noise


def is_native(generator: object) -> bool:
    """Whether a generator is openvino_genai's, or of a class that somebody derived from its."""
    return any(kind.__module__.startswith("openvino_genai") for kind in type(generator).__mro__)


class _OneByOne(Generator):
    """What draws values one by one, such as a subclass of openvino_genai's `Generator`."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def next(self) -> float:
        value: float = self._source.next()
        return value
