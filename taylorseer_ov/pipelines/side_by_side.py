"""Loading two models at a time, where there is processor and memory for it.

OpenVINO compiles a model in one thread for the most part, and the transformer takes longer than the
other parts together. Beside what stays in the end a model takes room while it is compiled, which is
why weights that fill the memory are loaded one after the other.
"""

from __future__ import annotations

import locale
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from ..flux.folder import FluxFolder
from ..flux.one_thread import usable_processors
from ..generation.memory import PARTS, available_bytes

T = TypeVar("T")
ROOM = 4  # times the size of the weight files; float16 doubles where float32 is computed in


def side_by_side(longest: Callable[[], T], *others: Callable[[], T]) -> list[T]:
    """Do `longest` here and the others in a thread beside it, one after the other.

    Returns:
        What they return, in this order.

    Raises:
        Exception: what one of them raises, when no other is under way any more.
    """
    with _same_locale(), ThreadPoolExecutor(1) as thread:
        beside = [thread.submit(other) for other in others]
        try:
            return [longest(), *(other.result() for other in beside)]
        except BaseException:
            for other in beside:
                other.cancel()
            raise


@contextmanager
def _same_locale() -> Iterator[None]:
    """Put the process's locale back: two threads in OpenVINO may each take the other's for it.

    It sets the locale C while it makes a file for `CACHE_DIR`, and then the one that it found.
    """
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        if locale.setlocale(locale.LC_ALL) != before:
            locale.setlocale(locale.LC_ALL, before)


def one_by_one(*tasks: Callable[[], T]) -> list[T]:
    """Do the same without a thread."""
    return [task() for task in tasks]


def way_of_loading(folder: FluxFolder) -> Callable[..., list[Any]]:
    """Return `side_by_side`, or `one_by_one` where that has too little memory or one processor."""
    free_bytes = available_bytes()
    weights = (folder.part(part) / "openvino_model.bin" for part in PARTS)
    needed = ROOM * sum(path.stat().st_size for path in weights)
    if free_bytes is None or needed > free_bytes or usable_processors() < 2:
        return one_by_one
    return side_by_side
