"""Draw many prompts into a folder, in as many sittings and processes as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..checks import whole_number
from ..pipelines.tasks import Text2ImagePipeline
from .checking import Line, check
from .folder import BatchFolder, Entry
from .lines import BadLine
from .sitting import BatchProgress, Outcome, Sitting


class BadLinesError(ValueError):
    """Lines of a batch that cannot be drawn.

    Attributes:
        lines: which, and why.
    """

    def __init__(self, lines: list[BadLine]) -> None:
        self.lines = lines
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
    checked, bad = check(pipeline, lines)
    if bad and not skip_bad_lines:
        raise BadLinesError(bad)
    folder = BatchFolder(Path(output_dir))
    not_drawn = [
        Entry(f"bad {line.number}", line.number, "", status="bad", error=line.error) for line in bad
    ]
    drafts = {line.draft for line in checked}
    folder.open([*(line.entry for line in checked), *not_drawn], drafts)
    # one backend after the other: each loads the model
    mine = sorted(checked[first - 1 :: shards], key=lambda line: line.backend)
    return Sitting(pipeline, folder, mine, metadata, stop, progress).outcomes(bad)
