"""The lines of a batch, checked before any is drawn: what each comes to, and what identifies it."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Any

from ..caching.plan import CachePlan
from ..generation.job import Job, Preparing
from ..pictures.names import stem_of
from ..warning import warn
from .folder import Entry
from .lines import BadLine, BatchLine

Line = str | Mapping[str, Any] | BatchLine | BadLine


@dataclass(frozen=True)
class CheckedLine:
    """A line that can be drawn.

    Attributes:
        key: identifies what it asks for.
        draft: the same, and what draws it: what stages keep is only good for that.
        backend: the one that will draw it.
        stem: a name for its files.
    """

    asked: BatchLine
    job: Job
    key: str
    draft: str
    backend: str
    stem: str

    @property
    def entry(self) -> Entry:
        """What the manifest has of it before it is drawn."""
        return Entry(self.key, self.asked.number, self.asked.prompt)

    @property
    def work(self) -> int:
        """Time it takes, in any unit: transformer runs times pixels."""
        settings = self.job.settings
        pixels = math.prod(settings.size) * settings.num_images_per_prompt
        return self.job.expected_runs(()) * pixels


def check(pipeline: Preparing, lines: Iterable[Line]) -> tuple[list[CheckedLine], list[BadLine]]:
    """Check lines as `run_batch` takes them; return those that can be drawn, and the others."""
    checked: list[CheckedLine] = []
    bad: list[BadLine] = []
    plans: dict[CachePlan, CachePlan] = {}
    occurrences: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        if isinstance(line, BadLine):
            bad.append(line)
            continue
        try:
            asked = line if isinstance(line, BatchLine) else BatchLine.of(number, line)
            job = _prepare(pipeline, asked)
            environment = pipeline.environment(job)
        except (RuntimeError, TypeError, ValueError) as error:
            number = line.number if isinstance(line, BatchLine) else number
            bad.append(BadLine(number, str(error)))
            continue
        if isinstance(job.cache, CachePlan):  # equal ones are one: there may be many lines
            job = replace(job, cache=plans.setdefault(job.cache, job.cache))
        content = identify(asked, job, environment.weights)
        occurrences[content] += 1
        key = digest([content, occurrences[content]])
        draft = digest([key, vars(environment)])
        stem = asked.name or stem_of(job.prompt, job.settings.rng_seed)
        checked.append(CheckedLine(asked, job, key, draft, environment.backend, stem))
    return checked, bad


def _prepare(pipeline: Preparing, line: BatchLine) -> Job:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        job = pipeline.prepare(line.prompt, **line.settings)
    for warning in caught:
        warn(f"line {line.number}: {warning.message}", warning.category)
    if job.settings.generator is not None:
        raise ValueError("a batch takes seeds, not a generator: its lines are drawn in any order")
    return job


def identify(line: BatchLine, job: Job, weights: Mapping[str, str]) -> str:
    """Return what changes when a line would give another picture or another file.

    It goes by what the line comes to, not by how it is written: settings the line leaves out
    count, and so does the content of a cache plan.
    """
    cache = job.cache
    settings = vars(job.settings) | {"generator": None, "adapters": None}
    del settings["keep_unmasked"]  # no line has a mask, and older batches go on under their keys
    if isinstance(cache, CachePlan):
        settings["cache"] = json.loads(cache.to_json())
    else:
        settings["cache"] = asdict(cache) if is_dataclass(cache) else repr(cache)
    return digest([job.prompt, job.prompt_2, settings, line.name, dict(weights)])


def digest(values: Any) -> str:
    """Return 32 hexadecimal digits that are equal for equal plain values."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
