"""Warnings that point at the line of the user's program, however deep in the package they arise."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

Warned = tuple[str, type[Warning]]

_PACKAGE = str(Path(__file__).parent) + os.sep
_collecting: ContextVar[list[Warned] | None] = ContextVar("_collecting", default=None)


@contextmanager
def collected_warnings() -> Iterator[list[Warned]]:
    """Collect what this package warns of in this block and thread, instead of telling it."""
    found: list[Warned] = []
    before = _collecting.set(found)
    try:
        yield found
    finally:
        _collecting.reset(before)


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the nearest caller outside this package."""
    collecting = _collecting.get()
    if collecting is not None:
        collecting.append((message, category))
        return
    # warnings.warn has skip_file_prefixes from Python 3.12 on
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
