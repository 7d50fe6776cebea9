"""What is cached: the options, and what is made of them."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ..caching.config import TaylorSeerCacheConfig
from .console import MisuseError
from .options import Collect

Cache = TaylorSeerCacheConfig | str | None

NATIVE_OPTIONS = (
    "cache_interval",
    "disable_cache_before_step",
    "disable_cache_after_step",
    "max_order",
)


def add_cache_options(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Which steps run the transformer."""
    native = TaylorSeerCacheConfig()
    default = "" if several else "the model's default: unless the model names another, "
    group = parser.add_argument_group("caching")
    group.add_argument(
        "--cache",
        metavar="NAME",
        nargs="+" if several else None,
        action=Collect if several else "store",
        help="high, balanced or fast, a file with a cache plan, or off; without it, "
        f"{default}TaylorSeer Lite with the following",
    )
    for name, explanation in zip(
        NATIVE_OPTIONS,
        (
            "after the warm-up the transformer runs once every so many steps",
            "so many first steps always run it",
            "from this step on it always runs; negative values count from the end",
            "derivatives in a forecast",
        ),
        strict=True,
    ):
        group.add_argument(
            "--" + name.replace("_", "-"),
            type=int,
            metavar="N",
            help=f"{explanation} (default: {getattr(native, name)})",
        )


def cache_of(arguments: argparse.Namespace, start: object = None) -> dict[str, Cache]:
    """The setting that the options make of what is cached, empty if none of them is given.

    Args:
        start: what the options of single fields change, where it is a TaylorSeer configuration.
    """
    if arguments.cache is not None:
        _check_no_fields(arguments)
        return {"cache": _named_cache(arguments.cache)}
    given = {name: getattr(arguments, name) for name in NATIVE_OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    config = start if isinstance(start, TaylorSeerCacheConfig) else TaylorSeerCacheConfig()
    return {"cache": replace(config, **given)} if given else {}


def caches_of(arguments: argparse.Namespace) -> list[Cache]:
    """All that `--cache` names, or else the TaylorSeer configuration of the other options."""
    if arguments.cache is not None:
        _check_no_fields(arguments)
        return [_named_cache(name) for name in arguments.cache]
    return [cache_of(arguments).get("cache", TaylorSeerCacheConfig())]


def _check_no_fields(arguments: argparse.Namespace) -> None:
    """Refuse, beside `--cache`, the options that would be of no effect."""
    given = [name for name in NATIVE_OPTIONS if getattr(arguments, name) is not None]
    if given:
        raise MisuseError(
            f"--{given[0].replace('_', '-')} is for TaylorSeer Lite, which is what draws without "
            "--cache; leave one of the two out"
        )


def _named_cache(name: str) -> str | None:
    return None if name == "off" else name
