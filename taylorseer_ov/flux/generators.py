"""Generators of noise, with the names and the numbers of openvino_genai."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Array, Tensor, as_tensor
from ..checks import whole_number
from ..genai import import_openvino_genai, missing_native_support
from .logf import logf

MAX_SEED = 2**32 - 1
TORCH_ADVICE = "pip install torch, or use CppStdGenerator(seed) or rng_seed=seed"


class Generator:
    """What draws the initial noise; subclass it for noise of your own.

    A subclass defines `next`, or `randn_tensor` if it can draw many values at once, and `seed` if
    that makes sense for it.
    """

    def next(self) -> float:
        """Return the next value."""
        raise NotImplementedError(f"{type(self).__name__} must define next() or randn_tensor()")

    def seed(self, new_seed: int) -> None:
        """Start anew from a seed."""
        raise NotImplementedError(f"{type(self).__name__} does not define seed(new_seed)")

    def randn_tensor(self, shape: Sequence[int]) -> Any:
        """Return noise of a shape, float32 in C order: here one `next` after the other.

        Args:
            shape: an `openvino.Shape` when a pipeline asks; any sequence of numbers will do.
        """
        values = [_as_float(self.next()) for _ in range(math.prod(shape))]
        with np.errstate(over="ignore"):
            return as_tensor(np.array(values).astype(np.float32).reshape(tuple(shape)))


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"a generator's next() must return a number, got {value!r:.80}") from None


class StandardNormalGenerator(Generator):
    """Draw what openvino_genai's `CppStdGenerator` draws on Linux, bit for bit, on any system.

    `std::mt19937` and libstdc++'s `std::normal_distribution<float>`: Marsaglia's polar method in
    float32, with the C library's logarithm (`logf`).

    Source: `CppStdGenerator` in openvino.genai's `generation_config.cpp`; libstdc++ `random.tcc`.

    Args:
        seed: from 0 to 4294967295.
    """

    def __init__(self, seed: int) -> None:
        self._pending = np.empty(0, np.float32)  # the second value of a pair, for the next call
        self.seed(seed)

    def seed(self, new_seed: int) -> None:
        """Start anew from a seed; the second value of a pair, if one is left, still comes first."""
        # RandomState, not Generator: its seeding is that of std::mt19937
        self._words = np.random.RandomState(whole_number("seed", new_seed, 0, MAX_SEED))
        self._uniforms = np.empty(0, np.float32)

    def next(self) -> float:
        """Return the next value, a float32."""
        return float(self.randn_tensor((1,)).data[0])

    def randn_tensor(self, shape: Sequence[int]) -> Tensor:
        """Return float32 standard normal noise of `shape`, filled in C order."""
        count = math.prod(shape)
        values = [self._pending]
        drawn = self._pending.size
        while drawn < count:
            pairs = self._pairs((count - drawn + 1) // 2)
            values.append(pairs)
            drawn += pairs.size
        flat = np.concatenate(values)
        self._pending = flat[count:]
        return as_tensor(flat[:count].reshape(tuple(shape)))

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
        scale = np.sqrt(np.float32(-2) * logf(squared) / squared)
        return np.stack([y * scale, x * scale], axis=1).reshape(-1)


class CppStdGenerator(Generator):
    """Draw what openvino_genai's `CppStdGenerator` draws for a seed, bit for bit.

    Where openvino_genai is installed it is asked, since its numbers are those of the system's C++
    library; elsewhere `StandardNormalGenerator` draws those of Linux.

    Args:
        seed: from 0 to 4294967295.
    """

    def __init__(self, seed: int) -> None:
        seed = whole_number("seed", seed, 0, MAX_SEED)
        self._source: Any = (
            StandardNormalGenerator(seed)
            if missing_native_support()
            else import_openvino_genai().CppStdGenerator(seed)
        )

    def next(self) -> float:
        """Return the next value, a float32."""
        value: float = self._source.next()
        return value

    def seed(self, new_seed: int) -> None:
        """Start anew from a seed; the second value of a pair, if one is left, still comes first."""
        self._source.seed(whole_number("seed", new_seed, 0, MAX_SEED))

    def randn_tensor(self, shape: Sequence[int]) -> Tensor:
        """Return float32 standard normal noise of `shape`, filled in C order."""
        if isinstance(self._source, StandardNormalGenerator):
            return self._source.randn_tensor(shape)
        import openvino as ov

        # copied: what a tensor shows goes with it
        return as_tensor(np.array(self._source.randn_tensor(ov.Shape(shape)).data))


class TorchGenerator(Generator):
    """Draw what `torch.randn` draws on the CPU for a seed, as openvino_genai's `TorchGenerator`.

    Args:
        seed: from 0 to 4294967295.

    Raises:
        RuntimeError: if PyTorch is not installed.
    """

    def __init__(self, seed: int) -> None:
        seed = whole_number("seed", seed, 0, MAX_SEED)
        try:
            import torch
        except ModuleNotFoundError:
            raise RuntimeError(f"TorchGenerator needs PyTorch; {TORCH_ADVICE}") from None
        self._torch, self._generator = torch, torch.Generator("cpu").manual_seed(seed)

    def next(self) -> float:
        """Return the next value, a float32."""
        return float(self.randn_tensor((1,)).data[0])

    def seed(self, new_seed: int) -> None:
        """Start anew from a seed."""
        self._generator.manual_seed(whole_number("seed", new_seed, 0, MAX_SEED))

    def randn_tensor(self, shape: Sequence[int]) -> Tensor:
        """Return float32 standard normal noise of `shape`."""
        torch = self._torch
        drawn = torch.randn(tuple(shape), generator=self._generator, dtype=torch.float32)
        return as_tensor(drawn.numpy())
