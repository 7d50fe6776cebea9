"""Prompt files: a prompt a line or JSON lines; all that stands there, or the prompts alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .console import MisuseError
from .options import EMPTY_ADVICE

if TYPE_CHECKING:
    from ..batch.lines import BadLine, BatchLine


def opened(name: str) -> AbstractContextManager[BinaryIO]:
    """Open a prompt file; - is stdin."""
    if name == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise MisuseError(f"cannot read the prompts in {name!r} ({error.strerror})") from error


class PromptFile:
    """The lines of a prompt file, read as they are asked for, and about how many there are."""

    def __init__(self, file: BinaryIO, name: str, allow_empty: bool) -> None:
        from ..batch.lines import read_lines

        self._count = 0
        if file.seekable():
            start = file.tell()
            pieces = iter(partial(file.read, 1 << 20), b"")
            self._count = sum(piece.count(b"\n") for piece in pieces)
            file.seek(start)
        json_lines = {".jsonl": True, ".txt": False}.get(Path(name).suffix.lower())
        read = read_lines(file, json_lines)
        self._lines = read if allow_empty else map(_refused_if_empty, read)
        self._first = next(self._lines, None)
        if self._first is None:
            raise MisuseError(f"there is no prompt {'on stdin' if name == '-' else f'in {name!r}'}")

    def __iter__(self) -> Iterator[BatchLine | BadLine]:
        if self._first is not None:
            yield self._first
        yield from self._lines

    def __length_hint__(self) -> int:
        return self._count


def _refused_if_empty(line: BatchLine | BadLine) -> BatchLine | BadLine:
    """A line without a word in its prompt, which only JSON can have, as a bad one."""
    from ..batch.lines import BadLine, BatchLine

    # what is no text is refused with the other settings
    if isinstance(line, BatchLine) and not str(line.prompt).strip():
        return BadLine(line.number, f"its prompt is empty; {EMPTY_ADVICE}")
    return line


def read_prompts(path: Path) -> list[str]:
    """Read the prompts of a file whose lines say nothing else.

    Raises:
        MisuseError: naming the line that does, or that cannot be read.
    """
    with opened(str(path)) as file:
        lines = PromptFile(file, str(path), allow_empty=True)
        return [_prompt_alone(line, path) for line in lines]


def _prompt_alone(line: BatchLine | BadLine, path: Path) -> str:
    from ..batch.lines import SHORT_NAMES, BadLine

    if isinstance(line, BadLine):
        raise MisuseError(f"{path}, line {line.number}: {line.error}")
    short = {long: name for name, long in SHORT_NAMES.items()}
    others = [short.get(name, name) for name in line.settings]
    others += [] if line.name is None else ["name"]
    if others:
        raise MisuseError(
            f"{path}, line {line.number}: it has {', '.join(others)}, which only batch takes of a "
            "line; give prompts alone"
        )
    if not str(line.prompt).strip():  # what is no text is refused where it is drawn
        raise MisuseError(f"{path}, line {line.number}: its prompt is empty")
    return line.prompt
