"""What a picture's recipe keeps of how the models are compiled, and of what is installed."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import openvino as ov

from ..flux.folder import FluxFolder
from ..generation.setup import Setup
from ..version import __version__, installed_version


def recorded_properties(setup: Setup) -> dict[str, str]:
    """Return what decides how the models round, by its name."""
    return (
        _plain(setup.properties)
        | _changed_encoders(setup)
        | _streams(setup)
        | _changed_scheduler(setup.folder)
    )


def _plain(properties: Mapping[str, Any]) -> dict[str, str]:
    """Properties as texts, without paths: they tell of a person and nothing of a picture."""
    texts = {
        name: value.get_type_name() if isinstance(value, ov.Type) else str(value)
        for name, value in properties.items()
        if name != "adapters"
    }
    return {
        name: text
        for name, text in texts.items()
        if not (name.endswith(("_DIR", "_PATH")) or set(text) & set("/\\"))
    } | ({"adapters": "LoRA adapters"} if "adapters" in properties else {})


def _changed_encoders(setup: Setup) -> dict[str, str]:
    """What the text encoders are compiled with, where it is not what the other parts are."""
    names = setup.encoder_properties.keys() - setup.properties.keys()
    return {f"{name} of the text encoders": setup.encoder_properties[name] for name in names}


def _streams(setup: Setup) -> dict[str, str]:
    """How many pictures the transformer computes at once, where it is not one: it rounds."""
    streams = setup.memory.streams
    return {} if streams == 1 else {"streams of the transformer": str(streams)}


def _changed_scheduler(folder: FluxFolder) -> dict[str, str]:
    """The noise levels, where they are not those of the model's own file."""
    own = folder.own_scheduler
    if own is not None and folder.noise_levels == own.noise_levels:
        return {}
    described = (f"{name}={value}" for name, value in vars(folder.noise_levels).items())
    return {"scheduler": " ".join(described)}


def recorded_versions() -> dict[str, str]:
    """Return the versions of what draws, by their names."""
    packages = ("openvino", "openvino-tokenizers", "openvino-genai", "numpy")
    installed = {name: installed_version(name) for name in packages}
    found = {name: version for name, version in installed.items() if version is not None}
    return {"taylorseer_ov": __version__, "Python": platform.python_version()} | found
