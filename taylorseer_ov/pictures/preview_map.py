"""The map from latents to colours that previews are painted with, and its file.

A latent pixel z (16 channels) lies under 8x8 pixels of the picture, whose mean colour is nearly
linear in it:

    colour = z W + b                                                                    0 to 255

Source: keturn, "Decoding latents to RGB without upscaling", forum of Hugging Face, 2022; ComfyUI
does the same (`latent_rgb_factors` in its `latent_formats.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import Array, Matrix, Pictures
from ..files import write_over
from ..flux.folder import FluxFolder
from ..flux.latents import unpack_latents
from ..learned_files import learned_files, rewriting, target_folder
from ..model_files import read_json

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

    weights: Matrix
    bias: Matrix
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

    def picture(self, latents: Array, height: int, width: int) -> Pictures:
        """Show packed latents (N, tokens, 4C) of a picture of this size, one pixel for each latent.

        Returns:
            uint8 (N, height / vae_scale, width / vae_scale, 3).

        Raises:
            ValueError: for latents of another shape.
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


# --- for a model ------------------------------------------------------------------------------


def write_preview(
    folder: FluxFolder, preview: LatentPreview, *, into: str | Path | None = None
) -> Path:
    """Keep a map for the model it was fitted to, and return where.

    Args:
        into: the folder of a model with these weights, instead of the user's folder.

    Raises:
        ValueError: if `into` is inside this package, or has other weights, or the folder cannot be
            written.
        OSError: if the file cannot be written.
    """
    fingerprint = folder.fingerprint("vae_decoder")
    path = target_folder(fingerprint, into) / PREVIEW_FILE
    values = {
        "format": PREVIEW_FORMAT,
        "vae": fingerprint,
        "vae_scale": preview.vae_scale,
        "weights": preview.weights.tolist(),
        "bias": preview.bias.tolist(),
    }
    with rewriting(path):
        write_over(path, (json.dumps(values, indent=1) + "\n").encode())
    return path


def read_preview(folder: FluxFolder) -> LatentPreview:
    """Read the map that there is for a model: the user's, else the one that lies beside it.

    Raises:
        ValueError: if there is none, it is damaged, or was fitted to another VAE.
    """
    paths = learned_files(folder.path, folder.fingerprint("vae_decoder"), PREVIEW_FILE)
    return _read(paths[0] if paths else folder.path / PREVIEW_FILE, folder)


def present_preview(folder: FluxFolder, into: str | Path | None = None) -> LatentPreview | None:
    """Return the map that a new one has to do better than; None if there is none that is whole.

    Args:
        into: where the new one is to be written, None for the user's folder.
    """
    try:
        return read_preview(folder) if into is None else _read(Path(into) / PREVIEW_FILE, folder)
    except ValueError:
        return None


def _read(path: Path, folder: FluxFolder) -> LatentPreview:
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
