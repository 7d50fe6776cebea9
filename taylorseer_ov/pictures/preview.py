"""Small pictures of a generation under way, without the VAE.

Under way the latents are mostly noise, so what is shown is the clean picture they are heading for.
With the velocity v of the last step, from noise level sigma[i] to sigma[i+1],

    v = (x[i+1] - x[i]) / (sigma[i+1] - sigma[i]),    clean = x[i+1] - sigma[i+1] v

which `preview_map` paints. Source: ComfyUI, whose `latent_preview.py` shows denoised latents too.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, Pictures
from ..files import write_over
from ..flux.folder import FluxFolder
from ..generation.settings import GenerationSettings, ImageGenerationConfig
from ..newer_typing import Unpack
from .preview_map import LatentPreview, read_preview

Show = Callable[[int, bytes], object]


class Previewable(Protocol):
    """A pipeline, as far as its previews go."""

    @property
    def folder(self) -> FluxFolder:
        """The model, beside which the map lies."""

    def get_generation_config(self) -> ImageGenerationConfig:
        """Return the settings that a generation starts from."""

    def sigmas(self, **settings: Unpack[GenerationSettings]) -> Array:
        """Return the noise levels of a generation with these settings, (n + 1,)."""


class Previewer:
    """Turn the latents after each step into the picture they are heading for.

    Serves one generation.

    Args:
        sigmas: noise levels (n + 1,), as `Text2ImagePipeline.sigmas` returns them.
        height, width: of the picture in pixels.
    """

    def __init__(self, preview: LatentPreview, sigmas: ArrayLike, height: int, width: int) -> None:
        self._preview = preview
        self._sigmas = np.asarray(sigmas, np.float64)
        self._size = height, width
        self._last: tuple[float, Array] | None = None

    def picture(self, step: int, latents: Array) -> Pictures | None:
        """Return the picture (N, h, w, 3) after a step, None after the first: it shows no course.

        Args:
            latents: packed, (N, tokens, 4C), as a callback gets them.
        """
        sigma = float(self._sigmas[step + 1])
        last, self._last = self._last, (sigma, latents)
        if sigma == 0:
            return self._preview.picture(latents, *self._size)
        if last is None:
            return None
        velocity = (latents - last[1]) / np.float32(sigma - last[0])
        return self._preview.picture(latents - np.float32(sigma) * velocity, *self._size)


class PreviewCallback:
    """A `callback` of `Text2ImagePipeline.generate` that shows a preview every few steps.

    Args:
        show: called as (steps done, PNG), such as what `save_previews` returns.
        every: steps from one preview to the next.

    Raises:
        ValueError: if `every` is less than 1.
    """

    def __init__(self, previewer: Previewer, show: Show, every: int = 4) -> None:
        if every < 1:
            raise ValueError(f"a preview every {every} steps is not possible; at least 1")
        self._previewer, self._show, self._every = previewer, show, every

    def __call__(self, step: int, num_steps: int, latents: Array) -> None:
        pictures = self._previewer.picture(step, latents)
        if pictures is not None and (step + 1) % self._every == 0:
            self._show(step + 1, encode_preview(pictures))


def preview_callback(
    pipeline: Previewable, show: Show, every: int = 4, **settings: Any
) -> PreviewCallback:
    """Make the callback for a generation with these settings, from the map beside the model.

    Args:
        pipeline: a `Text2ImagePipeline`.
        show, every: as `PreviewCallback` has them.
        settings: of `Text2ImagePipeline.generate`.

    Raises:
        TypeError, ValueError: for settings that are unknown or out of range.
        ValueError: if there is no map, or it does not fit.
    """
    asked = pipeline.get_generation_config().updated(settings)
    preview, sigmas = read_preview(pipeline.folder), pipeline.sigmas(**settings)
    return PreviewCallback(Previewer(preview, sigmas, *asked.size), show, every)


def encode_preview(pictures: Pictures, enlarge: int = 4) -> bytes:
    """Return pictures (N, h, w, 3) side by side as one PNG, `enlarge` times as wide and high."""
    from PIL import Image

    image = Image.fromarray(np.concatenate(pictures, axis=1))
    size = image.width * enlarge, image.height * enlarge
    stream = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(stream, "PNG")
    return stream.getvalue()


def save_previews(folder: Path, name: str = "step") -> Show:
    """Make a folder and return what writes `step_012.png` and so on into it, each at once.

    Raises:
        FileExistsError: if there are such files already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    present = sorted(folder.glob(f"{name}_[0-9]*.png"))
    if present:
        raise FileExistsError(f"{present[0]} exists already; choose another folder for previews")

    def show(steps_done: int, png: bytes) -> None:
        write_over(folder / f"{name}_{steps_done:03}.png", png)

    return show


def preview_event(steps_done: int, png: bytes) -> dict[str, Any]:
    """Return a preview as values for JSON: the number of steps, and the PNG in base64."""
    return {"steps": steps_done, "png": base64.b64encode(png).decode("ascii")}
