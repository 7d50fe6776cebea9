"""Files that can be made again, in the user's cache folder, the least recently used of which go."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class KeptFile(NamedTuple):
    """A file, when it was used last and how large it is."""

    path: Path
    used_s: float
    size: int


def cache_folder(name: str) -> Path:
    """Return where this system keeps what programs can make again, in a folder of our own."""
    import platformdirs

    return platformdirs.user_cache_path("taylorseer-ov", appauthor=False, opinion=False) / name


def listed(paths: Iterable[Path]) -> list[KeptFile]:
    """Return those of the files that are still there; their last use is when they were changed."""
    found = []
    for path in paths:
        with suppress(FileNotFoundError):  # another process was faster
            status = path.stat()
            found.append(KeptFile(path, status.st_mtime, status.st_size))
    return found


def keep_latest(files: Iterable[KeptFile], limit_bytes: int) -> None:
    """Remove the least recently used of these files beyond what they may take together."""
    total = 0
    for file in sorted(files, key=lambda file: file.used_s, reverse=True):
        total += file.size
        if total > limit_bytes:
            remove(file.path)


def remove(path: Path) -> None:
    """Remove a file, if it is there and not being read on Windows."""
    with suppress(FileNotFoundError, PermissionError):
        path.unlink()
