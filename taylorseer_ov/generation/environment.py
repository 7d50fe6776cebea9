"""What drew a picture: where all of it is equal, equal settings give equal pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


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
                sentence.format(key=key, before=_told(old), now=_told(new), model=self.model)
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
        _require_names("environment", values, [field.name for field in fields(cls)])
        for field in fields(cls):
            kind = {"str": str, "bool": bool}.get(str(field.type), dict)
            value = values[field.name]
            texts = kind is not dict or all(isinstance(text, str) for text in value.values())
            if not isinstance(value, kind) or not texts:
                raise TypeError(f"{field.name} of its environment is wrong: {value!r:.80}")
        return cls(**values)


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


def _told(value: str | bool | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not set" if value is None else value


def _require_names(what: str, values: Any, names: list[str]) -> None:
    if not isinstance(values, dict) or set(values) != set(names):
        found = ", ".join(map(str, values)) if isinstance(values, dict) else repr(values)
        raise ValueError(f"its {what} must have {', '.join(names)}, not {found:.200}")
