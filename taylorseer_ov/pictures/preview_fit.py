"""Fit the map of `preview_map` to the latents and pictures that a model draws.

W and b solve the least squares problem over all latent pixels z and the mean colours c of the
squares of the picture over them:

    min sum |z W + b - c|^2
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ..arrays import Array, Matrix, Pictures
from ..caching.recording import FinalLatents
from ..flux.latents import unpack_latents
from ..generation.job import StepCallback
from ..generation.settings import GenerationSettings
from ..newer_typing import Unpack
from .preview_map import LatentPreview
from .quality import psnr
from .result import GenerationResult


class Observable(Protocol):
    """What draws pictures and shows the latents on the way, as `Text2ImagePipeline` does."""

    def generate(
        self,
        prompt: str,
        *,
        callback: StepCallback | None = None,
        **settings: Unpack[GenerationSettings],
    ) -> GenerationResult:
        """Draw pictures, calling `callback` with the latents after every step."""


def fit_map(latents: Array, pictures: Pictures) -> LatentPreview:
    """Fit the map to the packed latents (N, tokens, 4C) of pictures (N, height, width, 3).

    Raises:
        ValueError: if the shapes do not belong together, or there are too few pixels.
    """
    height, width = pictures.shape[1:3]
    vae_scale = math.isqrt(height * width // max(4 * latents.shape[1], 1))
    if not vae_scale or 4 * latents.shape[1] * vae_scale**2 != height * width:
        raise ValueError(
            f"latents of shape {latents.shape} are not those of pictures of shape {pictures.shape}"
        )
    pixels = unpack_latents(latents, height // vae_scale, width // vae_scale)
    known = pixels.transpose(0, 2, 3, 1).reshape(-1, pixels.shape[1]).astype(np.float64)
    if len(known) <= known.shape[1]:
        raise ValueError(f"{len(known)} pixels are too few to fit {known.shape[1]} channels")
    terms = np.column_stack([known, np.ones(len(known))])
    colours = downscaled(pictures, vae_scale).reshape(-1, 3)
    solution = np.linalg.lstsq(terms, colours, rcond=None)[0]
    return LatentPreview(np.array(solution[:-1], np.float64), solution[-1], vae_scale)


def downscaled(pictures: Pictures, factor: int) -> Matrix:
    """Return the mean colours of squares: (N, H, W, 3) to (N, H / factor, W / factor, 3)."""
    count, height, width, _ = pictures.shape
    squares = pictures.reshape(count, height // factor, factor, width // factor, factor, 3)
    means: Matrix = squares.mean(axis=(2, 4), dtype=np.float64)
    return means


def fit_preview(
    pipeline: Observable,
    prompts: Sequence[str],
    *,
    first_seed: int = 0,
    present: LatentPreview | None = None,
    say: Callable[[str], object] = lambda line: None,
    **settings: Any,
) -> LatentPreview:
    """Draw the prompts and fit the map to them; says how well it did on a third it had not seen.

    They are drawn as the pipeline draws any. Cached pictures do as well as others: `cache="fast"`.

    Args:
        pipeline: a `Text2ImagePipeline`.
        prompts: at least three, as different in colour as they can be.
        first_seed: of the first prompt; each of the others has the next one.
        present: the map that there is already.
        say: called with one line, the mean PSNR (dB) of the third that was held out, and another
            if `present` does as well.
        settings: of `Text2ImagePipeline.generate`, such as the size.

    Returns:
        The map; `present` itself where a new one does no better on the third that was held out.

    Raises:
        ValueError: for fewer than three prompts, or pictures with too few pixels.
    """
    if len(prompts) < 3:
        raise ValueError(f"a preview is fitted to at least three prompts, got {len(prompts)}")
    drawn = [
        _draw(pipeline, prompt, settings | {"rng_seed": seed})
        for seed, prompt in enumerate(prompts, first_seed)
    ]
    seen = len(drawn) - len(drawn) // 3
    found = _mean_psnr(_fit_all(drawn[:seen]), drawn[seen:])
    say(
        f"preview: PSNR {found:.1f} dB to the pictures made small, with {len(drawn) - seen} of "
        f"{len(prompts)} prompts held out"
    )
    if present is not None and (there := _mean_psnr(present, drawn[seen:])) >= found:
        say(f"preview: not kept, since it is not better than the one there is ({there:.1f} dB)")
        return present
    return _fit_all(drawn)


def _mean_psnr(preview: LatentPreview, drawn: Sequence[tuple[Array, Pictures]]) -> float:
    found = [
        psnr(
            preview.picture(latents, *pictures.shape[1:3]), downscaled(pictures, preview.vae_scale)
        )
        for latents, pictures in drawn
    ]
    return math.fsum(found) / len(found)


def _fit_all(drawn: Sequence[tuple[Array, Pictures]]) -> LatentPreview:
    latents, pictures = zip(*drawn, strict=True)
    return fit_map(np.concatenate(latents), np.concatenate(pictures))


def _draw(pipeline: Observable, prompt: str, settings: dict[str, Any]) -> tuple[Array, Pictures]:
    """Return the final latents of a picture, and the picture."""
    final = FinalLatents()
    result = pipeline.generate(prompt, callback=final, **settings)
    return final.latents, result.data
