"""Files written whole or not at all, folders that can be written into, and locks.

A lock is held by a process: its end lets go of it, however the process ends. Locks are filelock's,
which has what every system has for them.
"""

from __future__ import annotations

import difflib
import itertools
import os
import secrets
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

TEMPORARY_SUFFIX = ".part"
MOST_NAMES = 1000  # of a folder, among which a nearly equal one is looked for


def write_new(path: Path, data: bytes, scratch: Path | None = None) -> None:
    """Write a file under a name that is free, and onto the disk, before it is seen there.

    Args:
        scratch: folder of the temporary file, on the same disk; that of `path` if None.

    Raises:
        FileExistsError: if the name is taken, which is left as it is.
    """
    with _temporary(data, path, scratch or path.parent) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # no hard links on this disk: take the name first, then fill it
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            try:
                _replace(temporary, path)
            except BaseException:
                path.unlink()
                raise
    _flush_folder(path.parent)


def write_over(path: Path, data: bytes | Iterable[bytes], scratch: Path | None = None) -> None:
    """Write a file, replacing what is there at once: either is seen, never a part.

    Args:
        data: all of it, or one piece after the other.
        scratch: as in `write_new`.
    """
    with _temporary(data, path, scratch or path.parent) as temporary:
        _replace(temporary, path)
    _flush_folder(path.parent)


def _replace(source: Path, target: Path) -> None:
    """Move a file over another; on Windows, wait a little for whoever has that open."""
    for pause_s in (0.01, 0.05, 0.2, 0.5, 1.0):
        with suppress(PermissionError):
            os.replace(source, target)
            return
        time.sleep(pause_s)
    os.replace(source, target)


def write_numbered(path: Path, data: bytes) -> Path:
    """Write a file under a name like `path`, with a number if that is taken; return the path."""
    for candidate in numbered(path):
        if os.path.lexists(candidate):
            continue
        with suppress(FileExistsError):
            write_new(candidate, data)
            return candidate
    raise AssertionError("there is always another number")


def numbered(path: Path) -> Iterator[Path]:
    """Yield `path`, then the same with -2, -3, ... before its suffix."""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def similar_folder(path: Path, *others: str) -> str:
    """Return the end of a sentence about a folder that is not there: what was probably meant.

    Args:
        others: what may be said instead of a folder.
    """
    try:
        with os.scandir(path.parent) as entries:
            listed = itertools.islice(entries, MOST_NAMES)
            meant = {
                entry.name: str(path.parent / entry.name) for entry in listed if entry.is_dir()
            }
    except OSError:
        meant = {}
    meant |= {other: other for other in others}
    near = difflib.get_close_matches(path.name, meant, n=1)
    return f" (did you mean {meant[near[0]]!r}?)" if near else ""


def writable_folder(folder: Path) -> Path:
    """Make a folder, and check before minutes of work that files can be written into it.

    Raises:
        ValueError: saying why not; the caller adds what helps.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"cannot write into {str(folder)!r} ({error.strerror})") from error
    return folder


@contextmanager
def _temporary(data: bytes | Iterable[bytes], target: Path, folder: Path) -> Iterator[Path]:
    path = folder / f".{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o666)
    try:
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines([data] if isinstance(data, bytes) else data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if error.filename is None:  # as when a disk is full
                error.filename = str(target)
            raise
        yield path
    finally:
        path.unlink(missing_ok=True)


_BINARY: int = getattr(os, "O_BINARY", 0)


def _flush_folder(folder: Path) -> None:
    """Put a new name on the disk as well, where the system lets one."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# --- locks -----------------------------------------------------------------------------------


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made and removed again; wait for it if need be."""
    lock = _lock(path)
    lock.acquire(poll_interval=0.005)
    try:
        yield
    finally:
        _release(lock, path)


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock of a file if nobody does, another thread included, and say whether."""
    from filelock import Timeout

    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        _release(lock, path)


def _lock(path: Path) -> BaseFileLock:
    from filelock import FileLock

    return FileLock(path, thread_local=False)  # what a generator holds, any thread may let go of


def _release(lock: BaseFileLock, path: Path) -> None:
    from filelock import UnixFileLock

    if isinstance(lock, UnixFileLock):  # the other kinds remove their file
        # while locked: who comes now makes a new file, who waited is not given one that is gone
        with suppress(OSError):
            path.unlink()
    lock.release()
