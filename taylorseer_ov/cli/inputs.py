"""The picture that `generate` starts from, and the mask: image to image and inpainting."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import options
from .console import MisuseError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..generation.settings import ImageGenerationConfig
    from ..pipelines.tasks import Image2ImagePipeline, InpaintingPipeline, Text2ImagePipeline

    Pipeline = Text2ImagePipeline | Image2ImagePipeline | InpaintingPipeline

INPUTS = ("image", "mask")


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """What a picture is drawn from, beside its prompt."""
    group = parser.add_argument_group("from another picture")
    group.add_argument(
        "--image",
        type=Path,
        metavar="PICTURE",
        help="start from this picture, in its own size unless width or height are given",
    )
    group.add_argument(
        "--mask",
        type=Path,
        metavar="PICTURE",
        help="draw anew only where this picture is white, and keep the rest",
    )
    group.add_argument(
        "--strength",
        type=float,
        metavar="S",
        help="how much is drawn anew, from 0 to 1 (default: 0.6, with FLUX.1 Fill 1)",
    )


def read_inputs(arguments: argparse.Namespace) -> list[Image]:
    """The picture and the mask, decoded, as far as they are given.

    Raises:
        MisuseError: for a mask or a strength without a picture, or for what is no picture.
    """
    from ..flux.picture_reading import read_picture

    if arguments.image is None:
        for option, why in (
            ("mask", "says where a picture is drawn anew"),
            ("strength", "says how much of a picture is drawn anew"),
        ):
            if getattr(arguments, option) is not None:
                raise MisuseError(f"--{option} {why}; give that picture with --image")
    given = ((option, getattr(arguments, option)) for option in INPUTS)
    return [read_picture(f"--{option}", path) for option, path in given if path is not None]


def make_pipeline(arguments: argparse.Namespace, pictures: int) -> Pipeline:
    """Make the pipeline for so many given pictures, its models not yet loaded."""
    from ..pipelines import tasks

    kinds: tuple[type[Pipeline], ...] = (
        tasks.Text2ImagePipeline,
        tasks.Image2ImagePipeline,
        tasks.InpaintingPipeline,
    )
    return kinds[pictures](**options.pipeline_arguments(arguments))


def in_size(
    usual: ImageGenerationConfig, pictures: list[Image], settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the settings with the pictures in the size that is drawn, and with that size.

    Raises:
        MisuseError: if the size is left to a picture that is too small.
        ValueError: for a size that cannot be drawn.
    """
    from ..flux.initial_image import MULTIPLE, initial_image

    if not pictures:
        return settings
    size: dict[str, Any] = {
        name: settings[name] for name in ("height", "width") if name in settings
    }
    asked = usual.updated(size)
    for option, given, own in (
        ("--width", asked.width, pictures[0].width),
        ("--height", asked.height, pictures[0].height),
    ):
        if given is None and own < MULTIPLE:
            raise MisuseError(
                f"--image has a {option[2:]} of {own}, less than {MULTIPLE} pixels; give {option}"
            )
    initial = initial_image(*pictures, height=asked.height, width=asked.width)
    height, width = initial.size
    mask = {} if initial.mask_image is None else {"mask_image": initial.mask_image}
    return settings | {"height": height, "width": width, "image": initial.pixels} | mask
