"""OpenVINO's properties, refused before a model is read where no device would take them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..checks import nearest
from .devices import Properties, compile_smallest

OTHERS = ("adapters",)  # not OpenVINO's
# what every device takes, whether or not it lists it; no trial compilation is to fill this folder
OF_ALL_DEVICES = ("CACHE_DIR",)
OF_OPENVINO = ("CACHE_DIR", "CACHE_MODE", "ENABLE_MMAP")  # not in a device's own list


def check_property_names(names: Iterable[str], arguments: Iterable[str]) -> None:
    """Check that keywords are properties, which have no small letters.

    Args:
        names: keywords that are none of the arguments of what was called.
        arguments: those it has, properties that people often give among them.

    Raises:
        TypeError: naming the one that has, and what it is nearly.
    """
    arguments = list(arguments)
    for name in names:
        if name == name.upper() or name in OTHERS:
            continue
        if name in arguments:
            raise TypeError(f"{name} is an argument of its own, and no property of a config")
        end = nearest(name, arguments)
        if end == ".":
            end = nearest(name.upper(), arguments)
        raise TypeError(
            f"unknown argument {name!r}{end} OpenVINO's properties, such as CACHE_DIR, are "
            "written in capitals"
        )


def check_properties(
    devices: Iterable[str] | None, properties: Properties, arguments: Iterable[str] = ()
) -> None:
    """Check that devices take properties.

    Args:
        devices: those to be compiled for; None if they are not chosen yet, so that it is enough if
            one of this machine's takes them.
        arguments: as `check_property_names` takes them.

    Raises:
        TypeError: as `check_property_names` does.
        ValueError: naming the property that OpenVINO refuses for a model of one operation.
    """
    check_property_names(properties, arguments)
    asked = {
        name: value
        for name, value in properties.items()
        if name not in OTHERS and name not in OF_ALL_DEVICES
    }
    if not asked:
        return
    if devices is None:
        obstacles = [_obstacle(device, asked) for device in _available()]
        refused = None if None in obstacles else obstacles[0]
    else:
        found = (_obstacle(device, asked) for device in dict.fromkeys(devices))
        refused = next((obstacle for obstacle in found if obstacle is not None), None)
    if refused is not None:
        raise ValueError(refused)


def _available() -> list[str]:
    import openvino as ov

    return list(ov.Core().available_devices)


def _obstacle(device: str, properties: Properties) -> str | None:
    """Why a device does not take them, None if it does, or if not they are the obstacle."""
    if _is_taken_by_a_plugin(device, properties) or _refusal(device, properties) is None:
        return None
    if _refusal(device, {}) is not None:
        return None
    for name, value in properties.items():
        reason = _refusal(device, {name: value})
        if reason is not None:
            supported = _supported(device)
            misspelt = name in reason and name not in supported
            known = [*supported, *OF_OPENVINO]
            end = nearest(name, known) if misspelt else f": {reason}"
            return f"OpenVINO's {device} does not take the property {name}={value!r}{end}"
    return None


def _is_taken_by_a_plugin(device: str, properties: Properties) -> bool:
    """Whether the plugin of a device takes them for all models: quick, and not the last word."""
    import openvino as ov

    core = ov.Core()
    try:
        core.set_property(device, dict(properties))
        core.get_property(device, "SUPPORTED_PROPERTIES")  # only now is the plugin asked
    except (RuntimeError, TypeError, ValueError):
        return False
    return True


def _refusal(device: str, properties: Properties) -> str | None:
    """Why OpenVINO does not compile a model of one operation like this, None if it does."""
    try:
        compile_smallest(device, properties)
    except (RuntimeError, TypeError, ValueError) as error:
        return str(error).strip().splitlines()[-1]
    return None


def _supported(device: str) -> list[str]:
    import openvino as ov

    supported: Any = ov.Core().get_property(device.partition(":")[0], "SUPPORTED_PROPERTIES")
    return list(supported)
