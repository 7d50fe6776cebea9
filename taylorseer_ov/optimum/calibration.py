"""Show an Optimum Intel pipeline to `calibrate`: its noise levels, and its runs as recorded."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..caching.plan import CachePlan
from ..caching.policy import Recorder
from .enable import enable_cache
from .folder import OptimumFolder


class RecordableOptimumPipeline:
    """A diffusion pipeline of `optimum.intel` and the settings that plans are learned for.

    Uses `enable_cache`, so a cache that was enabled before is not any more.

    Args:
        pipeline: one that draws from a text prompt, with a scheduler whose step is Euler's.
        height, width: of the pictures in pixels.
        guidance_scale: as the pipeline's call takes it.
        settings: further keywords of its call, such as `max_sequence_length` or `num_frames`.

    Attributes:
        folder: where `write_plans` puts what was learned, and presets look for it.

    Raises:
        TypeError: if it is no diffusion pipeline of optimum.intel.
    """

    def __init__(
        self, pipeline: Any, *, height: int, width: int, guidance_scale: float, **settings: Any
    ) -> None:
        self._pipeline, self._settings = pipeline, settings
        self.height, self.width, self.guidance_scale = height, width, guidance_scale
        self.folder = OptimumFolder.of(pipeline)

    def sigmas(self, num_inference_steps: int) -> NDArray[np.float64]:
        """Return the noise levels, (n + 1,); runs the denoiser once.

        Raises:
            ValueError: if the scheduler's step is not Euler's, for which alone plans are learned.
        """

        def stop(step: int, output: Array) -> None:
            raise _NoiseLevelsKnownError

        with enable_cache(self._pipeline, None, recorder=stop) as enabled:
            with suppress(_NoiseLevelsKnownError):
                self._call("", 0, num_inference_steps)
            report = enabled.report
        if report.no_corrector is not None:
            raise ValueError(
                f"{report.pipeline} cannot be calibrated: {report.no_corrector}; use a "
                "TaylorSeerCacheConfig or an ErrorControl, which need no calibration"
            )
        return np.array(report.sigmas)

    def run(self, prompt: str, seed: int, plan: CachePlan, on_output: Recorder) -> Array:
        """Draw as a plan says, in as many steps as it has, and return the final latents.

        Calls `on_output(step, output)` with what the denoiser returned in a step: one vector of
        all its outputs and guidance branches.
        """
        step_now, outputs = 0, list[Array]()

        def tell() -> None:
            if outputs:
                on_output(step_now, np.concatenate(outputs))
                outputs.clear()

        def collect(step: int, output: Array) -> None:
            nonlocal step_now
            if step != step_now:
                tell()
                step_now = step
            outputs.append(output.reshape(-1).copy())

        with enable_cache(self._pipeline, plan, recorder=collect):
            latents = self._call(prompt, seed, plan.num_inference_steps)
        tell()
        return latents

    def _call(self, prompt: str, seed: int, num_inference_steps: int) -> Array:
        import torch

        drawn = self._pipeline(
            prompt=prompt,
            height=self.height,
            width=self.width,
            guidance_scale=self.guidance_scale,
            num_inference_steps=num_inference_steps,
            generator=torch.Generator().manual_seed(seed),
            output_type="latent",
            return_dict=False,
            **self._settings,
        )
        # besides latents, one or two of them, some pipelines return whether a picture was unsafe
        latents = [part.float().numpy().reshape(-1) for part in drawn if torch.is_tensor(part)]
        return np.concatenate(latents)


class _NoiseLevelsKnownError(Exception):
    """Ends a generation whose noise levels were all that was wanted."""
