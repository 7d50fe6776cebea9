"""The folder of a batch: its pictures, what is known of every line, and who draws what.

`manifest.jsonl` has an object for each line. It is replaced as a whole, under a lock, and it names
a picture before the picture is there: a line is done when it says so and the files it names exist
with the sizes it gives. So there is no moment at which the end of a process leaves a picture that
nobody knows of. A line is claimed by a lock on a file, which the system lets go of when a process
ends, in whatever way.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..arrays import Arrays
from ..files import TEMPORARY_SUFFIX, locked, locked_if_free, numbered, write_new, write_over

MANIFEST, STATE = "manifest.jsonl", ".taylorseer-batch"
MANIFEST_FORMAT = "taylorseer_ov.batch/1"
STATUSES = ("pending", "done", "failed", "bad")


class BatchFolderError(ValueError):
    """A folder whose manifest is not one of ours, or damaged."""


@dataclass(frozen=True)
class Entry:
    """What is known of a line.

    Attributes:
        key: identifies what it asks for; see `checking.identify`.
        line: its number in the last input that had it.
        status: `"pending"`, `"done"`, `"failed"` or `"bad"`.
        files, sizes: names of its pictures and their bytes.
        seconds: how long drawing took.
        error: why it failed.
    """

    key: str
    line: int
    prompt: str
    status: str = "pending"
    files: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    seconds: float | None = None
    error: str | None = None


Entries = dict[str, Entry]


class BatchFolder:
    """A batch's folder; several processes may have one open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = path / STATE
        self._manifest = path / MANIFEST
        self._lock = self._state / "manifest.lock"

    def open(self, wanted: Iterable[Entry], drafts: Container[str]) -> None:
        """Make the folder ready for these lines, and remove what killed runs have left.

        Args:
            drafts: under which names stages keep what they make; what has others is removed.

        Raises:
            BatchFolderError: if there is a manifest that cannot be read; it is left as it is.
        """
        self.read()  # before anything is made there
        self._state.mkdir(parents=True, exist_ok=True)
        for lock in self._state.glob("*.lock"):
            with locked_if_free(lock):
                pass  # which removes it
        with self._changing() as entries:
            for leftover in self._state.glob(f".*{TEMPORARY_SUFFIX}"):
                leftover.unlink()
            settled = [entry for entry in entries.values() if entry.status in ("done", "failed")]
            known = {entry.key: entry for entry in settled}
            renewed = [replace(known.get(entry.key, entry), line=entry.line) for entry in wanted]
            entries.clear()
            entries |= known | {entry.key: entry for entry in renewed}
            for kept in self._state.glob("*.npz"):
                if kept.name.partition("-")[0] not in drafts:
                    kept.unlink()

    # --- the manifest ---

    def read(self) -> Entries:
        """Return the manifest by key.

        Raises:
            BatchFolderError: if it cannot be read.
        """
        if not self._manifest.exists():
            return {}
        try:
            first, *rest = self._manifest.read_text(encoding="utf-8").splitlines()
            if json.loads(first) != {"format": MANIFEST_FORMAT}:
                raise ValueError(f"its first line is not that of {MANIFEST_FORMAT}")
            entries = [_entry(json.loads(line)) for line in rest]
        except (RecursionError, TypeError, ValueError) as error:
            raise BatchFolderError(
                f"{self._manifest} is not the manifest of a batch, or damaged ({error}); move it "
                "away, or choose another folder"
            ) from None
        return {entry.key: entry for entry in entries}

    @contextmanager
    def _changing(self) -> Iterator[Entries]:
        with locked(self._lock):
            entries = self.read()
            before = dict(entries)
            yield entries
            if entries != before:
                self._write(entries)

    def _write(self, entries: Entries) -> None:
        rows = [{"format": MANIFEST_FORMAT}, *map(asdict, entries.values())]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        write_over(self._manifest, text.encode(), self._state)

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

    def publish(self, done: Entry, stems: Sequence[str], pngs: Sequence[bytes]) -> Entry:
        """Write the pictures of a claimed line under names like `stems` that are free.

        Returns:
            What the manifest now has of the line.
        """
        with locked(self._lock):
            entries = self.read()
            entry = entries.get(done.key, done)
            while True:
                pictures = self._name(entry, stems, pngs)
                sizes = tuple(size for _, size in pictures)
                entry = replace(done, files=tuple(name for name, _ in pictures), sizes=sizes)
                entries[done.key] = entry
                self._write(entries)
                try:
                    for (name, size), png in zip(pictures, pngs, strict=True):
                        if not self._is_whole(name, size):
                            write_new(self.path / name, png, self._state)
                except FileExistsError:
                    continue  # another program has just taken that name
                return entry

    def _name(
        self, entry: Entry, stems: Sequence[str], pngs: Sequence[bytes]
    ) -> list[tuple[str, int]]:
        """Names and sizes: those of pictures of this line that are there, else free names."""
        earlier = dict(enumerate(zip(entry.files, entry.sizes, strict=True)))
        chosen: list[tuple[str, int]] = []
        for index, (stem, png) in enumerate(zip(stems, pngs, strict=True)):
            picture = earlier.get(index)
            if picture is not None and self._is_whole(picture[0], 0):
                # the place of a picture that never came, on a disk without hard links
                (self.path / picture[0]).unlink()
            if picture is None or not self._is_whole(*picture):
                taken = {name for name, _ in chosen}
                candidates = (path.name for path in numbered(self.path / f"{stem}.png"))
                free = (name for name in candidates if name not in taken and self._is_free(name))
                picture = next(free), len(png)
            chosen.append(picture)
        return chosen

    def _is_free(self, name: str) -> bool:
        return not os.path.lexists(self.path / name)

    def fail(self, failed: Entry) -> None:
        """Note that a claimed line could not be drawn."""
        with self._changing() as entries:
            entries[failed.key] = failed

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

    def drop(self, draft: str, stages: Iterable[str]) -> None:
        """Remove what was kept of a line."""
        for stage in stages:
            self._place(draft, stage).unlink(missing_ok=True)

    def _place(self, draft: str, stage: str) -> Path:
        return self._state / f"{draft}-{stage}.npz"


def _entry(values: Any) -> Entry:
    if not isinstance(values, dict) or set(values) != {field.name for field in fields(Entry)}:
        raise ValueError("an entry has other fields")
    entry = Entry(**values | {name: tuple(values[name]) for name in ("files", "sizes")})
    texts = (entry.key, entry.prompt, entry.status, *entry.files)
    if not all(isinstance(text, str) for text in texts) or entry.status not in STATUSES:
        raise ValueError("an entry has values of another kind")
    if len(entry.files) != len(entry.sizes):
        raise ValueError("an entry has not a size for each file")
    # a manifest is data: it names nothing outside its folder
    if any(Path(name).name != name or "\\" in name for name in entry.files):
        raise ValueError(f"an entry names files elsewhere: {entry.files}")
    return entry


def pack(arrays: Arrays) -> bytes:
    """Return arrays as the bytes of an .npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **cast("Any", arrays))
    return buffer.getvalue()


def unpack(data: bytes) -> Arrays:
    """Return what `pack` was given. Nothing in the data is executed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)
