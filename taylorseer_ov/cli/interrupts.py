"""Ctrl-C and SIGTERM: a generation under way is finished early, everything else ends.

What ends without delay runs `in_thread`, such as the loading of models, which takes minutes inside
of a library: Python handles signals in its main thread only, between two of its operations.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeVar

from ..generation.progress import StopRequest

T = TypeVar("T")
Handler = Callable[[int, FrameType | None], None]
SIGNALS: dict[int, str] = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
INTERRUPTED = 130  # the exit status


class LeftWorkingError(KeyboardInterrupt):
    """Interrupted while a thread works that nothing can stop: the process is to be left."""


@contextmanager
def end_on_interrupt() -> Iterator[None]:
    """Within this block Ctrl-C and SIGTERM are a KeyboardInterrupt, and the second ends at once.

    SIGTERM is what containers, services and `timeout` send.
    """
    come: list[int] = []

    def interrupted(signum: int, frame: FrameType | None) -> None:
        if come:
            os._exit(INTERRUPTED)
        come.append(signum)
        raise KeyboardInterrupt

    with _handled_by(lambda _: interrupted):
        yield


@contextmanager
def stop_on_interrupt(
    promise: str = "finishing this step, then saving what there is",
) -> Iterator[StopRequest]:
    """Within this block Ctrl-C and SIGTERM ask to stop, and the second ends the process at once.

    As long as there is nothing to save, the first does what it does outside of this block.

    Args:
        promise: what a person is told after the first one.
    """
    request = StopRequest()

    def asking(otherwise: Handler) -> Handler:
        def interrupted(signum: int, frame: FrameType | None) -> None:
            if request():
                os._exit(INTERRUPTED)
            if not request.has_begun:
                return otherwise(signum, frame)
            request.ask()
            print(
                f"\ntaylorseer-ov: {promise}; {SIGNALS[signum]} again stops at once",
                file=sys.stderr,
                flush=True,
            )

        return interrupted

    with _handled_by(asking):
        yield request


@contextmanager
def _handled_by(handler: Callable[[Handler], Handler]) -> Iterator[None]:
    """Handle signals within this block, given the handler outside of it.

    In another thread than the main one nothing is changed, since none gets signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {signum: signal.getsignal(signum) for signum in SIGNALS}
    for signum, outer in previous.items():
        signal.signal(signum, handler(outer if callable(outer) else signal.default_int_handler))
    try:
        yield
    finally:
        for signum, outer in previous.items():
            signal.signal(signum, outer)


def in_thread(work: Callable[[], T]) -> T:
    """Run `work` in another thread, so that this one can handle signals; its errors come here.

    Raises:
        LeftWorkingError: after a KeyboardInterrupt, while the thread goes on.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)  # on Windows a join without a limit lets no signal through
    except KeyboardInterrupt:
        raise LeftWorkingError from None
    if errors:
        raise errors[0]
    return results[0]


def leave() -> None:
    """End the process without waiting for threads, which libraries may not survive."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(INTERRUPTED)
