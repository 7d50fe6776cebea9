"""What is cached: the options, and what is made of them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from ..caching.config import TaylorSeerCacheConfig
from .console import MisuseError
from .options import Collect

if TYPE_CHECKING:
    from ..caching.decision import Cache as Cache

NATIVE_OPTIONS = (
    "cache_interval",
    "disable_cache_before_step",
    "disable_cache_after_step",
    "max_order",
)
# what decides is one of these
WAYS_OF_CACHING = (("cache",), ("tolerance",), NATIVE_OPTIONS)


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
    group.add_argument(
        "--tolerance",
        type=float,
        metavar="ERROR",
        help="instead of all these, run it when forecasts would become worse than that: 0.001 is "
        "hardly visible, 0.01 is",
    )
    group.add_argument(
        "--limit", type=int, metavar="N", help="forecast no more than N steps in a row"
    )


def cache_of(arguments: argparse.Namespace, start: object = None) -> dict[str, Cache]:
    """The setting that the options make of what is cached, empty if none of them is given.

    Args:
        start: what caches without them, which the options of single fields change, where it is a
            TaylorSeer configuration.
    """
    _check_one_choice(arguments)
    return _limited(_chosen(arguments, arguments.cache, start), start, arguments)


def caches_of(arguments: argparse.Namespace) -> list[Cache]:
    """All that `--cache` names, or else what the other options make of TaylorSeer Lite."""
    _check_one_choice(arguments)
    start = TaylorSeerCacheConfig()
    return [
        _limited(_chosen(arguments, name, start), start, arguments).get("cache", start)
        for name in arguments.cache or [None]
    ]


def name_of(cache: Cache) -> str:
    """What a table calls it."""
    from ..caching.error_control import ErrorControl
    from ..caching.presets import LimitedPreset

    match cache:
        case None:
            return "off"
        case ErrorControl():
            return f"tolerance {cache.tolerance:g}"
        case LimitedPreset():
            return f"{cache.preset}, limit {cache.limit}"
        case str():
            return cache
    return "taylorseer"


def _chosen(arguments: argparse.Namespace, name: str | None, start: object) -> dict[str, Cache]:
    """What is cached without a limit, empty if nothing says so."""
    from ..caching.error_control import ErrorControl

    if name is not None:
        return {"cache": None if name == "off" else name}
    if arguments.tolerance is not None:
        return {"cache": ErrorControl(arguments.tolerance)}
    given = {field: getattr(arguments, field) for field in NATIVE_OPTIONS}
    given = {field: value for field, value in given.items() if value is not None}
    config = start if isinstance(start, TaylorSeerCacheConfig) else TaylorSeerCacheConfig()
    return {"cache": replace(config, **given)} if given else {}


def _limited(
    chosen: dict[str, Cache], start: object, arguments: argparse.Namespace
) -> dict[str, Cache]:
    from ..caching.limit import limit_forecasts

    if arguments.limit is None:
        return chosen
    limited = limit_forecasts(chosen.get("cache", start), arguments.limit)
    # where nothing is forecast there is nothing to ask for
    return chosen if limited is None else {"cache": limited}


def _check_one_choice(arguments: argparse.Namespace) -> None:
    """Refuse options beside others that leave them without effect."""
    given = [
        name for names in WAYS_OF_CACHING for name in names if getattr(arguments, name) is not None
    ]
    for name in given[1:]:
        if not {given[0], name} <= {*NATIVE_OPTIONS}:
            kind = "an error control" if name == "tolerance" else "TaylorSeer Lite"
            raise MisuseError(
                f"--{name.replace('_', '-')} is for {kind}, which is what draws without "
                f"--{given[0]}; leave one of the two out"
            )
