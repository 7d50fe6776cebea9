"""What is known of every line of a batch: a database for us, `manifest.jsonl` for people.

The database counts. `manifest.jsonl` has the same for a reader: while lines are drawn, what becomes
of each is added at its end, where the last row of a line is the one that holds; when a sitting ends
it is written anew, with one row for each line. Should the database be gone, it is made again from
there, and so go on the batches of versions that had nothing else.

A change costs the same however many lines there are, and a killed process leaves either all of it
or nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path

from ..files import write_over

MANIFEST, DATABASE = "manifest.jsonl", "lines.sqlite"
MANIFEST_FORMAT, DATABASE_FORMAT = "taylorseer_ov.batch/1", 1
HEADER = json.dumps({"format": MANIFEST_FORMAT}).encode() + b"\n"
STATUSES = ("pending", "done", "failed", "bad")
LONGEST_WAIT_S = 600  # for another process, which may be writing out a million rows
# sitting: when the latest one began that has a line still to draw; null for a settled line
CREATE = "CREATE TABLE lines (key TEXT UNIQUE NOT NULL, sitting REAL, row TEXT NOT NULL)"
PUT = (
    "INSERT INTO lines (key, sitting, row) VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET sitting = excluded.sitting, row = excluded.row"
)
# in the order in which they came, without what only earlier sittings had to draw
ROWS = "SELECT row FROM lines WHERE sitting IS NULL OR sitting >= ? ORDER BY rowid"
CACHE_KIB = 16384
LONGEST_PATH = 500  # bytes, at least, that SQLite takes


class BatchFolderError(ValueError):
    """A folder whose manifest is not one of ours, or damaged."""


@dataclass(frozen=True)
class Entry:
    """What is known of a line.

    Attributes:
        key: identifies what it asks for; see `identity.identify`.
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

    @property
    def is_settled(self) -> bool:
        """Whether it is remembered even if the next input does not have it."""
        return self.status in ("done", "failed")

    def to_row(self) -> str:
        """Return it as JSON in one line."""
        return json.dumps(vars(self))

    @classmethod
    def from_row(cls, row: str | bytes) -> Entry:
        """Build from what `to_row` returned.

        Raises:
            RecursionError, TypeError, ValueError: for anything else.
        """
        values = json.loads(row)
        if not isinstance(values, dict) or set(values) != {field.name for field in fields(cls)}:
            raise ValueError("an entry has other fields")
        entry = cls(**values | {name: tuple(values[name]) for name in ("files", "sizes")})
        texts = (entry.key, entry.prompt, entry.status, *entry.files)
        if not all(isinstance(text, str) for text in texts) or entry.status not in STATUSES:
            raise ValueError("an entry has values of another kind")
        if len(entry.files) != len(entry.sizes):
            raise ValueError("an entry has not a size for each file")
        # it is data: it names nothing outside its folder
        if any(Path(name).name != name or "\\" in name for name in entry.files):
            raise ValueError(f"an entry names files elsewhere: {entry.files}")
        return entry


class Manifest:
    """What is known of the lines of a batch.

    Reading needs no lock. Who changes something holds the folder's, from `open` to `write_out`.

    Args:
        folder: that of the pictures, where `manifest.jsonl` is.
        state: that of the database, and of temporary files.
    """

    def __init__(self, folder: Path, state: Path) -> None:
        self.path, self._state = folder / MANIFEST, state
        self._database = state / DATABASE
        self._began = time.time()

    def check(self) -> None:
        """Look whether it can be used, before anything is made.

        Raises:
            BatchFolderError: if not. All is left as it is.
        """
        entries = self._read()
        if self._database.exists():
            next(entries, None)
        else:
            for _ in entries:
                pass

    def open(self) -> None:
        """Make what is missing of database and file.

        Raises:
            BatchFolderError: if either cannot be read.
        """
        with self._changing() as database:
            ((found,),) = database.execute("PRAGMA user_version")
            if found not in (0, DATABASE_FORMAT):
                raise BatchFolderError(
                    f"{self._database} was made by a later version of this package; use that one, "
                    "or choose another folder"
                )
            if not found:
                database.execute(CREATE)
                self._put(database, (entry for entry in self._read() if entry.is_settled))
                database.execute(f"PRAGMA user_version = {DATABASE_FORMAT}")
        if not self._ends_with_a_whole_row():
            self.write_out()

    def find(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the entries that there are of these keys.

        Raises:
            BatchFolderError: if the database is damaged.
        """
        with self._reading() as database:
            found = (
                row
                for key in keys
                for (row,) in database.execute("SELECT row FROM lines WHERE key = ?", [key])
            )
            return {entry.key: entry for entry in map(self._entry, found)}

    def expect(self, entries: Iterable[Entry]) -> None:
        """Take entries in or change them, without telling people yet."""
        with self._changing() as database:
            self._put(database, entries)

    def note(self, entry: Entry) -> None:
        """Take an entry in or change it."""
        if not self.path.exists():
            self.write_out()
        with self._changing() as database:
            with self.path.open("ab") as file:
                file.write(entry.to_row().encode() + b"\n")
            self._put(database, [entry])

    def write_out(self) -> None:
        """Write `manifest.jsonl` anew, an object for each line."""
        with self._reading() as database:
            rows = database.execute(ROWS, [self._began])
            pieces = chain([HEADER], (row.encode() + b"\n" for (row,) in rows))
            write_over(self.path, pieces, self._state)

    # --- the file ---

    def _read(self) -> Iterator[Entry]:
        """Read `manifest.jsonl`; of rows with one key the last holds."""
        if not self.path.exists():
            return
        try:
            with self.path.open("rb") as file:
                if json.loads(file.readline()) != json.loads(HEADER):
                    raise ValueError(f"its first line is not that of {MANIFEST_FORMAT}")
                for row in file:
                    # the last one may be half there, if the machine lost its power
                    if row.endswith(b"\n") or _is_json(row):
                        yield Entry.from_row(row)
        except (RecursionError, TypeError, ValueError) as error:
            raise BatchFolderError(
                f"{self.path} is not the manifest of a batch, or damaged ({error}); move it "
                "away, or choose another folder"
            ) from None

    def _ends_with_a_whole_row(self) -> bool:
        if not self.path.exists():
            return False
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"

    # --- the database ---

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        # a connection each time: any thread may go on with a batch, or leave it as it is
        try:
            with closing(
                sqlite3.connect(self._database, timeout=LONGEST_WAIT_S, isolation_level=None)
            ) as database:
                # on old disks a loss of power may damage it, and then there is `manifest.jsonl`
                database.execute("PRAGMA synchronous = NORMAL")
                database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
                yield database
        except sqlite3.OperationalError as error:
            length = len(os.fsencode(os.path.abspath(self._database)))
            if length > LONGEST_PATH:
                raise BatchFolderError(
                    f"{self._database} has a path of {length} bytes, and SQLite takes some "
                    f"{LONGEST_PATH}; choose a folder with a shorter one"
                ) from error
            raise OSError(f"{self._database}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as database:
            database.execute("BEGIN IMMEDIATE")
            with database:  # to the end, or back to where it began
                yield database

    def _put(self, database: sqlite3.Connection, entries: Iterable[Entry]) -> None:
        rows = (
            (entry.key, None if entry.is_settled else self._began, entry.to_row())
            for entry in entries
        )
        database.executemany(PUT, rows)

    def _entry(self, row: str) -> Entry:
        try:
            return Entry.from_row(row)
        except (RecursionError, TypeError, ValueError) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> BatchFolderError:
        return BatchFolderError(
            f"{self._database} is damaged ({error}); remove it: what became of the lines is then "
            f"read from {MANIFEST}"
        )


def _is_json(row: bytes) -> bool:
    try:
        json.loads(row)
    except (RecursionError, ValueError):
        return False
    return True
