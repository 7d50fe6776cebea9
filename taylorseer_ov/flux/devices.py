"""Devices as OpenVINO names and describes them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import openvino as ov

from ..checks import known_device

Properties = Mapping[str, Any]


def check_device(device: str) -> None:
    """Check that every device named in `"GPU"`, `"GPU.1"` or `"AUTO:GPU,CPU"` is there.

    Raises:
        ValueError: naming the device and those that are available.
    """
    known_device(device, ov.Core().available_devices)


@functools.cache
def device_name(device: str) -> str:
    """Return what a device is by its maker's name, or `device` itself if it is several."""
    try:
        return str(ov.Core().get_property(device, "FULL_DEVICE_NAME"))
    except RuntimeError:
        return device


def precision_bits(device: str, properties: Properties) -> int:
    """Return the width of the numbers a device computes in; 32 where it does not say."""
    hint = properties.get("INFERENCE_PRECISION_HINT")
    if hint is None:
        try:
            hint = ov.Core().get_property(device, "INFERENCE_PRECISION_HINT")
        except RuntimeError:
            return 32
    return 16 if "16" in str(hint) else 32


def has_own_memory(device: str) -> bool:
    """Whether a device is one that does not work in the system's memory."""
    try:
        return "DISCRETE" in str(ov.Core().get_property(device, "DEVICE_TYPE"))
    except RuntimeError:
        return False
