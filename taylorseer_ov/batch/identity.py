"""What identifies a line of a batch: all that would give another picture or another file."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from ..caching.plan import CachePlan
from ..caching.policy import CachePolicy
from ..generation.job import Job
from .lines import BatchLine


def identify(line: BatchLine, job: Job, cache: Any, weights: Mapping[str, str]) -> str:
    """Return what changes when a line would give another picture or another file.

    It goes by what the line comes to, not by how it is written: settings the line leaves out
    count, and so does the content of a cache plan.

    Args:
        cache: `plain_cache` of the job's.
    """
    settings = vars(job.settings) | {"generator": None, "adapters": None, "cache": cache}
    del settings["keep_unmasked"]  # no line has a mask, and older batches go on under their keys
    return digest([job.prompt, job.prompt_2, settings, line.name, dict(weights)])


def plain_cache(cache: CachePlan | CachePolicy) -> Any:
    """Return what decides in a generation as plain values."""
    if isinstance(cache, CachePlan):
        return json.loads(cache.to_json())
    return asdict(cache) if is_dataclass(cache) else repr(cache)


def digest(values: Any) -> str:
    """Return 32 hexadecimal digits that are equal for equal plain values."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Occurrences:
    """Count how often each line has come: equal ones are drawn as often as they are there.

    The counts are in a temporary database, which takes little memory for millions of lines.
    """

    def __init__(self) -> None:
        # any thread may go on with a batch
        self._counts = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._counts.executescript(
            "PRAGMA journal_mode = OFF;"
            "CREATE TABLE counts (content BLOB PRIMARY KEY, count INTEGER) WITHOUT ROWID;"
            "BEGIN"
        )

    def count(self, content: str) -> int:
        """Return how often this has come, with this time."""
        key = [bytes.fromhex(content)]
        self._counts.execute(
            "INSERT INTO counts VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1", key
        )
        ((count,),) = self._counts.execute("SELECT count FROM counts WHERE content = ?", key)
        return int(count)

    def close(self) -> None:
        """Let go of the counts."""
        self._counts.close()
