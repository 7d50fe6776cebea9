"""Small pictures of a generation under way, without the VAE.

A latent pixel z (16 channels) lies under 8x8 pixels of the picture, whose mean colour is nearly
linear in it:

    colour = z W + b                                           fitted by least squares, 0 to 255

Under way the latents are mostly noise, so what is shown is the clean picture they are heading for.
With the velocity v of the last step, from noise level sigma[i] to sigma[i+1],

    v = (x[i+1] - x[i]) / (sigma[i+1] - sigma[i]),    clean = x[i+1] - sigma[i+1] v
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import Pictures
from ..files import write_over
from ..flux.folder import FluxFolder
from ..flux.latents import unpack_latents
from ..model_files import read_json
from .quality import psnr

if TYPE_CHECKING:
    from ..pipelines.tasks import Text2ImagePipeline

Latents = NDArray[np.float32]
Show = Callable[[int, bytes], object]
PREVIEW_FILE, PREVIEW_FORMAT = "preview.json", "taylorseer_ov.LatentPreview/1"


@dataclass(frozen=True)
class LatentPreview:
    """A linear map from latent channels to colours, fitted to one VAE.

    Attributes:
        weights: float64 (C, 3), for red, green and blue from 0 to 255.
        bias: float64 (3,).
        vae_scale: how many pixels of the picture a latent pixel is wide.

    Raises:
        ValueError: for other shapes, or values that are not finite.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    vae_scale: int

    def __post_init__(self) -> None:
        weights, bias = np.array(self.weights, np.float64), np.array(self.bias, np.float64)
        if weights.ndim != 2 or not weights.size or weights.shape[1] != 3 or bias.shape != (3,):
            raise ValueError(
                "a preview needs weights of shape (channels, 3) and a bias of shape (3,), got "
                f"{weights.shape} and {bias.shape}"
            )
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise ValueError("a preview's weights and bias must be finite")
        if isinstance(self.vae_scale, bool) or not (
            isinstance(self.vae_scale, int) and 1 <= self.vae_scale <= 64
        ):
            raise ValueError(f"vae_scale must be from 1 to 64, got {self.vae_scale!r}")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "bias", bias)

    def picture(self, latents: Latents, height: int, width: int) -> Pictures:
        """Show packed latents (N, tokens, 4C) of a picture of this size, one pixel for each latent.

        Returns:
            uint8 (N, height / vae_scale, width / vae_scale, 3).
        """
        size = height // self.vae_scale, width // self.vae_scale
        channels, expected = len(self.weights), size[0] * size[1] // 4
        if latents.ndim != 3 or latents.shape[1:] != (expected, 4 * channels):
            raise ValueError(
                f"this preview of a {width}x{height} picture takes latents of shape "
                f"(N, {expected}, {4 * channels}), got {latents.shape}"
            )
        pixels = unpack_latents(latents, *size).transpose(0, 2, 3, 1)
        colours = pixels @ self.weights + self.bias
        return np.rint(np.clip(np.nan_to_num(colours), 0, 255)).astype(np.uint8)


def fit(latents: Latents, pictures: Pictures) -> LatentPreview:
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


def downscaled(pictures: Pictures, factor: int) -> NDArray[np.float64]:
    """Mean colours of squares: (N, H, W, 3) to (N, H / factor, W / factor, 3)."""
    count, height, width, _ = pictures.shape
    squares = pictures.reshape(count, height // factor, factor, width // factor, factor, 3)
    means: NDArray[np.float64] = squares.mean(axis=(2, 4), dtype=np.float64)
    return means


def fit_preview(
    pipeline: Text2ImagePipeline,
    prompts: Sequence[str],
    *,
    first_seed: int = 0,
    say: Callable[[str], object] = lambda line: None,
    **settings: Any,
) -> LatentPreview:
    """Draw the prompts and fit the map to them; says how well it did on a third it had not seen.

    Cached pictures do as well: pass `cache="fast"`.

    Args:
        prompts: at least three, as different in colour as they can be.
        settings: of `Text2ImagePipeline.generate`, such as the size.
    """
    if len(prompts) < 3:
        raise ValueError(f"a preview is fitted to at least three prompts, got {len(prompts)}")
    latents, pictures = [], []
    for seed, prompt in enumerate(prompts, first_seed):
        drawn = _draw(pipeline, prompt, settings | {"rng_seed": seed})
        latents.append(drawn[0])
        pictures.append(drawn[1])
    seen = len(prompts) - len(prompts) // 3
    judged = fit(np.concatenate(latents[:seen]), np.concatenate(pictures[:seen]))
    found = [
        psnr(judged.picture(some, *shown.shape[1:3]), downscaled(shown, judged.vae_scale))
        for some, shown in zip(latents[seen:], pictures[seen:], strict=True)
    ]
    say(
        f"preview: PSNR {math.fsum(found) / len(found):.1f} dB to the pictures made small, with "
        f"{len(found)} of {len(prompts)} prompts held out"
    )
    return fit(np.concatenate(latents), np.concatenate(pictures))


def _draw(
    pipeline: Text2ImagePipeline, prompt: str, settings: dict[str, Any]
) -> tuple[Latents, Pictures]:
    final: list[Latents] = []

    def callback(step: int, num_steps: int, latents: Latents) -> None:
        final[:] = [latents]

    result = pipeline.generate(prompt, callback=callback, **settings)
    return final[0], result.data


# --- beside a model ------------------------------------------------------------------------------


def write_preview(folder: FluxFolder, preview: LatentPreview) -> Path:
    """Write a map beside the model it was fitted to."""
    path = folder.path / PREVIEW_FILE
    values = {
        "format": PREVIEW_FORMAT,
        "vae": folder.fingerprint("vae_decoder"),
        "vae_scale": preview.vae_scale,
        "weights": preview.weights.tolist(),
        "bias": preview.bias.tolist(),
    }
    write_over(path, (json.dumps(values, indent=1) + "\n").encode())
    return path


def read_preview(folder: FluxFolder) -> LatentPreview:
    """Read the map that lies beside a model.

    Raises:
        ValueError: if there is none, it is damaged, or was fitted to another VAE.
    """
    path = folder.path / PREVIEW_FILE
    advice = "`taylorseer-ov calibrate` fits one"
    if not path.is_file():
        raise ValueError(
            f"no previews: {path}, a map from latents to colours, is missing; {advice}"
        )
    values = read_json(path)
    if values.get("format") != PREVIEW_FORMAT:
        raise ValueError(f"{path} has no preview of a known format; remove it, {advice}")
    if values.get("vae") != folder.fingerprint("vae_decoder"):
        raise ValueError(f"{path} was fitted to another VAE than the one beside it; {advice}")
    try:
        preview = LatentPreview(values["weights"], values["bias"], values["vae_scale"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{path} is damaged ({error}); {advice}") from error
    expected = folder.latent_channels, folder.vae_scale
    if (len(preview.weights), preview.vae_scale) != expected:
        raise ValueError(
            f"{path} is for {len(preview.weights)} channels of {preview.vae_scale} pixels, the VAE "
            f"has {expected[0]} of {expected[1]}; {advice}"
        )
    return preview


# --- during a generation -------------------------------------------------------------------------


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
        self._last: tuple[float, Latents] | None = None

    def picture(self, step: int, latents: Latents) -> Pictures | None:
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
    """

    def __init__(self, previewer: Previewer, show: Show, every: int = 4) -> None:
        if every < 1:
            raise ValueError(f"a preview every {every} steps is not possible; at least 1")
        self._previewer, self._show, self._every = previewer, show, every

    def __call__(self, step: int, num_steps: int, latents: Latents) -> None:
        pictures = self._previewer.picture(step, latents)
        if pictures is not None and (step + 1) % self._every == 0:
            self._show(step + 1, encode_png(pictures))


def preview_callback(
    pipeline: Text2ImagePipeline, show: Show, every: int = 4, **settings: Any
) -> PreviewCallback:
    """Make the callback for a generation with these settings, from the map beside the model.

    Raises:
        ValueError: if there is no map, or it does not fit.
    """
    asked = pipeline.get_generation_config().updated(settings)
    preview, sigmas = read_preview(pipeline.folder), pipeline.sigmas(**settings)
    return PreviewCallback(Previewer(preview, sigmas, *asked.size), show, every)


def encode_png(pictures: Pictures, enlarge: int = 4) -> bytes:
    """Return pictures (N, h, w, 3) side by side as one PNG, enlarged."""
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
