"""Checks of values, whose errors say what is allowed."""

from __future__ import annotations

import difflib
import numbers
import operator
import re
from collections.abc import Container, Iterable, Sequence
from typing import Any


def text(name: str, value: Any) -> str:
    """Return `value`.

    Raises:
        TypeError: if it is not a text.
        ValueError: if it has halves of surrogate pairs, which no encoding knows.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, got {value!r:.80}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is not valid Unicode: {error}") from None
    return value


def whole_number(
    name: str, value: Any, minimum: int | None = None, maximum: int | None = None
) -> int:
    """Return `value` as an int.

    Raises:
        TypeError: if it is not a whole number (a bool is not).
        ValueError: if it lies outside `minimum` to `maximum`, both inclusive.
    """
    if minimum is None:
        allowed = ""
    else:
        allowed = f" of at least {minimum}" if maximum is None else f" from {minimum} to {maximum}"
    try:
        number = operator.index(value)
    except TypeError:  # arrays and classes have an `__index__` too
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number{allowed}, got {value!r:.80}")
    if (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
        raise ValueError(f"{name} must be a whole number{allowed}, got {number!s:.80}")
    return number


def number(name: str, value: Any) -> float:
    """Return `value` as it is, or a float of what is a number of another library.

    Raises:
        TypeError: if it is not a number (a bool is not).
        ValueError: for a whole number that is too large for a float.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r:.80}")
    try:
        as_float = float(value)
    except OverflowError:
        raise ValueError(f"{name} must be finite, got a number of hundreds of digits") from None
    return value if isinstance(value, int | float) else as_float


def true_or_false(name: str, value: Any) -> bool:
    """Return `value` as a bool; numpy's may be given.

    Raises:
        TypeError: if it is something else.
    """
    kind = type(value)
    if kind is not bool and (kind.__module__, kind.__name__.rstrip("_")) != ("numpy", "bool"):
        raise TypeError(f"{name} must be True or False, got {value!r:.80}")
    return bool(value)


def exact_names(what: str, values: Any, names: Iterable[str]) -> None:
    """Check that `values` is a dictionary with these names and no others.

    Raises:
        ValueError: naming those that there are.
    """
    expected = list(names)
    if not isinstance(values, dict) or set(values) != set(expected):
        found = ", ".join(map(str, values)) if isinstance(values, dict) else repr(values)
        raise ValueError(f"its {what} must have {', '.join(expected)}, not {found:.200}")


def of_kind(name: str, value: Any, kind: type) -> None:
    """Check what a value from a stranger is.

    Raises:
        TypeError: if it is of another kind, with its beginning.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} is wrong: {value!r:.80}")


def known_fields(what: str, values: Iterable[object], names: Sequence[str]) -> None:
    """Check that `values` has no other keys than `names`.

    Raises:
        ValueError: naming those, what they were read for, and all names.
    """
    unknown = sorted(repr(key) for key in set(values) - set(names))
    if unknown:
        raise ValueError(
            f"unknown field {', '.join(unknown)} in {what}; its fields are {', '.join(names)}"
        )


def known_settings(names: Iterable[str], accepted: Container[str], told: Sequence[str]) -> None:
    """Check that names are accepted as settings.

    Raises:
        TypeError: naming the first that is not, the one of `told` that is nearly it, and all these.
    """
    for name in names:
        if name not in accepted:
            raise TypeError(
                f"unknown setting {name!r}{nearest(str(name), told)} Known: {', '.join(told)}"
            )


def nearest(name: str, names: Iterable[str]) -> str:
    """End a sentence about an unknown name: with the one of `names` that is nearly it, if any."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {near[0]!r}?" if near else "."


def known_device(device: str, available: Sequence[str]) -> list[str]:
    """Return the plain devices named in `"GPU"`, `"GPU.1"` or `"AUTO:GPU,CPU"`.

    Raises:
        ValueError: naming one that is not available, and those that are; and for MULTI.
    """
    device = device.strip().upper()
    prefix, colon, listed = device.partition(":")
    if prefix == "MULTI":
        raise ValueError(
            f"device {device!r} is not used: MULTI shares requests out among devices, of which a "
            "pipeline makes one at a time, and gives a processor's requests one thread each, with "
            f"which bfloat16 on AMX ends the process; say {listed or 'CPU'!r}, or AUTO:"
            f"{listed or 'CPU'}"
        )
    if not colon and re.search("[,;]", device):
        raise ValueError(
            f"device {device!r} is not one device; AUTO:{device.replace(';', ',')} leaves the "
            "choice among them to OpenVINO"
        )
    if colon and prefix not in ("AUTO", "HETERO", "BATCH"):
        raise ValueError(
            f"device {device!r} is no device: AUTO, HETERO and BATCH are followed by a colon, the "
            "name of a device by a dot and its number, as in GPU.1"
        )
    named = listed.split(",") if colon else [device]
    if prefix in ("AUTO", "HETERO", "BATCH"):
        named = [name for name in named if name not in ("AUTO", "")]
    plain = [re.sub(r"\(.*\)$", "", name.strip().lstrip("-")) for name in named]
    for name in plain:
        if not any(name == known or name == known.partition(".")[0] for known in available):
            raise ValueError(
                f"unknown device {name!r}; available here: {', '.join(available)} "
                "(a missing Intel GPU or NPU usually lacks its driver)"
            )
    return plain
