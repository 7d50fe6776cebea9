"""One thing at a time in each pipeline: tokenizers and models serve no two threads at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class OneAtATime:
    """A `with` block that one thread can be in; not even the same one enters it again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside: int | None = None  # the thread that is

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("this pipeline is already generating; use one pipeline per thread")
        self._inside = threading.get_ident()

    def __exit__(self, *raised: object) -> None:
        self._inside = None
        self._lock.release()

    @contextmanager
    def or_inside(self) -> Iterator[None]:
        """Enter, unless this thread is inside: in a callback, with the models at rest."""
        if self._inside == threading.get_ident():
            yield
        else:
            with self:
                yield
