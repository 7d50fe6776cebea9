"""What the lines of a batch are warned of: told once for all lines that share it, with a count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..warning import Warned, warn

MOST_TEXTS = 10  # of a kind; others, which may differ in a number only, are counted together


@dataclass
class _Lines:
    first: int
    count: int = 0
    told: int = 0

    def __str__(self) -> str:
        return f"line {self.first}" + (f" and {self.count - 1} more" if self.count > 1 else "")


class LineWarnings:
    """What lines were warned of, and what of that was told."""

    def __init__(self) -> None:
        self._found: dict[type[Warning], dict[str, _Lines]] = {}

    def add(self, line: int, warned: Iterable[Warned]) -> None:
        """Count warnings of a line."""
        for message, kind in warned:
            found = self._found.setdefault(kind, {})
            if message not in found and len(found) >= MOST_TEXTS:
                message = "warnings like these, in other words"
            lines = found.setdefault(message, _Lines(line))
            lines.count += 1

    def tell_new(self) -> None:
        """Warn of what was not told yet."""
        self._tell(again=False)

    def tell_all(self) -> None:
        """Warn of what was not told yet, or has come again since."""
        self._tell(again=True)

    def _tell(self, again: bool) -> None:
        for kind, found in self._found.items():
            for message, lines in found.items():
                if lines.told == 0 or (again and lines.told < lines.count):
                    warn(f"{lines}{', in all' * (lines.told > 0)}: {message}", kind)
                    lines.told = lines.count
