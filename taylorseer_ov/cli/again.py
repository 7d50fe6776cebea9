"""`generate -C PICTURE`: draw again what a picture of ours shows, by the recipe inside it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from . import options
from .console import Console, MisuseError
from .properties import PROPERTY_OPTIONS, properties_of_picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..pictures.recipe import Recipe
    from .inputs import Pipeline


def read_recipe(arguments: argparse.Namespace) -> Recipe:
    """Read the recipe in `--config-from`.

    Raises:
        MisuseError: if the file cannot be read, or the recipe needs pictures that are not given.
        RecipeError: if there is none in it.
    """
    from ..pictures.recipe import Recipe

    try:
        recipe = Recipe.from_picture(arguments.config_from)
    except OSError as error:
        raise MisuseError(
            f"--config-from: cannot read {str(arguments.config_from)!r} ({error.strerror})"
        ) from error
    missing = [
        f"--{name}"
        for name in ("image", "mask")
        if name in recipe.inputs and getattr(arguments, name) is None
    ]
    if missing:
        raise MisuseError(
            f"{arguments.config_from} was drawn from another picture, which it does not hold: "
            f"give it again with {' and '.join(missing)}"
        )
    return recipe


def with_recipe(arguments: argparse.Namespace, recipe: Recipe) -> argparse.Namespace:
    """Return the arguments with those of the recipe where none are given.

    Raises:
        MisuseError: if the model is not given and the recipe does not tell where it is.
    """
    drawn_by = recipe.environment
    otherwise = {"prompt": recipe.prompt}
    if drawn_by.model == "demo_model":
        otherwise["model"] = "demo"
    otherwise |= arguments.otherwise
    if arguments.model is None and "model" not in otherwise and not arguments.words:
        raise MisuseError(
            f"{arguments.config_from} was drawn with the model {drawn_by.model!r}: "
            "say where it is with --model"
        )
    properties = properties_of_picture(drawn_by.properties)
    if arguments.device is not None:  # other devices may not know them
        properties = {
            name: properties[name] for name in PROPERTY_OPTIONS.values() if name in properties
        }
    properties |= arguments.otherwise.get("property", {})
    text, transformer, vae = drawn_by.devices.values()
    filled = options.with_defaults(
        arguments,
        {
            "device": f"text={text},transformer={transformer},vae={vae}",
            "backend": "python" if drawn_by.backend == "python" else None,
            "vae_tiling": drawn_by.vae_tiling,
            "allow_empty": not recipe.prompt.strip(),
            # this command fixes shapes for little memory only
            "low_memory": drawn_by.fixed_shapes,
        },
    )
    filled.otherwise = otherwise | {"property": properties}
    filled.picture_index = recipe.index
    return filled


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """What the recipe says of settings; the strength only if it was drawn from a picture."""
    settings = recipe.settings()
    if not recipe.inputs:  # 1 there, with which a picture that is given now would not matter
        del settings["strength"]
    return settings


def warn_of_differences(
    recipe: Recipe, pipeline: Pipeline, pictures: list[Image], console: Console
) -> None:
    """Say why the picture will not be the same bit for bit, if it will not."""
    for sentence in recipe.differences(pipeline, *pictures):
        console.warn(f"not the same picture bit for bit: {sentence}")
