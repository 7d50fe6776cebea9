"""Devices as people type them: one for all parts, or one for each."""

from __future__ import annotations

import re

from .console import MisuseError

DEVICE_NAMES = ("text", "transformer", "vae")
DEVICE_FORMS = "GPU, AUTO:GPU,CPU or text=CPU,transformer=GPU,vae=GPU"
LISTS = re.compile(r"\s*(AUTO|HETERO|MULTI):", re.IGNORECASE)


def parse_devices(text: str) -> tuple[str, str, str]:
    """Read `GPU` or `text=CPU,transformer=GPU,vae=GPU`; parts that are not named run on the CPU."""
    if "=" not in text and text.partition(":")[0].strip().lower() not in DEVICE_NAMES:
        _check_one_device(text, text)
        return text, text, text
    named: dict[str, str] = {}
    for item in re.split(r",(?=[^,]*=)", text):  # not the commas of AUTO:GPU,CPU
        name, _, device = (word.strip() for word in item.partition("="))
        if name not in DEVICE_NAMES or not device:
            raise MisuseError(
                f"--device {text!r}: {item!r} is not PART=DEVICE, PART being one of "
                f"{', '.join(DEVICE_NAMES)}; say it like {DEVICE_FORMS}"
            )
        if name in named:
            raise MisuseError(f"--device {text!r} names {name} twice")
        _check_one_device(text, device)
        named[name] = device
    text_device, transformer, vae = (named.get(name, "CPU") for name in DEVICE_NAMES)
    return text_device, transformer, vae


def _check_one_device(text: str, device: str) -> None:
    if not device.strip() or ";" in device or ("," in device and not LISTS.match(device)):
        raise MisuseError(
            f"--device {text!r}: {device!r} is not one device; say it like {DEVICE_FORMS}"
        )
