"""One generation at a time in each pipeline: tokenizers and models serve no two threads at once."""

from __future__ import annotations

import threading


class OneAtATime:
    """A `with` block that one thread can be in; not even the same one enters it again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("this pipeline is already generating; use one pipeline per thread")

    def __exit__(self, *raised: object) -> None:
        self._lock.release()
