"""A folder that appears when it is whole, and replaces nothing but an earlier export."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..files import locked_if_free
from .checkpoint import ExportError


@contextmanager
def appear_when_whole(output: Path, overwrite: bool) -> Iterator[Path]:
    """Give an empty folder beside `output`; move it there if the block succeeds, else remove it.

    Raises:
        ExportError: if another process is at it.
        FileExistsError: if something is at `output` that may not be replaced.
    """
    unfinished, replaced, lock = (
        output.with_name(f".{output.name}.{state}") for state in ("unfinished", "replaced", "lock")
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    with locked_if_free(lock) as free:
        if not free:
            raise ExportError(f"another export to {output} is running; wait for its end")
        try:
            _put_right(output, unfinished, replaced)
            _check_replaceable(output, overwrite)
            unfinished.mkdir()
            yield unfinished
            _check_replaceable(output, overwrite)
            gc.collect()  # Windows moves no folder with open files
            if output.exists():
                output.rename(replaced)
            unfinished.rename(output)
            shutil.rmtree(replaced, ignore_errors=True)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _put_right(output: Path, unfinished: Path, replaced: Path) -> None:
    """Put right what a killed export left."""
    if replaced.exists() and not output.exists():
        replaced.rename(output)
    for leftover in (unfinished, replaced):
        if leftover.exists():
            shutil.rmtree(leftover)


def _check_replaceable(output: Path, overwrite: bool) -> None:
    if not output.exists():
        return
    if not overwrite:
        raise FileExistsError(f"{output} exists; choose another output, or overwrite=True")
    empty = output.is_dir() and next(output.iterdir(), None) is None
    if not empty and not (output / "model_index.json").is_file():
        raise FileExistsError(f"{output} is no exported model and is not replaced; remove it first")
