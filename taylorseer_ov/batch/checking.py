"""The lines of a batch, checked before they are drawn: what each of them comes to."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

from ..caching.plan import CachePlan
from ..checks import text
from ..generation.environment import Environment
from ..generation.job import Job
from ..pictures.formats import Format, check_format
from ..pictures.names import stem_of
from ..pipelines.tasks import Text2ImagePipeline
from ..warning import Warned, collected_warnings, warn
from .identity import Occurrences, digest, identify, plain_cache
from .lines import BadLine, BatchLine
from .manifest import Entry

CHECKED_AHEAD = 10_000  # lines
LETTERS_AHEAD = 32 * 10**6  # of their texts, which are in memory; one may have a million
ENCODED_AT_ONCE = 250
MOST_KINDS = 100  # remembered; of lines, with all but texts and seed in common

Line = str | Mapping[str, Any] | BatchLine | BadLine


@dataclass(frozen=True)
class CheckedLine:
    """A line that can be drawn.

    Attributes:
        index: how many such lines came before it.
        key: identifies what it asks for.
        environment: what will draw it.
    """

    asked: BatchLine
    index: int
    job: Job
    key: str
    environment: Environment

    @property
    def entry(self) -> Entry:
        """What the manifest has of it before it is drawn."""
        return Entry(self.key, self.asked.number, self.asked.prompt)

    @property
    def stem(self) -> str:
        """A name for its files."""
        return self.asked.name or stem_of(self.job.prompt, self.job.settings.rng_seed)

    @cached_property
    def draft(self) -> str:
        """Identifies what it asks for and what draws it: what stages keep is only good for that."""
        return digest([self.key, vars(self.environment)])

    @property
    def work(self) -> int:
        """Time it takes, in any unit: transformer runs times pixels."""
        settings = self.job.settings
        pixels = math.prod(settings.size) * settings.num_images_per_prompt
        return self.job.expected_runs(()) * pixels


@dataclass(frozen=True)
class Window:
    """Lines that follow each other and were checked together.

    Attributes:
        lines: those that can be drawn.
        bad: the others.
        read: how many lines were read, with those of earlier windows.
        is_last: whether no more come.
    """

    lines: list[CheckedLine]
    bad: list[BadLine]
    read: int
    is_last: bool


@dataclass(frozen=True)
class _Kind:
    """What lines have in common that differ in texts and seed.

    Attributes:
        cache: what decides in their jobs, as plain values.
        warned: what each of them is warned of.
    """

    job: Job
    cache: Any
    warned: list[Warned]


class LineChecker:
    """Decides what lines come to; what many have in common, once.

    Args:
        warned: called as `(line number, warnings)`.
        format: that the pictures are to have, and that must have room for them.

    Raises:
        ValueError: for a format that there is none of.
    """

    def __init__(
        self,
        pipeline: Text2ImagePipeline,
        warned: Callable[[int, list[Warned]], None],
        format: Format = "png",
    ) -> None:
        check_format(format)
        self._pipeline, self._warned, self._format = pipeline, warned, format
        usual = pipeline.get_generation_config()
        self._usual = {"prompt_2": usual.prompt_2, "rng_seed": usual.rng_seed}
        self._kinds: dict[str, _Kind] = {}
        self._plans: dict[CachePlan, CachePlan] = {}
        self._environments: dict[str, Environment] = {}
        self._occurrences = Occurrences()
        self._checked = 0

    def windows(self, lines: Iterable[Line]) -> Iterator[Window]:
        """Read lines as `run_batch` takes them, and check `CHECKED_AHEAD` of them at once.

        Where they are very long, fewer.
        """
        with closing(self._occurrences):
            numbered = enumerate(lines, 1)
            following = next(numbered, None)
            while following is not None:
                window, letters = [following], _letters(following[1])
                while following := next(numbered, None):
                    if len(window) == CHECKED_AHEAD or letters > LETTERS_AHEAD:
                        break
                    window.append(following)
                    letters += _letters(following[1])
                yield self._window(window, following is None)

    def _window(self, numbered: list[tuple[int, Line]], is_last: bool) -> Window:
        self._plans.clear()
        checked: list[CheckedLine] = []
        bad: list[BadLine] = []
        lines = (_of_the_caller(number, line) for number, line in numbered)
        while some := list(islice(lines, ENCODED_AT_ONCE)):
            asked = [line for line in some if isinstance(line, BatchLine)]
            self._read_ahead(asked)
            for line in some:
                made = line if isinstance(line, BadLine) else self._check(line)
                if isinstance(made, BadLine):
                    bad.append(made)
                else:
                    checked.append(made)
        return Window(checked, bad, numbered[-1][0], is_last)

    def _read_ahead(self, lines: list[BatchLine]) -> None:
        texts = [(line.prompt, line.settings.get("prompt_2") or line.prompt) for line in lines]
        readable = [pair for pair in texts if all(map(_is_text, pair))]
        self._pipeline.read_ahead(*zip(*readable, strict=True) if readable else ((), ()))

    def _check(self, line: BatchLine) -> CheckedLine | BadLine:
        with collected_warnings() as warned:
            try:
                job, cache = self._prepare(line)
                environment = self._environment(job)
            except (RuntimeError, TypeError, ValueError) as error:
                return BadLine(line.number, str(error))
        self._warned(line.number, warned)
        content = identify(line, job, cache, environment.weights)
        key = digest([content, self._occurrences.count(content)])
        self._checked += 1
        return CheckedLine(line, self._checked - 1, job, key, environment)

    def _prepare(self, line: BatchLine) -> tuple[Job, Any]:
        """Return the job of a line, and what decides in it as plain values."""
        own = {name: line.settings.get(name, usual) for name, usual in self._usual.items()}
        name = _name_of_kind({k: line.settings[k] for k in line.settings if k not in own})
        if name is None:
            job = self._prepare_alone(line)
            return job, plain_cache(job.cache)
        if name in self._kinds:
            kind = self._kinds[name]
            for warned in kind.warned:
                warn(*warned)
            return self._pipeline.prepare_another(kind.job, line.prompt, **own), kind.cache
        with collected_warnings() as found:
            job = self._prepare_alone(line)
        with collected_warnings() as its_own:
            self._pipeline.prepare_another(job, line.prompt, **own)
        for warned in found:
            warn(*warned)
        if len(self._kinds) == MOST_KINDS:
            self._kinds.clear()
        of_all = [warned for warned in found if warned not in its_own]
        self._kinds[name] = _Kind(job, plain_cache(job.cache), of_all)
        return job, self._kinds[name].cache

    def _prepare_alone(self, line: BatchLine) -> Job:
        job = self._pipeline.prepare(line.prompt, **line.settings)
        if job.settings.generator is not None:
            raise ValueError(
                "a batch takes seeds, not a generator: its lines are drawn in any order"
            )
        if isinstance(job.cache, CachePlan):  # equal ones are one: there may be many lines
            job = replace(job, cache=self._plans.setdefault(job.cache, job.cache))
        height, width = job.settings.size
        check_format(self._format, width, height)
        return job

    def _environment(self, job: Job) -> Environment:
        backend = self._pipeline.backends.choose(job).backend
        if backend not in self._environments:
            self._environments[backend] = self._pipeline.environment(job)
        return self._environments[backend]


def _letters(line: Line) -> int:
    """How long the texts of a line are."""
    if isinstance(line, BadLine):
        return len(line.error)
    texts = [line.prompt, *line.settings.values()] if isinstance(line, BatchLine) else [line]
    if isinstance(line, Mapping):
        texts = [*line.values()]
    return sum(len(text) for text in texts if isinstance(text, str))


def _of_the_caller(number: int, line: Line) -> BatchLine | BadLine:
    if isinstance(line, BatchLine | BadLine):
        return line
    try:
        return BatchLine.of(number, line)
    except (TypeError, ValueError) as error:
        return BadLine(number, str(error))


def _is_text(value: Any) -> bool:
    try:
        text("a text", value)
    except (TypeError, ValueError):
        return False
    return True


def _name_of_kind(settings: Mapping[str, Any]) -> str | None:
    """Return what is equal for equal settings, None where they are not all plain values."""
    try:
        return json.dumps(settings, sort_keys=True)
    except (RecursionError, TypeError, ValueError):
        return None
