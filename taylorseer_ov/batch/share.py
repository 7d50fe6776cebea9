"""Which lines are a process's to draw, and how long they will take it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from .checking import CheckedLine, Window

BatchProgress = Callable[[str, int, int, float], None]
"""Called as (stage, lines done, of how many, seconds left) when a line is done."""


@dataclass(frozen=True)
class Share:
    """Which lines are a process's to draw.

    Attributes:
        first, shards: every `shards`-th line, from the `first` on, counted from 1.
        length_hint: how many lines the input has, those of others included; 0 if nobody knows.
    """

    first: int
    shards: int
    length_hint: int

    def has(self, line: CheckedLine) -> bool:
        """Whether a line is among them."""
        return line.index % self.shards == self.first - 1

    def after(self, window: Window) -> int:
        """How many are likely to come after a window."""
        return 0 if window.is_last else max(0, self.length_hint - window.read) // self.shards


class _Pace:
    """Seconds that a unit of work takes, without the first round if possible: it warms up.

    Args:
        streams: lines that are drawn at once. They end together, so that one of them alone, which
            is told with the seconds since the one before, says little: they are a round.
    """

    def __init__(self, streams: int) -> None:
        self._streams = streams
        self._round: list[tuple[int, float]] = []
        self._first, self._later = (0, 0.0), (0, 0.0)

    def add(self, work: int, seconds: float) -> None:
        """Count a line."""
        self._round.append((work, seconds))
        if len(self._round) < self._streams:
            return
        if self._first[0]:
            self._round.append(self._later)
            self._later = _sum(self._round)
        else:
            self._first = _sum(self._round)
        self._round = []

    @property
    def seconds(self) -> float:
        """Seconds of a unit, of the lines so far."""
        for work, spent_s in (self._later, self._first):
            if work:
                return spent_s / work
        work, spent_s = _sum(self._round)
        return spent_s / work * len(self._round) / self._streams


def _sum(lines: list[tuple[int, float]]) -> tuple[int, float]:
    return sum(work for work, _ in lines), sum(spent_s for _, spent_s in lines)


def progress_of(
    progress: BatchProgress | None,
    stage: str,
    lines: list[CheckedLine],
    before: int,
    after: int,
    streams: int = 1,
) -> Callable[[int, CheckedLine, float], None]:
    """Return what is called with a line's number among these, it, and its seconds at its end.

    Args:
        before, after: lines that came before these, and are likely to come after them.
        streams: how many of them are drawn at once.
    """
    done = list(accumulate(line.work for line in lines))
    work = done[-1] if done else 0
    total = work + after * work / max(1, len(lines))
    pace = _Pace(streams)

    def tell(number: int, line: CheckedLine, seconds: float) -> None:
        pace.add(line.work, seconds)
        if progress is not None:
            left = (total - done[number - 1]) * pace.seconds
            progress(stage, before + number, before + len(lines) + after, left)

    return tell
