"""Draw many prompts into a folder, in as many sittings and processes as it takes."""

from __future__ import annotations

import hashlib
import json
import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arrays import Arrays
from ..caching.plan import CachePlan
from ..checks import whole_number
from ..generation.job import Job
from ..pictures.names import numbered_stems, stem_of
from ..warning import warn
from .folder import BatchFolder, Entry
from .lines import BadLine, BatchLine

if TYPE_CHECKING:
    from ..pictures.result import GenerationResult
    from ..pipelines.stages import GenerationStages
    from ..pipelines.tasks import Text2ImagePipeline


# What each stage before the last makes with little memory, and what it needs.
STAGES: dict[str, tuple[str, ...]] = {"pooled": (), "text": (), "latents": ("pooled", "text")}
BatchProgress = Callable[[str, int, int, float], None]


class BadLinesError(ValueError):
    """Lines of a batch that cannot be drawn.

    Attributes:
        lines: which, and why.
    """

    def __init__(self, lines: list[BadLine]) -> None:
        self.lines = lines
        listed = "; ".join(f"line {line.number}: {line.error}" for line in lines)
        super().__init__(f"nothing was drawn: {listed}")


@dataclass(frozen=True)
class Outcome:
    """What became of a line.

    Attributes:
        line: its number.
        status: `"drawn"`; `"present"`, drawn earlier; `"failed"`; `"bad"`, skipped; `"busy"`, left
            to another process that is at it.
        files: its pictures.
        seconds: how long drawing took, now or earlier.
        error: why it failed or is bad.
    """

    line: int
    status: str
    files: tuple[Path, ...] = ()
    seconds: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Task:
    """A checked line.

    Attributes:
        key: identifies what it asks for.
        draft: the same, and what draws it: what stages keep is only good for that.
        backend: the one that will draw it.
        stem: a name for its files.
    """

    line: BatchLine
    job: Job
    key: str
    draft: str
    backend: str
    stem: str

    @property
    def entry(self) -> Entry:
        return Entry(self.key, self.line.number, self.line.prompt)

    @property
    def work(self) -> int:
        """Time it takes, in any unit: transformer runs times pixels."""
        settings = self.job.settings
        pixels = math.prod(settings.size) * settings.num_images_per_prompt
        return self.job.expected_runs(()) * pixels


def run_batch(
    pipeline: Text2ImagePipeline,
    lines: Iterable[str | Mapping[str, Any] | BatchLine | BadLine],
    output_dir: str | Path,
    *,
    shard: tuple[int, int] = (1, 1),
    skip_bad_lines: bool = False,
    metadata: bool = True,
    stop: Callable[[], bool] = lambda: False,
    progress: BatchProgress | None = None,
) -> Iterator[Outcome]:
    """Draw the lines whose pictures are not in a folder yet.

    All lines are checked before the first is drawn. It may be ended at any moment, by whatever
    means, and run again: it then draws what is missing. Any number of processes may work on one
    folder; no line is drawn twice. With a `low_memory` pipeline each model is loaded once for all
    lines, and what waits for the next model lies on disk beside the pictures.

    Args:
        pipeline: its configuration holds the settings that a line leaves out.
        lines: prompts, dictionaries as `BatchLine.of` takes them, or what `parse_lines` yields.
        output_dir: for the pictures and `manifest.jsonl`, which says what became of every line.
        shard: `(i, n)`: every n-th line only, from the i-th on, counted from 1.
        skip_bad_lines: leave out lines that cannot be drawn instead of raising.
        metadata: as `GenerationResult.save` has it.
        stop: asked before every picture whether to end.
        progress: called as `(stage, done, of, seconds_left)` when a line is done. The stage is
            `"draw"`, or one after the other `"pooled"`, `"text"`, `"latents"` and `"decode"`.

    Returns:
        An iterator that draws as it is asked for the next outcome.

    Raises:
        BadLinesError: if lines cannot be drawn, and are not to be skipped.
        BatchFolderError: if the folder has another program's `manifest.jsonl`.
        ValueError: for a shard that there is none of.
    """
    first, shards = shard
    whole_number("the number of shards", shards, 1)
    whole_number("the shard", first, 1, shards)
    tasks, bad = _check(pipeline, lines)
    if bad and not skip_bad_lines:
        raise BadLinesError(bad)
    folder = BatchFolder(Path(output_dir))
    not_drawn = [
        Entry(f"bad {line.number}", line.number, "", status="bad", error=line.error) for line in bad
    ]
    drafts = {task.draft for task in tasks}
    folder.open([*(task.entry for task in tasks), *not_drawn], drafts)
    # one backend after the other: each loads the model
    mine = sorted(tasks[first - 1 :: shards], key=lambda task: task.backend)
    return _Run(pipeline, folder, mine, metadata, stop, progress).outcomes(bad)


# --- checking ------------------------------------------------------------------------------------


def _check(
    pipeline: Text2ImagePipeline, lines: Iterable[str | Mapping[str, Any] | BatchLine | BadLine]
) -> tuple[list[Task], list[BadLine]]:
    tasks: list[Task] = []
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
        tasks.append(Task(asked, job, key, draft, environment.backend, stem))
    return tasks, bad


def _prepare(pipeline: Text2ImagePipeline, line: BatchLine) -> Job:
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
    if isinstance(cache, CachePlan):
        settings["cache"] = json.loads(cache.to_json())
    else:
        settings["cache"] = asdict(cache) if is_dataclass(cache) else repr(cache)
    return digest([job.prompt, job.prompt_2, settings, line.name, dict(weights)])


def digest(values: Any) -> str:
    """Return 32 hexadecimal digits that are equal for equal plain values."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


# --- drawing -------------------------------------------------------------------------------------


class _Run:
    """One process at work on its lines."""

    def __init__(
        self,
        pipeline: Text2ImagePipeline,
        folder: BatchFolder,
        tasks: list[Task],
        metadata: bool,
        stop: Callable[[], bool],
        progress: BatchProgress | None,
    ) -> None:
        self._pipeline, self._folder, self._tasks = pipeline, folder, tasks
        self._metadata, self._stop, self._progress = metadata, stop, progress
        self._stages = _stages(pipeline) if pipeline.backends.setup.memory.low_memory else None
        self._settled: set[str] = set()  # keys of the lines whose outcome is known
        self._made = 0  # by this process, of all stages

    def outcomes(self, bad: list[BadLine]) -> Iterator[Outcome]:
        yield from (Outcome(line.number, "bad", error=line.error) for line in bad)
        yield from self._present()
        stages = (*STAGES, "decode") if self._stages else ("draw",)
        made = -1
        while made != self._made and not self._stop():
            made = self._made
            for stage in stages:
                yield from self._each(stage)
            # and again, for lines that other processes have let go of
        if not self._stop():
            yield from self._present()
            yield from (Outcome(task.line.number, "busy") for task in self._open())

    def _open(self) -> list[Task]:
        return [task for task in self._tasks if task.key not in self._settled]

    def _present(self) -> Iterator[Outcome]:
        """The lines that are done already."""
        entries = self._folder.read()
        for task in self._open():
            entry = entries.get(task.key, task.entry)
            if self._folder.is_done(entry):
                yield self._settle(task, "present", entry)

    def _settle(self, task: Task, status: str, entry: Entry) -> Outcome:
        self._settled.add(task.key)
        self._folder.drop(task.draft, STAGES)
        files = tuple(self._folder.path / name for name in entry.files)
        return Outcome(task.line.number, status, files, entry.seconds, entry.error)

    def _each(self, stage: str) -> Iterator[Outcome]:
        """Do a stage of all lines that are open and not claimed by another process."""
        tasks = self._open()
        left = sum(task.work for task in tasks)
        spent: list[tuple[int, float]] = []  # work and seconds of the lines that were open
        for number, task in enumerate(tasks, 1):
            if self._stop():
                return
            left -= task.work
            made, begin_s = self._made, time.perf_counter()
            with self._folder.claim(task.key) as mine:
                outcome = self._do(stage, task) if mine else None
            if self._made > made:
                spent.append((task.work, time.perf_counter() - begin_s))
                if self._progress is not None:
                    self._progress(stage, number, len(tasks), left * _pace(spent))
            if outcome is not None:
                yield outcome

    def _do(self, stage: str, task: Task) -> Outcome | None:
        """Do a stage of a claimed line; an outcome if that settles it."""
        entry = self._folder.read().get(task.key, task.entry)
        if self._folder.is_done(entry):
            return self._settle(task, "present", entry)
        try:
            made = self._make(stage, task)
        except Exception as error:  # the other lines are drawn all the same
            self._made += 1
            told = " ".join(f"{type(error).__name__}: {error}".split())
            failed = replace(entry, line=task.line.number, status="failed", error=told)
            self._folder.fail(failed)
            return self._settle(task, "failed", failed)
        if made is None:
            return None
        self._made += 1
        if isinstance(made, Mapping):
            self._folder.keep(task.draft, stage, made)
            self._folder.drop(task.draft, STAGES[stage])
            return None
        pngs = made.encode(self._metadata)
        entry = replace(task.entry, status="done", seconds=made.report.total_s)
        entry = self._folder.publish(entry, numbered_stems(task.stem, len(pngs)), pngs)
        return self._settle(task, "drawn", entry)

    def _make(self, stage: str, task: Task) -> Arrays | GenerationResult | None:
        """What a stage of a line makes, None if it is made already, or what it needs is not."""
        folder, draft = self._folder, task.draft
        if self._stages is None:
            return self._pipeline.draw(task.job)
        if stage == "decode":
            latents = folder.kept(draft, "latents")
            return None if latents is None else self._stages.finish(task.job, latents)
        if folder.has(draft, stage) or folder.has(draft, "latents"):
            return None
        needed = {name: folder.kept(draft, name) for name in STAGES[stage]}
        found = {name: arrays for name, arrays in needed.items() if arrays is not None}
        return self._stages.make(stage, task.job, found) if found.keys() == needed.keys() else None


def _stages(pipeline: Text2ImagePipeline) -> GenerationStages:
    from ..pipelines.stages import GenerationStages

    return GenerationStages(pipeline)


def _pace(spent: list[tuple[int, float]]) -> float:
    """Seconds that a unit of work takes, without the first line if possible: it loads the model."""
    counted = spent[1:] or spent
    return sum(seconds for _, seconds in counted) / sum(work for work, _ in counted)
