"""Accounts of computed and predicted steps."""

from __future__ import annotations

import statistics


def summary(kind: str, durations_s: tuple[float, ...], what: str = "step") -> str:
    """Say how many there were, how long all took in seconds, and one of them."""
    if not durations_s:
        return f"no {kind} {what}"
    median_ms = 1000 * statistics.median(durations_s)
    return f"{len(durations_s)} {kind} {sum(durations_s):.3f} ({median_ms:.3g} ms each)"
