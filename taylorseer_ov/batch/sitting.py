"""One process at work on its lines of a batch: claim, draw, publish, until nothing is left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ..arrays import Arrays
from ..generation.job import Job
from ..pictures.formats import Format
from ..pictures.names import numbered_stems
from ..pictures.result import GenerationResult
from ..pipelines.stages import GenerationStages
from ..pipelines.tasks import Text2ImagePipeline
from ..warning import Warned, collected_warnings
from .checking import CheckedLine, Window
from .folder import BatchFolder
from .manifest import BatchFolderError, Entry
from .share import BatchProgress, Share, progress_of
from .warned import LineWarnings

# Of FLUX.1 an encoded prompt takes 8 MiB on the disk until its line is denoised.
STAGED_AT_ONCE = 250  # lines
# What each stage before the last makes with little memory, and what it needs.
STAGES: dict[str, tuple[str, ...]] = {"pooled": (), "text": (), "latents": ("pooled", "text")}


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


class _Claimed(NamedTuple):
    line: CheckedLine
    number: int
    claim: ExitStack


class Sitting:
    """One process at work on its lines.

    Args:
        share: which lines are its own.
        warnings: those of the lines.
        metadata, format, stop, progress: as `run_batch` has them.
    """

    def __init__(
        self,
        pipeline: Text2ImagePipeline,
        folder: BatchFolder,
        share: Share,
        warnings: LineWarnings,
        metadata: bool,
        format: Format,
        stop: Callable[[], bool],
        progress: BatchProgress | None,
    ) -> None:
        self._pipeline, self._folder, self._share = pipeline, folder, share
        self._warnings = warnings
        self._metadata, self._format = metadata, format
        self._stop, self._progress = stop, progress
        frugal = pipeline.backends.setup.memory.low_memory
        self._stages = GenerationStages(pipeline) if frugal else None
        self._open: dict[str, CheckedLine] = {}  # by key, in the order in which they are tried
        self._before = 0  # lines that were open in what came before
        self._made = 0  # by this process, of all stages

    def outcomes(self, windows: Iterable[Window]) -> Generator[Outcome, None, None]:
        """Draw as the next outcome is asked for; of each window, tell first of its bad lines."""
        is_damaged = False
        try:
            for window in windows:
                self._warnings.tell_new()
                yield from self._settled_earlier(window)
                yield from self._draw(self._share.after(window))
                if self._stop():
                    return
            yield from self._present(list(self._open.values()))
            yield from (Outcome(line.asked.number, "busy") for line in self._open.values())
        except BatchFolderError:
            is_damaged = True
            raise
        finally:
            if not is_damaged:  # else the file for people is all there is
                self._folder.write_manifest()
            self._warnings.tell_all()

    def _settled_earlier(self, window: Window) -> Iterator[Outcome]:
        """Take the lines of a window in; the outcomes of those that need not be drawn."""
        bad = [
            Entry(f"bad {line.number}", line.number, "", status="bad", error=line.error)
            for line in window.bad
        ]
        entries = self._folder.expect([*(line.entry for line in window.lines), *bad])
        yield from (Outcome(entry.line, "bad", error=entry.error) for entry in bad)
        # one backend after the other: each loads the model
        mine = sorted(
            filter(self._share.has, window.lines), key=lambda line: line.environment.backend
        )
        self._open |= {line.key: line for line in mine}
        for line in mine:
            if self._folder.is_done(entries[line.key]):
                yield self._settle(line, "present", entries[line.key])
        if window.is_last:
            self._folder.sweep({line.draft for line in self._open.values()} if self._stages else {})

    def _draw(self, after: int) -> Iterator[Outcome]:
        """Draw what is open, so many lines at a time as is good for the disk.

        Args:
            after: lines that are likely to come then.
        """
        lines = list(self._open.values())
        at_once = STAGED_AT_ONCE if self._stages else max(1, len(lines))
        for start in range(0, len(lines), at_once):
            some = lines[start : start + at_once]
            made = -1
            while made != self._made and not self._stop():
                made = self._made
                then = len(lines) - start - len(some) + after
                if self._stages is None:
                    yield from self._beside_each_other(some, then)
                    continue
                for stage in (*STAGES, "decode"):
                    yield from self._each(stage, some, then)
                # and again, for lines that other processes have let go of
            self._before += len(some)

    def _present(self, lines: list[CheckedLine]) -> Iterator[Outcome]:
        """Those of some lines that are done."""
        for line in lines:
            entry = self._folder.entry(line.entry)
            if self._folder.is_done(entry):
                yield self._settle(line, "present", entry)

    def _settle(self, line: CheckedLine, status: str, entry: Entry) -> Outcome:
        del self._open[line.key]
        if self._stages:
            self._folder.drop(line.draft, STAGES)
        files = tuple(self._folder.path / name for name in entry.files)
        return Outcome(line.asked.number, status, files, entry.seconds, entry.error)

    def _beside_each_other(self, lines: list[CheckedLine], after: int) -> Iterator[Outcome]:
        """Draw those that are open and not claimed by another process; write one as others draw."""
        lines = [line for line in lines if line.key in self._open]
        claimed: deque[_Claimed] = deque()
        found: deque[Outcome] = deque()
        streams = self._pipeline.backends.setup.memory.streams
        told = progress_of(self._progress, "draw", lines, self._before, after, streams)
        draw = self._pipeline.draw_many(self._claim(lines, claimed, found), self._stop)
        with ExitStack() as claims, closing(draw):
            claims.callback(_let_go, claimed)
            while True:
                begin_s = self._drawing_s()
                with collected_warnings() as warned:
                    future = next(draw, None)
                while found:
                    yield found.popleft()
                if future is None:
                    return
                line, number, claim = claimed.popleft()
                with claim:
                    outcome = self._drawn(line, future, warned)
                self._made += 1
                told(number, line, self._drawing_s() - begin_s)
                yield outcome

    def _claim(
        self, lines: list[CheckedLine], claimed: deque[_Claimed], found: deque[Outcome]
    ) -> Iterator[Job]:
        """Claim one line after the other, and hand on the jobs of those that are not done."""
        for number, line in enumerate(lines, 1):
            with ExitStack() as claim:
                if not claim.enter_context(self._folder.claim(line.key)):
                    continue
                entry = self._folder.entry(line.entry)
                if self._folder.is_done(entry):
                    found.append(self._settle(line, "present", entry))
                    continue
                claimed.append(_Claimed(line, number, claim.pop_all()))
            yield line.job

    def _drawn(
        self, line: CheckedLine, drawn: Future[GenerationResult], warned: list[Warned]
    ) -> Outcome:
        error = drawn.exception()
        if isinstance(error, Exception):  # the other lines are drawn all the same
            return self._fail(line, self._folder.entry(line.entry), error)
        self._warnings.add(line.asked.number, warned)
        self._warnings.tell_new()
        return self._publish(line, drawn.result())

    def _each(self, stage: str, lines: list[CheckedLine], after: int) -> Iterator[Outcome]:
        """Do a stage of all of some lines that are open and not claimed by another process."""
        lines = [line for line in lines if line.key in self._open]
        told = progress_of(self._progress, stage, lines, self._before, after)
        for number, line in enumerate(lines, 1):
            if self._stop():
                return
            made, begin_s = self._made, self._drawing_s()
            with self._folder.claim(line.key) as mine:
                outcome = self._do(stage, line) if mine else None
            if self._made > made:
                told(number, line, self._drawing_s() - begin_s)
            if outcome is not None:
                yield outcome

    def _drawing_s(self) -> float:
        """The time in seconds, which stands still while models load."""
        backends = self._pipeline.backends
        if backends.loaded is None:
            return time.perf_counter()
        one_at_a_time = backends.setup.memory.low_memory
        load_s = backends.load_python().models.load_s if one_at_a_time else backends.load_s
        return time.perf_counter() - load_s

    def _do(self, stage: str, line: CheckedLine) -> Outcome | None:
        """Do a stage of a claimed line; an outcome if that settles it."""
        entry = self._folder.entry(line.entry)
        if self._folder.is_done(entry):
            return self._settle(line, "present", entry)
        try:
            with collected_warnings() as warned:
                made = self._make(stage, line)
        except Exception as error:  # the other lines are drawn all the same
            self._made += 1
            return self._fail(line, entry, error)
        self._warnings.add(line.asked.number, warned)
        self._warnings.tell_new()
        if made is None:
            return None
        self._made += 1
        if isinstance(made, Mapping):
            self._folder.keep(line.draft, stage, made)
            self._folder.drop(line.draft, STAGES[stage])
            return None
        return self._publish(line, made)

    def _fail(self, line: CheckedLine, entry: Entry, error: Exception) -> Outcome:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        failed = replace(entry, line=line.asked.number, status="failed", error=told)
        self._folder.fail(failed)
        return self._settle(line, "failed", failed)

    def _publish(self, line: CheckedLine, drawn: GenerationResult) -> Outcome:
        encoded = drawn.encode(self._metadata, self._format)
        entry = replace(line.entry, status="done", seconds=drawn.report.total_s)
        entry = self._folder.publish(entry, numbered_stems(line.stem, len(encoded)), encoded)
        return self._settle(line, "drawn", entry)

    def _make(self, stage: str, line: CheckedLine) -> Arrays | GenerationResult | None:
        """What a stage of a line makes, None if it is made already, or what it needs is not."""
        folder, draft, stages = self._folder, line.draft, self._stages
        assert stages is not None
        if stage == "decode":
            latents = folder.kept(draft, "latents")
            return None if latents is None else stages.finish(line.job, latents)
        if folder.has(draft, stage) or folder.has(draft, "latents"):
            return None
        needed = {name: folder.kept(draft, name) for name in STAGES[stage]}
        found = {name: arrays for name, arrays in needed.items() if arrays is not None}
        return stages.make(stage, line.job, found) if found.keys() == needed.keys() else None


def _let_go(claimed: Iterable[_Claimed]) -> None:
    for left in claimed:  # not begun, or drawn and not published: another sitting draws it
        left.claim.close()
