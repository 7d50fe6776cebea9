"""What a command says: to people in lines, to programs in JSON lines, and how long it will take."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class MisuseError(Exception):
    """Something about the command line that only looking at the machine shows."""


class Console:
    """Lines for people on stdout, or events for programs, one JSON object a line.

    Warnings, errors and progress go to stderr, and are events as well.
    """

    def __init__(self, json: bool, quiet: bool) -> None:
        self.json, self.quiet = json, quiet

    def say(self, text: object) -> None:
        """Tell people something."""
        if not (self.json or self.quiet):
            print(text, flush=True)

    def event(self, name: str, **values: Any) -> None:
        """Tell programs something."""
        if self.json:
            print(json.dumps({"event": name} | values), flush=True)

    def warn(self, message: str) -> None:
        """Warn both."""
        self.event("warning", message=message)
        if not self.quiet:
            print(f"taylorseer-ov: warning: {_one_line(message)}", file=sys.stderr, flush=True)

    def fail(self, message: str, status: int) -> None:
        """Tell both what went wrong."""
        self.event("error", message=message, status=status)
        print(f"taylorseer-ov: error: {_one_line(message)}", file=sys.stderr, flush=True)

    @contextmanager
    def progress(
        self, title: str, decoding_s: float | None = None
    ) -> Iterator[Callable[[int, int], None]]:
        """Show the transformer runs done and the time left, which forecasts hardly take any of."""
        from tqdm import tqdm

        from ..generation.progress import TimeLeft

        left = TimeLeft(time.perf_counter, decoding_s)
        bar_format = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} runs{postfix}"
        with tqdm(
            desc=title, bar_format=bar_format, file=sys.stderr, disable=self.json or self.quiet
        ) as bar:

            def show(done: int, runs: int) -> None:
                seconds = left.after(done, runs)
                bar.total = runs
                if seconds is not None:
                    bar.set_postfix_str(f"{seconds:.0f} s left", refresh=False)
                bar.update(done - bar.n)
                self.event("progress", title=title, runs=done, of=runs, seconds_left=seconds)

            yield show


def _one_line(message: str) -> str:
    return " ".join(message.split())
