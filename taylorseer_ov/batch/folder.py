"""The folder of a batch: its pictures, what is known of every line, and who draws what.

The manifest names a picture before the picture is there: a line is done when it says so and the
files it names exist with the sizes it gives. So there is no moment at which the end of a process
leaves a picture that nobody knows of. A line is claimed by a lock on a file, which the system lets
go of when a process ends, in whatever way.
"""

from __future__ import annotations

import io
import os
from bisect import bisect_left
from collections.abc import Container, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..arrays import Arrays
from ..files import TEMPORARY_SUFFIX, locked, locked_if_free, write_new, write_over
from .manifest import Entry, Manifest

STATE = ".taylorseer-batch"


class BatchFolder:
    """A batch's folder; several processes may have one open.

    Args:
        suffix: of the names of pictures that are written.
    """

    def __init__(self, path: Path, suffix: str = ".png") -> None:
        self.path, self._suffix = path, suffix
        self._state = path / STATE
        self._manifest = Manifest(path, self._state)
        self._lock = self._state / "manifest.lock"

    def open(self) -> None:
        """Make the folder ready, and remove what killed runs have left.

        Raises:
            BatchFolderError: if there is a manifest that cannot be read; it is left as it is.
        """
        self._manifest.check()  # before anything is made there
        self._state.mkdir(parents=True, exist_ok=True)
        for lock in self._state.glob("*.lock"):
            with locked_if_free(lock):
                pass  # which removes it
        with locked(self._lock):
            for leftover in self._state.glob(f".*{TEMPORARY_SUFFIX}"):
                leftover.unlink()
            self._manifest.open()

    def write_manifest(self) -> None:
        """Write `manifest.jsonl` anew, with one row for each line."""
        with locked(self._lock):
            self._manifest.write_out()

    # --- lines ---

    def expect(self, lines: Sequence[Entry]) -> dict[str, Entry]:
        """Take lines into the manifest, and return by key what it now has of them."""
        with locked(self._lock):
            found = self._manifest.find(line.key for line in lines)
            known = {key: entry for key, entry in found.items() if entry.is_settled}
            now = {line.key: replace(known.get(line.key, line), line=line.line) for line in lines}
            self._manifest.expect(now[key] for key in now if now[key] != known.get(key))
        return now

    def entry(self, expected: Entry) -> Entry:
        """Return what the manifest has of a line, or what was expected if it has nothing."""
        return self._manifest.find([expected.key]).get(expected.key, expected)

    def is_done(self, entry: Entry) -> bool:
        """Whether all pictures of a line are there."""
        return entry.status == "done" and all(map(self._is_whole, entry.files, entry.sizes))

    def _is_whole(self, name: str, size: int) -> bool:
        path = self.path / name
        return path.is_file() and path.stat().st_size == size

    # --- a line ---

    def claim(self, key: str) -> AbstractContextManager[bool]:
        """Claim a line for this process while the block runs; False if another one has it."""
        return locked_if_free(self._state / f"{key}.lock")

    def publish(self, done: Entry, stems: Sequence[str], encoded: Sequence[bytes]) -> Entry:
        """Write the pictures of a claimed line under names like `stems` that are free.

        Returns:
            What the manifest now has of the line.
        """
        with locked(self._lock):
            entry = self.entry(done)
            while True:
                pictures = self._name(entry, stems, encoded)
                sizes = tuple(size for _, size in pictures)
                entry = replace(done, files=tuple(name for name, _ in pictures), sizes=sizes)
                self._manifest.note(entry)
                try:
                    for (name, size), data in zip(pictures, encoded, strict=True):
                        if not self._is_whole(name, size):
                            write_new(self.path / name, data, self._state)
                except FileExistsError:
                    continue  # another program has just taken that name
                return entry

    def _name(
        self, entry: Entry, stems: Sequence[str], encoded: Sequence[bytes]
    ) -> list[tuple[str, int]]:
        """Names and sizes: those of pictures of this line that are there, else free names."""
        earlier = dict(enumerate(zip(entry.files, entry.sizes, strict=True)))
        chosen: list[tuple[str, int]] = []
        for index, (stem, data) in enumerate(zip(stems, encoded, strict=True)):
            picture = earlier.get(index)
            if picture is not None and self._is_whole(picture[0], 0):
                # the place of a picture that never came, on a disk without hard links
                (self.path / picture[0]).unlink()
            if picture is None or not self._is_whole(*picture):
                picture = self._free_name(stem, {name for name, _ in chosen}), len(data)
            chosen.append(picture)
        return chosen

    def _free_name(self, stem: str, taken: Container[str]) -> str:
        """Return a name, with a number if taken, found in few looks however many are taken."""

        def name(number: int) -> str:
            return f"{stem}{self._suffix}" if number == 1 else f"{stem}-{number}{self._suffix}"

        def is_free(number: int) -> bool:
            return name(number) not in taken and not os.path.lexists(self.path / name(number))

        beyond = 1
        while not is_free(beyond):
            beyond *= 2
        between = range(beyond // 2 + 1, beyond)
        return name(beyond // 2 + 1 + bisect_left(between, True, key=is_free))

    def fail(self, failed: Entry) -> None:
        """Note that a claimed line could not be drawn."""
        with locked(self._lock):
            self._manifest.note(failed)

    # --- what stages leave for the next one ---

    def keep(self, draft: str, stage: str, arrays: Arrays) -> None:
        """Keep what a stage of a claimed line has made."""
        with locked(self._lock):
            write_over(self._place(draft, stage), pack(arrays), self._state)

    def kept(self, draft: str, stage: str) -> Arrays | None:
        """Return what was kept, None if there is nothing that can be read."""
        from zipfile import BadZipFile

        try:
            return unpack(self._place(draft, stage).read_bytes())
        except (OSError, ValueError, EOFError, BadZipFile):
            return None

    def has(self, draft: str, stage: str) -> bool:
        """Whether something was kept."""
        return self._place(draft, stage).exists()

    def sweep(self, drafts: Container[str]) -> None:
        """Remove what was kept under other names than these."""
        with locked(self._lock):
            for kept in self._state.glob("*.npz"):
                if kept.name.partition("-")[0] not in drafts:
                    kept.unlink(missing_ok=True)

    def drop(self, draft: str, stages: Iterable[str]) -> None:
        """Remove what was kept of a line."""
        for stage in stages:
            self._place(draft, stage).unlink(missing_ok=True)

    def _place(self, draft: str, stage: str) -> Path:
        return self._state / f"{draft}-{stage}.npz"


def pack(arrays: Arrays) -> bytes:
    """Return arrays as the bytes of an .npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **cast("Any", arrays))
    return buffer.getvalue()


def unpack(data: bytes) -> Arrays:
    """Return what `pack` was given. Nothing in the data is executed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)
