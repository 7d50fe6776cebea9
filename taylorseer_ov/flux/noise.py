"""The initial noise: a caller's, or for a seed OpenVINO GenAI's, drawn by it or without it.

`noise_source` chooses; `StandardNormalGenerator` draws what OpenVINO GenAI's generator draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ..arrays import Array
from ..genai import import_openvino_genai, missing_native_support

Draw = Callable[[tuple[int, ...]], Array]  # returns noise of a shape
MAX_SEED = 2**32 - 1


def noise_of_seeds() -> str:
    """Name what draws the noise for a seed."""
    ours = missing_native_support() is not None
    return "taylorseer_ov.StandardNormalGenerator" if ours else "openvino_genai.CppStdGenerator"


def native_noise_generator(seed: int) -> NoiseGenerator | None:
    """Return openvino_genai's own noise generator, None where openvino_genai cannot be used."""
    if missing_native_support():
        return None
    generator: NoiseGenerator = import_openvino_genai().CppStdGenerator(seed)
    return generator


class NoiseGenerator(Protocol):
    """What draws the initial noise: `openvino_genai.CppStdGenerator`, or anything like it."""

    def randn_tensor(self, shape: Any) -> Any:
        """Return standard normal noise of a shape, as an array or an `openvino.Tensor`."""


class StandardNormalGenerator:
    """Draw the noise that OpenVINO GenAI draws for a seed on Linux, without OpenVINO GenAI.

    `std::mt19937` and libstdc++'s `std::normal_distribution<float>`: Marsaglia's polar method in
    float32. The C library's `logf` is not the correctly rounded one used here: about one value in
    300 differs, by at most two units in the last place.

    Source: `CppStdGenerator` in openvino.genai's `generation_config.cpp`; libstdc++ `random.tcc`.
    """

    def __init__(self, seed: int) -> None:
        if not 0 <= seed <= MAX_SEED:
            raise ValueError(f"a seed must be between 0 and {MAX_SEED}, got {seed}")
        # RandomState, not Generator: its seeding is that of std::mt19937
        self._words = np.random.RandomState(seed)
        self._uniforms = np.empty(0, np.float32)
        self._pending = np.empty(0, np.float32)  # the second value of a pair, for the next call

    def randn_tensor(self, shape: Sequence[int]) -> Array:
        """Return float32 standard normal noise of `shape`, filled in C order."""
        count = int(np.prod(shape))
        values = [self._pending]
        drawn = self._pending.size
        while drawn < count:
            pairs = self._pairs((count - drawn + 1) // 2)
            values.append(pairs)
            drawn += pairs.size
        flat = np.concatenate(values)
        self._pending = flat[count:]
        return flat[:count].reshape(tuple(shape))

    def _pairs(self, wanted: int) -> Array:
        """Draw at most `wanted` pairs, leaving uniforms not needed for the next call."""
        # the disc covers pi/4 of the square: a little more than 4/pi attempts a pair
        missing = 2 * int(wanted * 1.3 + 16) - self._uniforms.size
        if missing > 0:
            words = self._words.randint(0, 2**32, size=missing, dtype=np.uint32)
            fresh = words.astype(np.float32) / np.float32(2**32)
            np.minimum(fresh, np.nextafter(np.float32(1), np.float32(0)), out=fresh)
            self._uniforms = np.concatenate([self._uniforms, fresh])
        x, y = np.float32(2) * self._uniforms.reshape(-1, 2).T - np.float32(1)
        squared = x * x + y * y
        accepted = np.flatnonzero((squared <= 1) & (squared > 0))[:wanted]
        attempts = accepted[-1] + 1 if accepted.size == wanted else len(squared)
        self._uniforms = self._uniforms[2 * attempts :]
        x, y, squared = x[accepted], y[accepted], squared[accepted]
        logarithm = np.log(squared.astype(np.float64)).astype(np.float32)
        scale = np.sqrt(np.float32(-2) * logarithm / squared)
        return np.stack([y * scale, x * scale], axis=1).reshape(-1)


def noise_source(generator: NoiseGenerator | None, seed: int) -> Draw:
    """Return what draws noise: a caller's generator, or for a seed what native draws for it.

    The noise it returns is float32; it raises ValueError if the generator draws another shape.
    """
    import openvino as ov

    source = generator
    if source is None:
        source = native_noise_generator(seed) or StandardNormalGenerator(seed)
    is_native = type(source).__module__.startswith("openvino_genai")

    def draw(shape: tuple[int, ...]) -> Array:
        drawn = source.randn_tensor(ov.Shape(shape) if is_native else shape)
        noise = np.array(drawn.data if isinstance(drawn, ov.Tensor) else drawn)
        if noise.shape != shape:
            raise ValueError(f"the generator drew noise of shape {noise.shape}, not {shape}")
        return noise.astype(np.float32, copy=False)

    return draw
