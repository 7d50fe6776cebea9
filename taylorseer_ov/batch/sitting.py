"""One process at work on its lines of a batch: claim, draw, publish, until nothing is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..arrays import Arrays
from ..pictures.names import numbered_stems
from ..pictures.result import GenerationResult
from ..pipelines.stages import GenerationStages
from ..pipelines.tasks import Text2ImagePipeline
from .checking import CheckedLine
from .folder import BatchFolder, Entry
from .lines import BadLine

# What each stage before the last makes with little memory, and what it needs.
STAGES: dict[str, tuple[str, ...]] = {"pooled": (), "text": (), "latents": ("pooled", "text")}
BatchProgress = Callable[[str, int, int, float], None]
"""Called as (stage, lines done, of how many, seconds left) when a line is done."""


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


class Sitting:
    """One process at work on its lines.

    Args:
        lines: those that are its to draw, in the order in which it tries them.
        metadata, stop, progress: as `run_batch` has them.
    """

    def __init__(
        self,
        pipeline: Text2ImagePipeline,
        folder: BatchFolder,
        lines: list[CheckedLine],
        metadata: bool,
        stop: Callable[[], bool],
        progress: BatchProgress | None,
    ) -> None:
        self._pipeline, self._folder, self._lines = pipeline, folder, lines
        self._metadata, self._stop, self._progress = metadata, stop, progress
        frugal = pipeline.backends.setup.memory.low_memory
        self._stages = GenerationStages(pipeline) if frugal else None
        self._settled: set[str] = set()  # keys of the lines whose outcome is known
        self._made = 0  # by this process, of all stages

    def outcomes(self, bad: list[BadLine]) -> Iterator[Outcome]:
        """Draw as the next outcome is asked for, beginning with the lines left out as bad."""
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
            yield from (Outcome(line.asked.number, "busy") for line in self._open())

    def _open(self) -> list[CheckedLine]:
        return [line for line in self._lines if line.key not in self._settled]

    def _present(self) -> Iterator[Outcome]:
        """The lines that are done already."""
        entries = self._folder.read()
        for line in self._open():
            entry = entries.get(line.key, line.entry)
            if self._folder.is_done(entry):
                yield self._settle(line, "present", entry)

    def _settle(self, line: CheckedLine, status: str, entry: Entry) -> Outcome:
        self._settled.add(line.key)
        self._folder.drop(line.draft, STAGES)
        files = tuple(self._folder.path / name for name in entry.files)
        return Outcome(line.asked.number, status, files, entry.seconds, entry.error)

    def _each(self, stage: str) -> Iterator[Outcome]:
        """Do a stage of all lines that are open and not claimed by another process."""
        lines = self._open()
        left = sum(line.work for line in lines)
        spent: list[tuple[int, float]] = []  # work and seconds of the lines that were open
        for number, line in enumerate(lines, 1):
            if self._stop():
                return
            left -= line.work
            made, begin_s = self._made, time.perf_counter()
            with self._folder.claim(line.key) as mine:
                outcome = self._do(stage, line) if mine else None
            if self._made > made:
                spent.append((line.work, time.perf_counter() - begin_s))
                if self._progress is not None:
                    self._progress(stage, number, len(lines), left * _pace(spent))
            if outcome is not None:
                yield outcome

    def _do(self, stage: str, line: CheckedLine) -> Outcome | None:
        """Do a stage of a claimed line; an outcome if that settles it."""
        entry = self._folder.read().get(line.key, line.entry)
        if self._folder.is_done(entry):
            return self._settle(line, "present", entry)
        try:
            made = self._make(stage, line)
        except Exception as error:  # the other lines are drawn all the same
            self._made += 1
            told = " ".join(f"{type(error).__name__}: {error}".split())
            failed = replace(entry, line=line.asked.number, status="failed", error=told)
            self._folder.fail(failed)
            return self._settle(line, "failed", failed)
        if made is None:
            return None
        self._made += 1
        if isinstance(made, Mapping):
            self._folder.keep(line.draft, stage, made)
            self._folder.drop(line.draft, STAGES[stage])
            return None
        pngs = made.encode(self._metadata)
        entry = replace(line.entry, status="done", seconds=made.report.total_s)
        entry = self._folder.publish(entry, numbered_stems(line.stem, len(pngs)), pngs)
        return self._settle(line, "drawn", entry)

    def _make(self, stage: str, line: CheckedLine) -> Arrays | GenerationResult | None:
        """What a stage of a line makes, None if it is made already, or what it needs is not."""
        folder, draft = self._folder, line.draft
        if self._stages is None:
            return self._pipeline.draw(line.job)
        if stage == "decode":
            latents = folder.kept(draft, "latents")
            return None if latents is None else self._stages.finish(line.job, latents)
        if folder.has(draft, stage) or folder.has(draft, "latents"):
            return None
        needed = {name: folder.kept(draft, name) for name in STAGES[stage]}
        found = {name: arrays for name, arrays in needed.items() if arrays is not None}
        return self._stages.make(stage, line.job, found) if found.keys() == needed.keys() else None


def _pace(spent: list[tuple[int, float]]) -> float:
    """Seconds that a unit of work takes, without the first line if possible: it loads the model."""
    counted = spent[1:] or spent
    return sum(seconds for _, seconds in counted) / sum(work for work, _ in counted)
