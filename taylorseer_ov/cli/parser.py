"""argparse, whose refusals are one line: the value that was typed, what is allowed, what was meant.

Its own are a page of usage with the sentence below it, which names Python's types ("invalid int
value") and not what would be right.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from ..checks import nearest
from .console import MisuseError

NUMBERS: dict[Any, str] = {int: "a whole number", float: "a number"}
SENTENCES = {
    "expected one argument": "needs a value",
    "expected at least one argument": "needs at least one value",
}


class Parser(argparse.ArgumentParser):
    """A parser of a command, or of the name of one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for kind in NUMBERS:
            self.register("type", kind, _Number(kind))
        self.register("type", Path, read_path)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line.

        Raises:
            MisuseError: with that line.
        """
        about = re.fullmatch(r"argument ([^ :]+): (.*)", message, re.DOTALL)
        if about:
            names, wrong = about[1].split("/"), about[2]
            option = next((name for name in names if name.startswith("--")), about[1])
            message = f"{option} {self._sentence(option, wrong)}"
        missing = message.removeprefix("the following arguments are required: ")
        if missing != message:
            message = f"missing: {missing}"
        see = "See" if message.endswith("?") else "see"
        end = " " if message.endswith("?") else "; "
        raise MisuseError(f"{message}{end}{see} {self.prog} --help")

    def refuse_unknown(self, typed: list[str]) -> NoReturn:
        """Say that there is no such option, and which one may have been meant."""
        names = [name for action in self._actions for name in action.option_strings]
        unknown = next((word for word in typed if word.startswith("-")), typed[0])
        if not unknown.startswith("-"):
            self.error(f"unexpected {unknown!r}")
        option = unknown.partition("=")[0]
        self.error(f"{self.prog} has no option {option!r}{_meant(option.lower(), names)}")

    def _sentence(self, option: str, wrong: str) -> str:
        choice = re.match(r"invalid choice: (.+) \(choose from .*\)$", wrong, re.DOTALL)
        if choice:
            typed, allowed = choice[1].strip("'"), list(self._choices(option))
            return f"must be one of {', '.join(allowed)}, got {choice[1]}{_meant(typed, allowed)}"
        explicit = re.match(r"ignored explicit argument (.+)$", wrong, re.DOTALL)
        return f"takes no value, got {explicit[1]}" if explicit else SENTENCES.get(wrong, wrong)

    def _choices(self, option: str) -> Iterator[str]:
        for action in self._actions:
            if action.choices and option in (*action.option_strings, action.metavar, action.dest):
                yield from map(str, action.choices)


def _meant(name: str, names: list[str]) -> str:
    return nearest(name, names).rstrip(".")  # the sentence goes on


class _Number:
    """Read a number, and name what was typed instead of one."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def __call__(self, text: str) -> Any:
        try:
            return self._kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"must be {NUMBERS[self._kind]}, got {text!r}"
            ) from None


def read_path(text: str) -> Path:
    """Read a path; of an empty one pathlib makes the present folder."""
    if not text:
        raise argparse.ArgumentTypeError("is empty, as a variable is that was not set")
    return Path(text)
