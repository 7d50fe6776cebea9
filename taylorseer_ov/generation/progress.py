"""How long a generation will still take, and how it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable

SHORT_RUN_S = 1.0


class TimeLeft:
    """Estimate the seconds that are left from the transformer runs done.

    Forecast steps take next to nothing, so time goes by runs, not by steps. The first run warms up
    memory and kernels, and is counted only until there is another.

    Args:
        clock: tells the time in seconds.
        decoding_s: what the VAE takes after the last step, such as it took for the picture before;
            one more run if that is not known.
    """

    def __init__(self, clock: Callable[[], float], decoding_s: float | None = None) -> None:
        self._clock, self._decoding_s = clock, decoding_s
        self._begin_s = clock()
        self._first: tuple[int, float] | None = None

    def after(self, done: int, runs: int) -> float | None:
        """Return the seconds left after `done` of `runs` transformer runs, None if not known.

        That is before the first run, and after it if it was short: then the encoding of the prompt
        and the warming up, which it is told with, are most of it, and there is soon a second. Runs
        may be left out between two calls.
        """
        now_s = self._clock()
        if done < 1:
            return None
        if self._first is None:
            self._first = done, now_s
            run_s = (now_s - self._begin_s) / done
            if run_s < SHORT_RUN_S:
                return None
        else:
            first_done, first_s = self._first
            if done <= first_done:
                return None
            run_s = (now_s - first_s) / (done - first_done)
        decoding_s = run_s if self._decoding_s is None else self._decoding_s
        return run_s * max(runs - done, 0) + decoding_s


class StopRequest:
    """Whether a person has asked to stop; call it to know.

    Attributes:
        has_begun: whether there is something that stopping could save.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.has_begun = False

    def __call__(self) -> bool:
        return self._asked.is_set()

    def ask(self) -> None:
        """Ask to stop after the step that is under way."""
        self._asked.set()

    def begin(self) -> None:
        """Say that there is something now that stopping could save."""
        self.has_begun = True
