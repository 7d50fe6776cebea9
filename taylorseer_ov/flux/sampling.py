"""Flow-match Euler sampling: noise levels and the loop.

    x[i + 1] = x[i] + (sigma[i + 1] - sigma[i]) * velocity(x[i], sigma[i]),    sigma: 1 -> 0

Source: `FlowMatchEulerDiscreteScheduler` of diffusers, whose float32 arithmetic is followed step by
step; openvino.genai has the same in `flow_match_euler_discrete.cpp`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array

MOST_TIMESTEPS = 10**6
Velocity = Callable[[Array, np.float32], Array]
Constraint = Callable[[Array, np.float32], Array]


@dataclass(frozen=True)
class NoiseLevels:
    """What fixes the noise levels: a part of a scheduler's configuration.

    Attributes have diffusers' names, meaning and defaults. With `use_dynamic_shifting`, larger
    pictures get higher noise levels: mu grows linearly with the number of image tokens, and
    `time_shift_type` is the *form* of the shift by mu. (openvino.genai 2026.3 and later read that
    key as a choice of mu, and so sample FLUX.1 with FLUX.2's noise levels.)
    """

    num_train_timesteps: int = 1000
    shift: float = 1.0
    use_dynamic_shifting: bool = False
    base_shift: float = 0.5
    max_shift: float = 1.15
    base_image_seq_len: int = 256
    max_image_seq_len: int = 4096
    shift_terminal: float | None = None
    time_shift_type: str = "exponential"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NoiseLevels:
        """Read a `scheduler_config.json`.

        Raises:
            ValueError: for another scheduler or an option that would change the noise levels and is
                not supported.
        """
        name = config.get("_class_name", "FlowMatchEulerDiscreteScheduler")
        if name != "FlowMatchEulerDiscreteScheduler":
            raise ValueError(
                f"scheduler {name!r} is not supported, only FlowMatchEulerDiscreteScheduler"
            )
        for option in (
            "invert_sigmas",
            "use_karras_sigmas",
            "use_exponential_sigmas",
            "use_beta_sigmas",
            "stochastic_sampling",
        ):
            if config.get(option):
                raise ValueError(f"the scheduler option {option}=true is not supported")
        known = {name: config[name] for name in cls.__dataclass_fields__ if name in config}
        for name, value in known.items():
            optional = name == "shift_terminal" and value is None
            if name != "time_shift_type" and not optional and not isinstance(value, int | float):
                raise ValueError(f"the scheduler option {name} must be a number, got {value!r}")
        levels = cls(**known)
        if levels.time_shift_type not in ("exponential", "linear"):
            raise ValueError(
                f"time_shift_type must be 'exponential' or 'linear', got {levels.time_shift_type!r}"
            )
        levels._check_levels()
        return levels

    def _check_levels(self) -> None:
        """Check that the noise levels of small and large pictures are numbers, and fall."""
        timesteps = self.num_train_timesteps  # times a noise level, the models take it in float32
        if not 1 <= timesteps <= MOST_TIMESTEPS:
            raise ValueError(
                f"num_train_timesteps must be from 1 to {MOST_TIMESTEPS}, got {timesteps}"
            )
        for image_tokens in (64, 16384):
            try:
                levels = self.sigmas(8, image_tokens)
            except ArithmeticError as error:
                raise ValueError(f"these scheduler options give no noise levels: {error}") from None
            if not (np.diff(levels) < 0).all():
                raise ValueError(
                    f"these scheduler options give noise levels that do not fall to 0: {levels}"
                )

    def sigmas(self, num_inference_steps: int, image_tokens: int) -> Array:
        """Return the noise levels, float32 (n + 1,), from near 1 down to the final 0.

        Raises:
            ValueError: if these options give levels that are not finite at this size.
        """
        try:
            with np.errstate(all="ignore"):
                levels = self._levels(num_inference_steps, image_tokens)
        except OverflowError:
            levels = np.array([np.inf], np.float32)
        if not np.isfinite(levels).all():
            raise ValueError(
                f"the scheduler's noise levels are not finite with {num_inference_steps} steps and "
                f"{image_tokens} image tokens; draw fewer pixels, or give the scheduler other "
                f"options than {vars(self)!s:.400}"
            )
        return levels

    def _levels(self, num_inference_steps: int, image_tokens: int) -> Array:
        linear = np.linspace(1.0, 1.0 / num_inference_steps, num_inference_steps)
        sigmas: NDArray[np.floating] = linear.astype(np.float32)
        if self.use_dynamic_shifting:
            # float32 first, as native reads its configuration: it decides the last bit
            low, high = float(np.float32(self.base_shift)), float(np.float32(self.max_shift))
            slope = (high - low) / (self.max_image_seq_len - self.base_image_seq_len)
            mu = image_tokens * slope + (low - slope * self.base_image_seq_len)
            factor = math.exp(mu) if self.time_shift_type == "exponential" else mu
            sigmas = factor / (factor + (1 / sigmas - 1))
        else:
            sigmas = self.shift * sigmas / (1 + (self.shift - 1) * sigmas)
        if self.shift_terminal:
            one_minus = 1 - sigmas
            sigmas = 1 - one_minus / (one_minus[-1] / (1 - self.shift_terminal))
        return np.append(sigmas, 0).astype(np.float32)


def first_step(num_inference_steps: int, strength: float) -> int:
    """Return the step that a picture, noised with a strength from 0 to 1, starts from.

    Source: `get_timesteps` of diffusers' `FluxImg2ImgPipeline`, down to its rounding.
    """
    taken = min(num_inference_steps * strength, num_inference_steps)
    return int(max(num_inference_steps - taken, 0))


def add_noise(latents: Array, noise: Array, sigma: np.float32) -> Array:
    """Return the latents of a picture as they are at a noise level."""
    return sigma * noise + (np.float32(1) - sigma) * latents


def unconstrained(latents: Array, sigma: np.float32) -> Array:
    """Leave latents as a step has made them."""
    return latents


def euler(
    velocity: Velocity, latents: Array, sigmas: Array, constrain: Constraint = unconstrained
) -> Iterator[Array]:
    """Yield the latents after each step, float32; `velocity(latents, sigma)` is called once a step.

    What a step has made goes through `constrain(latents, sigma)`, with the sigma it has come to.
    A generator, so that progress, early stops and exceptions belong to the caller. Each yielded
    array is new and belongs to the caller.
    """
    for sigma, next_sigma in pairwise(sigmas):
        moved = latents + (next_sigma - sigma) * velocity(latents, sigma)
        latents = constrain(moved, next_sigma)
        yield latents
