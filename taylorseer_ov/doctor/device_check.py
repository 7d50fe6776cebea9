"""The devices of this machine, and what trouble people have met with their kinds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .finding import Finding
from .machine import GIGABYTE, UPGRADE, Device, Machine

FLOATS = {"f16": "float16", "bf16": "bfloat16", "f32": "float32"}


class Weights(NamedTuple):
    """A transformer's weights: as in `"int8"`, and how many bytes of them."""

    stored_in: str
    bytes: int


@dataclass(frozen=True)
class KnownTrouble:
    """Trouble that people have met with a kind of device.

    Attributes:
        pattern: regular expression found in its name or full name.
        text, remedy: what they saw, and what helped.
        weights: what the transformer's weights are stored in, None for anything.
        least_bytes: of the transformer.
    """

    pattern: str
    text: str
    remedy: str
    weights: str | None = None
    least_bytes: int = 0

    def concerns(self, device: Device, weights: Weights | None) -> bool:
        """Whether it may come up with this device and model; without a model, with some model."""
        if not re.search(self.pattern, f"{device.name} {device.full_name}"):
            return False
        return weights is None or (
            self.weights in (None, weights.stored_in) and weights.bytes >= self.least_bytes
        )


KNOWN_TROUBLE = (
    # reported to openvino.genai and openvino_notebooks; the remedy is a user's
    KnownTrouble(
        r"Iris|UHD Graphics",
        "pictures of models with int4 weights are often black or blurred on this kind of GPU",
        "--device text=CPU,transformer=GPU,vae=CPU --precision f32",
        weights="int4",
    ),
    # reported to openvino.genai
    KnownTrouble(
        r"\(iGPU\)",
        "float16 weights of FLUX.1 take 24 GB of the memory that this GPU shares with the system, "
        "and a step can take minutes",
        "export the model with --weight-format int8 or int4",
        weights="float16",
        least_bytes=8 * GIGABYTE,
    ),
    # from the documentation of OpenVINO Model Server
    KnownTrouble(
        r"\bNPU\b|AI Boost",
        "Flux is not known to run on NPUs: they need fixed shapes (`reshape`), and OpenVINO's own "
        "image generation leaves Flux out there",
        "draw on the CPU or a GPU",
    ),
)


def check_devices(machine: Machine, weights: Weights | None) -> Iterator[Finding]:
    """Look at each device, and at what it may do to a transformer with these weights."""
    if machine.device_error:
        text = f"OpenVINO cannot be asked for its devices: {machine.device_error}"
        yield Finding("devices", "problem", " ".join(text.split()), UPGRADE)
    for device in machine.devices:
        name = f"device {device.name}"
        can = f", can do {' '.join(device.capabilities)}" if device.capabilities else ""
        yield Finding(name, "ok", device.full_name + can)
        reduced = device.precision in ("f16", "bf16")
        if reduced and device.name.startswith("CPU"):
            text = (
                f"computes in {FLOATS[device.precision or '']} unless told otherwise, so that its "
                "pictures differ a little from those of other machines and of float32"
            )
            yield Finding(name, "warning", text, "--precision f32, at some cost in speed")
            if machine.one_thread:
                text = (
                    "has one thread here, with which text encoders in bfloat16 end the process on "
                    "processors with AMX; they are compiled in float32, the other parts are not"
                )
                yield Finding(name, "warning", text, "--precision f32, or two processors")
        elif reduced:
            text = f"computes in {FLOATS[device.precision or '']} unless told otherwise"
            yield Finding(name, "ok", text, "--precision f32 to compare pictures with a CPU's")
        for known in KNOWN_TROUBLE:
            if known.concerns(device, weights):
                yield Finding(name, "warning", known.text, known.remedy)
