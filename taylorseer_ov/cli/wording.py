"""Say what the library says of its arguments by the options that were typed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from .console import MisuseError

# by the name that an argument or a field has in Python
OPTIONS = {
    "num_inference_steps": "--steps",
    "transformer_runs": "--runs",
    "first_seed": "--seed",
    "rng_seed": "--seed",
    "width": "--width",
    "height": "--height",
    "guidance_scale": "--guidance",
    "strength": "--strength",
    "max_sequence_length": "--max-sequence-length",
    "cache": "--cache",
    "cache_interval": "--cache-interval",
    "disable_cache_before_step": "--disable-cache-before-step",
    "disable_cache_after_step": "--disable-cache-after-step",
    "max_order": "--max-order",
    "backend": "--backend",
}
_ARGUMENT = re.compile(
    rf"\b(?P<name>{'|'.join(OPTIONS)})\b(?:=(?P<value>'[^']*'|[-+]?\w+(?:\.\w+)*))?"
)


@contextmanager
def typed() -> Iterator[None]:
    """Turn what is refused or warned of meanwhile into sentences about options.

    For what the command line alone has asked for: a field of a file keeps the name that it has.
    """
    show = warnings.showwarning
    warnings.showwarning = lambda message, category, *rest, **more: show(
        category(in_options(str(message))), category, *rest, **more
    )
    try:
        yield
    except (ValueError, TypeError) as error:
        sentence = in_options(str(error))
        if sentence == str(error):
            raise
        raise MisuseError(sentence) from error
    finally:
        warnings.showwarning = show


def in_options(sentence: str) -> str:
    """Return a sentence with options in place of Python's names, and of `name=value`."""
    return _ARGUMENT.sub(_option, sentence)


def _option(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    if value is not None:
        is_word = re.fullmatch(r"'[\w.-]+'", value)
        return f"{OPTIONS[name]} {value[1:-1] if is_word else value}"
    # others are words that a sentence may have for what they say
    is_name = "_" in name or found.string.startswith(" must", found.end())
    return OPTIONS[name] if is_name else name
