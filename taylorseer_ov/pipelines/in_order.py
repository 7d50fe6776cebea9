"""Work done by several threads, whose results come in the order in which it was asked for."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Between two looks at whether the program has ended. On Windows a wait without a limit lets no
# signal through.
LOOK_S = 0.1


class InOrder(Generic[T, R]):
    """Threads that work on a few items at a time, as results are asked for.

    Args:
        work: makes a result of an item, in one of the threads.
        threads: how many there are.
        ahead: items at most that are taken and whose results are not yet asked for.
        stop: asked before each item whether to begin none any more.
    """

    def __init__(
        self, work: Callable[[T], R], threads: int, ahead: int, stop: Callable[[], bool]
    ) -> None:
        self._work, self._ahead, self._stop = work, ahead, stop
        self._tasks = queue.SimpleQueue[tuple[Future[R], T] | None]()
        self._taking = threading.Lock()  # or an item might begin that comes after one that did not
        self._ended = threading.Event()
        self._asking = threading.current_thread()
        self._threads = [
            threading.Thread(target=self._run, name=f"taylorseer_ov picture {number}")
            for number in range(1, threads + 1)
        ]

    def over(self) -> bool:
        """Whether nobody waits for results any more: those under way may be left as they are."""
        if threading.main_thread().is_alive():
            return self._ended.is_set()
        # the program ends, and waits for all threads but daemons
        return self._ended.is_set() or self._asking.daemon or not self._asking.is_alive()

    def results(self, items: Iterable[T]) -> Generator[Future[R], None, None]:
        """Yield what becomes of each item, done, up to the first that was not begun.

        Items are taken in the thread that asks. At the end, whatever it is, so do the threads.
        """
        waiting: deque[Future[R]] = deque()
        started: list[threading.Thread] = []
        try:
            for thread in self._threads:
                thread.start()
                started.append(thread)
            for item in items:
                waiting.append(Future())
                self._tasks.put((waiting[-1], item))
                if len(waiting) == self._ahead:
                    if not self._was_begun(waiting[0]):
                        return
                    yield waiting.popleft()
                if self._stop():
                    break
            while waiting and self._was_begun(waiting[0]):
                yield waiting.popleft()
        finally:
            self._ended.set()
            for _ in started:
                self._tasks.put(None)
            for thread in started:
                if thread is not threading.current_thread():  # any collects garbage
                    thread.join()

    def _was_begun(self, future: Future[R]) -> bool:
        """Wait until an item is done; False if it was not begun."""
        self._asking = threading.current_thread()
        while not wait([future], LOOK_S).done and not self.over():
            pass
        return future.done() and not future.cancelled()

    def _run(self) -> None:
        while not self.over():
            with self._taking:
                try:
                    task = self._tasks.get(timeout=LOOK_S)
                except queue.Empty:
                    continue
                if task is None:
                    return
                future, item = task
                if self._stop() or self.over():
                    future.cancel()
                if not future.set_running_or_notify_cancel():
                    continue
            try:
                future.set_result(self._work(item))
            except BaseException as error:  # one that is to end the program, too
                future.set_exception(error)
            del task, future, item  # what was drawn is large
