"""Draw many prompts into a folder, in as many sittings and processes as it takes."""

from __future__ import annotations

import atexit
import operator
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from ..checks import whole_number
from ..pictures.formats import Format
from ..pipelines.tasks import Text2ImagePipeline
from .checking import Line, LineChecker, Window
from .folder import BatchFolder
from .lines import BadLine
from .share import BatchProgress, Share
from .sitting import Outcome, Sitting
from .warned import LineWarnings


class BadLinesError(ValueError):
    """Lines of a batch that cannot be drawn.

    Attributes:
        lines: which, and why.
        checked: how many lines were looked at.
    """

    def __init__(self, lines: list[BadLine], checked: int) -> None:
        self.lines, self.checked = lines, checked
        listed = "; ".join(f"line {line.number}: {line.error}" for line in lines)
        super().__init__(f"nothing was drawn: {listed}")


def run_batch(
    pipeline: Text2ImagePipeline,
    lines: Iterable[Line],
    output_dir: str | Path,
    *,
    shard: tuple[int, int] = (1, 1),
    skip_bad_lines: bool = False,
    metadata: bool = True,
    format: Format = "png",
    stop: Callable[[], bool] = lambda: False,
    progress: BatchProgress | None = None,
) -> Iterator[Outcome]:
    """Draw the lines whose pictures are not in a folder yet.

    It may be ended at any moment, by whatever means, and run again: it then draws what is missing.
    Any number of processes may work on one folder; no line is drawn twice.

    The first 10,000 lines (32 million letters at most) are checked before the first is drawn; of
    others, maybe millions, as many when it is their turn, where bad ones are left out. Lines are
    drawn as `generate_many` does, and written meanwhile; the pipeline does nothing else.
    A `low_memory` one loads each model once for 250 lines; what waits for the next is on disk. What
    `generate` would warn of comes with the line's number; what many lines are warned of comes once,
    with their count.

    Args:
        pipeline: its configuration holds the settings that a line leaves out.
        lines: prompts, dictionaries as `BatchLine.of` takes them, or what `read_lines` yields.
        output_dir: for the pictures and `manifest.jsonl`, which says what became of every line.
        shard: `(i, n)`: every n-th line only, from the i-th on, counted from 1.
        skip_bad_lines: leave out lines that cannot be drawn instead of raising.
        metadata, format: as `GenerationResult.save` has them; another draws nothing again.
        stop: asked before every picture whether to end, after those that are begun.
        progress: called as `(stage, done, of, seconds_left)` when a line is done. The stage is
            `"draw"`, or one after the other `"pooled"`, `"text"`, `"latents"` and `"decode"`. `of`
            counts the lines read so far where `operator.length_hint(lines)` does not know more.

    Returns:
        An iterator that draws as it is asked for the next outcome.

    Raises:
        BadLinesError: if lines among the first 10,000 cannot be drawn, and are not to be skipped.
        BatchFolderError: if the folder has another program's `manifest.jsonl`, or is damaged.
        ValueError: for a shard that there is none of, or another format.
    """
    first, shards = shard
    whole_number("the number of shards", shards, 1)
    whole_number("the shard", first, 1, shards)
    share = Share(first, shards, operator.length_hint(lines))
    warnings = LineWarnings()
    windows = LineChecker(pipeline, warnings.add, format).windows(lines)
    window = next(windows, Window([], [], read=0, is_last=True))
    warnings.tell_new()
    if window.bad and not skip_bad_lines:
        raise BadLinesError(window.bad, window.read)
    folder = BatchFolder(Path(output_dir), f".{format}")
    folder.open()
    sitting = Sitting(pipeline, folder, share, warnings, metadata, format, stop, progress)
    outcomes = sitting.outcomes(chain([window], windows))
    _UNDER_WAY.add(outcomes)
    return outcomes


# A program may end with some of them left. What closes them then can no longer import or open.
_UNDER_WAY = weakref.WeakSet[Generator[Outcome, None, None]]()


@atexit.register
def _close_what_is_left() -> None:
    for outcomes in list(_UNDER_WAY):
        with suppress(ValueError):  # a thread that nobody waits for is at it
            outcomes.close()
