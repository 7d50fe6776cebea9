"""One thing at a time in each pipeline: what is set for one generation, another would change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

ADVICE = "use one pipeline per thread"


class OneAtATime:
    """A `with` block that one thread can be in; not even the same one enters it again.

    It may be left by another thread: a generator that ends does so wherever it is collected.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside: set[int] = set()  # the threads that are
        self._advice = ADVICE

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(f"this pipeline is already generating; {self._advice}")
        self._inside.add(threading.get_ident())

    def __exit__(self, *raised: object) -> None:
        self._inside.clear()
        self._lock.release()

    @contextmanager
    def until(self, advice: str) -> Iterator[None]:
        """Enter, and advise those who would enter meanwhile."""
        with self:
            self._advice = advice
            try:
                yield
            finally:
                self._advice = ADVICE

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Count as inside while the block runs, in a thread that works for the one that is."""
        thread = threading.get_ident()
        newly = thread not in self._inside
        self._inside.add(thread)
        try:
            yield
        finally:
            if newly:
                self._inside.discard(thread)

    @contextmanager
    def or_inside(self) -> Iterator[None]:
        """Enter, unless this thread is inside: in a callback, with the models at rest."""
        if threading.get_ident() in self._inside:
            yield
        else:
            with self:
                yield
