"""How far a picture is: a bar in a terminal, a line now and then in a file, events for programs.

Nothing is shown before there is work to wait for. Loading is told apart from drawing, and takes no
part in the time that is left.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..generation.progress import TimeLeft

LINES = 10  # at most, for a picture, where there is no terminal
SHORTEST_S = 1.0  # between two of them
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} runs{postfix}"


class Tenths:
    """Tell when a line is due: at most one every tenth, and none within a second of the last."""

    def __init__(self) -> None:
        self._told, self._told_s = 0, time.perf_counter()

    def is_due(self, done: int, of: int) -> bool:
        """Return whether to say that so much is done."""
        now_s, share = time.perf_counter(), LINES * done // max(of, 1)
        if share <= self._told or now_s < self._told_s + SHORTEST_S:
            return False
        self._told, self._told_s = share, now_s
        return True


class Waiting:
    """The display of one picture. Called as (transformer runs done, runs in all), it shows these.

    Args:
        title: what is drawn.
        decoding_s: what the VAE took for the picture before.
        tell: called with what programs are told, a name and values.
        is_shown: whether people are shown anything.
    """

    def __init__(
        self, title: str, decoding_s: float | None, tell: Callable[..., None], is_shown: bool
    ) -> None:
        self._title, self._decoding_s = title, decoding_s
        self._tell, self._is_shown = tell, is_shown
        self._bar: Any = None
        self._left: TimeLeft | None = None
        self._done, self._runs, self._loading_s = 0, 0, 0.0
        self._tenths = Tenths()

    @contextmanager
    def loading(self, model: str) -> Iterator[None]:
        """Show within this block that a model, or a part of one, is loaded."""
        begin_s = time.perf_counter()
        self._tell("loading", model=model)
        if self._is_shown and _is_terminal():
            self._show_bar(desc=f"loading {model}", bar_format="{desc} ...", leave=False)
        elif self._is_shown:
            _write(f"loading {model}")
        try:
            yield
        finally:
            self._loading_s += time.perf_counter() - begin_s
            if self._left is not None:
                self.begin(self._runs)

    def begin(self, runs: int) -> None:
        """Show that drawing begins now, or goes on after a part was loaded.

        Args:
            runs: how many of the transformer are expected.
        """
        from ..generation.progress import TimeLeft

        if self._done == 0:  # what came before the last load is no measure of the runs to come
            self._left = TimeLeft(lambda: time.perf_counter() - self._loading_s, self._decoding_s)
            self._tenths = Tenths()
        self._runs = runs
        if self._is_shown and _is_terminal():
            self._show_bar(desc=self._title, bar_format=BAR, total=runs, initial=self._done)

    def __call__(self, done: int, runs: int) -> None:
        """Show the transformer runs done and the time left, which forecasts hardly take any of."""
        seconds = None if self._left is None else self._left.after(done, runs)
        told = "" if seconds is None else f"{seconds:.0f} s left"
        self._done, self._runs = done, runs
        if self._bar is not None:
            self._bar.total = runs
            self._bar.set_postfix_str(told, refresh=False)
            self._bar.update(done - self._bar.n)
        elif self._is_shown and self._tenths.is_due(done, runs):
            _write(f"{self._title}: {done} of {runs} runs{told and ', '}{told}")
        self._tell("progress", title=self._title, runs=done, of=runs, seconds_left=seconds)

    def close(self) -> None:
        """Let what was shown stand."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _wipe(self) -> None:
        if self._bar is not None:
            self._bar.leave = False
        self.close()

    def _show_bar(self, **looks: Any) -> None:
        from tqdm import tqdm

        # of a terminal that tells no size, as in some containers, tqdm would show nothing
        size = shutil.get_terminal_size()
        self._wipe()
        self._bar = tqdm(file=sys.stderr, ncols=size.columns - 1, nrows=size.lines, **looks)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _write(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
