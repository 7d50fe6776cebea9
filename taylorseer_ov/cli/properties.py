"""OpenVINO properties: those that are typed, and those that a picture of ours was drawn with."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ..checks import nearest
from .console import MisuseError

# The kinds of `generation.properties.OpenVINOProperties`: OpenVINO takes some wrong values silently
# (2.5 threads) and tells others by a line of its source. It reads any other property's text itself.
CHOICES = {
    "INFERENCE_PRECISION_HINT": ("f32", "f16", "bf16"),
    "EXECUTION_MODE_HINT": ("PERFORMANCE", "ACCURACY"),
    "PERFORMANCE_HINT": ("LATENCY", "THROUGHPUT", "CUMULATIVE_THROUGHPUT"),
    "SCHEDULING_CORE_TYPE": ("ANY_CORE", "PCORE_ONLY", "ECORE_ONLY"),
    "MODEL_PRIORITY": ("LOW", "MEDIUM", "HIGH"),
}
NUMBERS = ("DYNAMIC_QUANTIZATION_GROUP_SIZE", "INFERENCE_NUM_THREADS", "NUM_STREAMS")
SWITCHES = ("ENABLE_CPU_PINNING", "ENABLE_HYPER_THREADING", "ENABLE_MMAP", "PERF_COUNT")
TEXTS = ("CACHE_DIR", "DEVICE_ID")
LISTED = (*CHOICES, *NUMBERS, *SWITCHES, *TEXTS)

YES_OR_NO = {"YES": True, "TRUE": True, "NO": False, "FALSE": False}
# options that are short for a property
PROPERTY_OPTIONS = {"precision": "INFERENCE_PRECISION_HINT", "cache_dir": "CACHE_DIR"}


def properties_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The properties that the options say, then those that they leave to a picture or a file.

    Raises:
        MisuseError: for one that is not KEY=VALUE, has no such value, or is said twice.
    """
    given = read_properties(arguments.property or ())
    for option, name in PROPERTY_OPTIONS.items():
        value = getattr(arguments, option)
        if value is None:
            continue
        if name in given:
            typed = f"--{option.replace('_', '-')}"
            raise MisuseError(f"{typed} and --property {name} say the same; give one of them")
        given[name] = value
    otherwise: dict[str, Any] = arguments.otherwise.get("property", {})
    return otherwise | given


def properties_of_picture(recorded: Mapping[str, str]) -> dict[str, Any]:
    """Those that a picture's recipe has, a stranger's perhaps: none that names a file."""
    given = {}
    for name in (*CHOICES, *NUMBERS, *SWITCHES):
        # a recipe has `str` of the values: PerformanceMode.LATENCY
        text = recorded.get(name, "").rpartition(".")[2]
        with suppress(MisuseError):  # told as a difference, like those that are not listed
            if text:
                given[name] = read_value(name, text)
    return given


def read_properties(texts: Iterable[str]) -> dict[str, Any]:
    """Read texts of the form KEY=VALUE, none of them twice."""
    given: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals):
            raise MisuseError(
                f"--property {text!r} is not KEY=VALUE, such as INFERENCE_NUM_THREADS=4"
            )
        if name in given:
            raise MisuseError(f"--property {name} is said twice; say it once")
        try:
            given[name] = read_value(name, value)
        except MisuseError as error:
            raise MisuseError(f"--property {error}") from None
    return given


def read_value(name: str, text: str) -> Any:
    """Read the value of a property as OpenVINO wants it.

    Raises:
        MisuseError: for a name that is none of OpenVINO's, or a value that this one cannot have.
    """
    if not re.fullmatch("[A-Z][A-Z0-9_]*", name):
        raise MisuseError(
            f"{name}: OpenVINO's names are in capital letters" + nearest(name.upper(), LISTED)
        )
    if name in CHOICES:
        known = {choice.upper(): choice for choice in CHOICES[name]}
        return _one_of(known, name, text, ", ".join(CHOICES[name]))
    if name in SWITCHES:
        return _one_of(YES_OR_NO, name, text, "YES, NO")
    if name in NUMBERS:
        automatic = name == "NUM_STREAMS"
        if automatic and text.upper() == "AUTO":
            return "AUTO"
        if not re.fullmatch("[0-9]{1,9}", text):
            allowed = "a whole number from 0" + ", or AUTO" * automatic
            raise MisuseError(f"{name} must be {allowed}, got {text!r}")
        return int(text)
    return text


def _one_of(known: Mapping[str, Any], name: str, text: str, told: str) -> Any:
    if text.upper() not in known:
        raise MisuseError(f"{name} must be one of {told}, got {text!r}")
    return known[text.upper()]
