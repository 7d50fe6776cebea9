"""Record generations for calibration, in memory that does not grow with the picture.

Calibration takes inner products of outputs only, summed over prompts. A fixed sample of `SKETCH`
coordinates tells them well enough: on the demo model, whose outputs have 4,096 coordinates, the
weights of a schedule fitted to 64 of them are within 0.1 dB of those fitted to all, to 512 within
0.01 dB. So a recorded generation of n steps takes 16 KiB * (n + 1), whatever the size of the
picture, and no output outlives its step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .plan import CachePlan

if TYPE_CHECKING:
    from ..pipelines.tasks import Text2ImagePipeline

SKETCH = 4096  # coordinates that are kept, of outputs and of latents
OnOutput = Callable[[int, NDArray[np.float32]], None]


@runtime_checkable
class Recordable(Protocol):
    """What can be calibrated: a pipeline that shows its transformer's outputs.

    Attributes:
        height, width, guidance_scale: of the pictures it draws.
    """

    height: int
    width: int
    guidance_scale: float

    def sigmas(self, num_inference_steps: int) -> NDArray[np.floating]:
        """Return the noise levels, (n + 1,)."""

    def run(
        self, prompt: str, seed: int, plan: CachePlan, on_output: OnOutput
    ) -> NDArray[np.float32]:
        """Draw as the plan says, in as many steps as it has, and return the final latents.

        Calls `on_output(step, output)` with every output of the transformer, which may be a view.
        Runs of equal prompt and seed begin with the same noise.
        """


class RecordablePipeline:
    """A `Text2ImagePipeline` and the settings it is recorded with."""

    def __init__(self, pipeline: Text2ImagePipeline, **settings: Any) -> None:
        self._pipeline, self._settings = pipeline, settings
        asked = pipeline.get_generation_config().updated(settings)
        self.height, self.width = asked.size
        self.guidance_scale = float(asked.guidance_scale)

    def sigmas(self, num_inference_steps: int) -> NDArray[np.float32]:
        settings = self._settings | {"num_inference_steps": num_inference_steps}
        return self._pipeline.sigmas(**settings)

    def run(
        self, prompt: str, seed: int, plan: CachePlan, on_output: OnOutput
    ) -> NDArray[np.float32]:
        latest: list[NDArray[np.float32]] = []

        def keep(step: int, num_steps: int, latents: NDArray[np.float32]) -> None:
            latest[:] = [latents]

        settings = self._settings | {
            "num_inference_steps": plan.num_inference_steps,
            "rng_seed": seed,
            "cache": plan,
        }
        self._pipeline.generate(prompt, recorder=on_output, callback=keep, **settings)
        return latest[0]


@dataclass(frozen=True)
class Trajectory:
    """A recorded generation, of which a sample of coordinates is kept.

    Attributes:
        outputs: float32 (n, size) where the transformer ran, zero elsewhere.
        latents: the final ones, of the same or another size.
    """

    outputs: NDArray[np.float32]
    latents: NDArray[np.float32]


def record(pipeline: Recordable, prompt: str, seed: int, plan: CachePlan) -> Trajectory:
    """Draw and keep a sample of what the transformer returned, and of the final latents."""
    outputs: dict[int, NDArray[np.float32]] = {}

    def keep(step: int, output: NDArray[np.float32]) -> None:
        outputs[step] = _sample(output)

    latents = _sample(pipeline.run(prompt, seed, plan, keep))
    recorded = np.zeros((plan.num_inference_steps, outputs[0].size), np.float32)
    for step, output in outputs.items():
        recorded[step] = output
    return Trajectory(recorded, latents)


def _sample(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Copy the same coordinates of everything of one size: all, if they are no more than SKETCH."""
    kept = np.random.default_rng(0).choice(
        values.size, min(SKETCH, values.size), replace=False, shuffle=False
    )
    return values.reshape(-1)[np.sort(kept)]
