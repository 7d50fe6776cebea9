"""The account of computed and predicted steps that every report gives."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Account:
    """How long the computed and the predicted steps of a generation took.

    Attributes:
        computed_s, predicted_s: seconds of each step, in order.
    """

    computed_s: tuple[float, ...]
    predicted_s: tuple[float, ...]

    @classmethod
    def of(cls, schedule: str, durations_s: Sequence[float]) -> Account:
        """Account for a schedule, `C` for a computed step and `.` for a predicted one.

        Args:
            durations_s: seconds of the steps that were taken, which may be fewer.
        """
        taken = list(zip(schedule, durations_s, strict=False))
        computed, predicted = (tuple(s for kind, s in taken if kind == letter) for letter in "C.")
        return cls(computed, predicted)

    @property
    def ideal_speed_up(self) -> float:
        """Steps per computed step: the gain if nothing else cost any time."""
        computed = len(self.computed_s)
        return (computed + len(self.predicted_s)) / max(computed, 1)

    def to_dict(self, what: str = "steps") -> dict[str, Any]:
        """Return the counts, ready for JSON, under names for what was counted."""
        return {
            f"computed_{what}": len(self.computed_s),
            f"predicted_{what}": len(self.predicted_s),
            "ideal_speed_up": self.ideal_speed_up,
        }

    def describe(self, what: str = "step") -> str:
        """Say how many there were of both kinds, how long they took in seconds, and one of them."""
        kinds = ("computed", self.computed_s), ("predicted", self.predicted_s)
        return " + ".join(_describe(kind, durations_s, what) for kind, durations_s in kinds)


def _describe(kind: str, durations_s: tuple[float, ...], what: str) -> str:
    if not durations_s:
        return f"no {kind} {what}"
    median_ms = 1000 * statistics.median(durations_s)
    return f"{len(durations_s)} {kind} {sum(durations_s):.3f} ({median_ms:.3g} ms each)"
