"""What a command says: to people in lines, to programs in JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .waiting import Waiting

MOST_SAID = 1200  # letters of a sentence, whatever is quoted in it


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
    def progress(self, title: str, decoding_s: float | None = None) -> Iterator[Waiting]:
        """Show within this block how far a picture is; `waiting` says how."""
        waiting = Waiting(title, decoding_s, self.event, not (self.json or self.quiet))
        try:
            yield waiting
        finally:
            waiting.close()


def printable(line: str) -> str:
    """A stranger's text, such as a picture's or a name, which is not to steer the terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def _one_line(message: str) -> str:
    shown = printable(" ".join(message.split()))
    if len(shown) <= MOST_SAID:
        return shown
    return f"{shown[: MOST_SAID * 2 // 3]} ... {shown[-MOST_SAID // 4 :]}"
