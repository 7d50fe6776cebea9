"""Devices as OpenVINO names and describes them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..checks import known_device

if TYPE_CHECKING:
    import openvino as ov

Properties = Mapping[str, Any]


def device_text(what: str, device: object) -> str:
    """Return a device, given in any case, as OpenVINO writes it; it may not be there.

    Raises:
        TypeError: if it is no text.
        ValueError: if it is an empty one.
    """
    if not isinstance(device, str):
        raise TypeError(f"{what} must be a text such as 'CPU', got {device!r}")
    if not device.strip():
        raise ValueError(f"{what} is an empty text; say CPU, GPU or NPU")
    return device.strip().upper()


def check_device(device: str) -> None:
    """Check that every device named in `"GPU"`, `"GPU.1"` or `"AUTO:GPU,CPU"` is there.

    Raises:
        ValueError: naming the device and those that are available.
    """
    import openvino as ov

    known_device(device, ov.Core().available_devices)


@functools.cache
def device_name(device: str) -> str:
    """Return what a device is by its maker's name, or `device` itself if it is several."""
    import openvino as ov

    try:
        return str(ov.Core().get_property(device, "FULL_DEVICE_NAME"))
    except RuntimeError:
        return device


def precision_bits(device: str, properties: Properties) -> int:
    """Return the width of the numbers a device computes in; 32 where it does not say."""
    import openvino as ov

    hint = properties.get("INFERENCE_PRECISION_HINT")
    if hint is None:
        try:
            hint = ov.Core().get_property(device, "INFERENCE_PRECISION_HINT")
        except RuntimeError:
            return 32
    return bits_of(hint)


def bits_of(precision: object) -> int:
    """Return the width of `"f16"`, `"bf16"` or `"f32"`, an `openvino.Type` too; else 32."""
    return 16 if "16" in str(precision) else 32


def compile_smallest(device: str, properties: Properties) -> ov.CompiledModel:
    """Compile a model of one operation: only then OpenVINO tells what it makes of properties.

    Raises:
        RuntimeError, TypeError, ValueError: if it does not take them.
    """
    import numpy as np
    import openvino as ov
    from openvino import opset13

    values = opset13.parameter([1], np.float32)
    model = ov.Model([opset13.relu(values)], [values], "smallest")
    return ov.Core().compile_model(model, device, dict(properties))


def has_own_memory(device: str) -> bool:
    """Whether a device is one that does not work in the system's memory."""
    import openvino as ov

    try:
        return "DISCRETE" in str(ov.Core().get_property(device, "DEVICE_TYPE"))
    except RuntimeError:
        return False
