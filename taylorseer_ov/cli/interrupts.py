"""Ctrl-C and SIGTERM during a generation."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from ..generation.progress import StopRequest

T = TypeVar("T")
SIGNALS: dict[int, str] = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


@contextmanager
def stop_on_interrupt(
    promise: str = "finishing this step, then saving what there is",
) -> Iterator[StopRequest]:
    """Within this block Ctrl-C asks to stop, and a second Ctrl-C ends the process at once.

    So does SIGTERM, which containers, services and `timeout` send.

    Args:
        promise: what a person is told after the first one.

    Python handles signals in the main thread between two of its operations. A native generation
    is one long operation, so run it with `in_thread`.
    """
    request = StopRequest()

    def interrupted(signum: int, frame: FrameType | None) -> None:
        if request():
            os._exit(130)
        request.ask()
        print(
            f"\ntaylorseer-ov: {promise}; {SIGNALS[signum]} again stops at once",
            file=sys.stderr,
            flush=True,
        )

    previous = {signum: signal.signal(signum, interrupted) for signum in SIGNALS}
    try:
        yield request
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)


def in_thread(work: Callable[[], T]) -> T:
    """Run `work` in another thread, so that this one can handle signals; its errors come here."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)  # on Windows a join without a limit lets no signal through
    if errors:
        raise errors[0]
    return results[0]
