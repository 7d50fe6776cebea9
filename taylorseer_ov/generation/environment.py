"""What drew a picture: where all of it is equal, equal settings give equal pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..checks import exact_names, of_kind
from .setup import Devices


@dataclass(frozen=True)
class Environment:
    """What drew a picture: where all of this is equal, equal settings give equal pictures.

    Attributes:
        model: name of the model's folder.
        weights: fingerprints of the model's parts.
        backend: `"native"` or `"python"`.
        noise: the generator of the initial noise for a seed.
        devices: where each part ran.
        processors: what those devices are.
        properties: OpenVINO properties, but no paths.
        fixed_shapes: whether the pipeline was reshaped to one size.
        vae_tiling: whether the picture was decoded in tiles.
        versions: of the packages and of Python.
    """

    model: str
    weights: Mapping[str, str]
    backend: str
    noise: str
    devices: Mapping[str, str]
    processors: Mapping[str, str]
    properties: Mapping[str, str]
    fixed_shapes: bool
    vae_tiling: bool
    versions: Mapping[str, str]

    def differences(self, other: Environment) -> list[str]:
        """Say in sentences in what another environment differs from this one, a picture's."""
        sentences = []
        for name, sentence in SENTENCES.items():
            before, now = getattr(self, name), getattr(other, name)
            if isinstance(before, Mapping):
                pairs = [(key, before.get(key), now.get(key)) for key in sorted({*before, *now})]
            else:
                pairs = [("", before, now)]
            sentences += [
                sentence.format(
                    key=key, before=_describe(old), now=_describe(new), model=self.model
                )
                for key, old, new in pairs
                if old != new
            ]
        return sentences

    @classmethod
    def from_dict(cls, values: Any) -> Environment:
        """Build from a dictionary of plain values.

        Raises:
            TypeError, ValueError: if a field is missing, unknown or of another kind.
        """
        exact_names("environment", values, KINDS)
        for name, kind in KINDS.items():
            value, what = values[name], f"{name} of its environment"
            of_kind(what, value, kind)
            if kind is dict and not all(isinstance(text, str) for text in value.values()):
                raise TypeError(f"{what} is wrong: {value!r:.80}")
        exact_names("devices", values["devices"], Devices._fields)
        return cls(**values)


# What the fields are; a mapping is one of texts.
KINDS: dict[str, type] = {
    "model": str,
    "weights": dict,
    "backend": str,
    "noise": str,
    "devices": dict,
    "processors": dict,
    "properties": dict,
    "fixed_shapes": bool,
    "vae_tiling": bool,
    "versions": dict,
}


SENTENCES = {
    "weights": "the weights of the {key} are not those of its model, {model!r}",
    "backend": "it was drawn by the {before} backend, here the {now} backend would draw",
    "noise": "its noise came from {before}, here it comes from {now}",
    "devices": "{key} ran on {before}, here on {now}",
    "processors": "{key} was {before}, here it is {now}",
    "properties": "{key} was {before}, here it is {now}",
    "fixed_shapes": "a pipeline reshaped to one size: {before} then, {now} here",
    "vae_tiling": "decoding in tiles: {before} then, {now} here",
    "versions": "{key} was {before}, here it is {now}",
}


def _describe(value: str | bool | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not set" if value is None else value
