"""Files written whole or not at all, folders that can be written into, and locks.

A lock is held by a process: its end lets go of it, however the process ends.
"""

from __future__ import annotations

import itertools
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY_SUFFIX = ".part"


def write_new(path: Path, data: bytes, scratch: Path | None = None) -> None:
    """Write a file under a name that is free, and onto the disk, before it is seen there.

    Args:
        scratch: folder of the temporary file, on the same disk; that of `path` if None.

    Raises:
        FileExistsError: if the name is taken, which is left as it is.
    """
    with _temporary(data, scratch or path.parent) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # no hard links on this disk: take the name first, then fill it
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            try:
                os.replace(temporary, path)
            except BaseException:
                path.unlink()
                raise
    _flush_folder(path.parent)


def write_over(path: Path, data: bytes, scratch: Path | None = None) -> None:
    """Write a file, replacing what is there at once: either is seen, never a part."""
    with _temporary(data, scratch or path.parent) as temporary:
        os.replace(temporary, path)
    _flush_folder(path.parent)


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
def _temporary(data: bytes, folder: Path) -> Iterator[Path]:
    path = folder / f".{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
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
    while (descriptor := _acquire(path)) is None:
        time.sleep(0.005)
    try:
        yield
    finally:
        _release(path, descriptor)


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock of a file if nobody does, and say whether."""
    descriptor = _acquire(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            _release(path, descriptor)


def _acquire(path: Path) -> int | None:
    """Lock a file. The system lets go of it when the process ends, however it ends."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    if _lock(descriptor) and _is_at(path, descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _release(path: Path, descriptor: int) -> None:
    # removed while still locked: who comes now makes a new file, and who has waited for this one
    # sees in `_is_at` that it is gone. Windows keeps an open file: there it stays
    with suppress(OSError):
        path.unlink()
    os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
