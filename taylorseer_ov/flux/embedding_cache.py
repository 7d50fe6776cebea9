"""Arrays kept on disk by content, so that a prompt is encoded once and not once a process.

An entry is one file: written beside its place and then moved into it, so that there is never half
of one, and beginning with a checksum of the rest. Any number of processes may share a folder: what
one removes, another misses and makes again.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..files import writable_folder
from ..warning import warn
from .kept_files import cache_folder, keep_latest, listed, remove

# Some 120 prompts of 512 tokens for FLUX.1, whose T5 writes 8 MiB each.
LIMIT_BYTES = 2**30

# Longer than any write takes: what is older was left behind by a process that ended in the middle.
ABANDONED_S = 3600.0
ENTRY, PARTIAL = ".embedding", ".embedding-partial"


def default_folder() -> Path:
    """Return the folder of encoded prompts among what this system keeps for programs."""
    return cache_folder("embeddings")


def content_key(*parts: bytes) -> str:
    """Return the key of what is made from these parts and nothing else."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


class EmbeddingCache:
    """A folder of arrays by key, the least recently used of which go when it is full.

    Args:
        folder: made if missing; files of others in it are left alone.
        limit_bytes: what all entries together may take.

    Raises:
        ValueError: if the folder cannot be made or written into.
    """

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._folder, self._limit_bytes = folder, limit_bytes
        try:
            writable_folder(folder)
        except ValueError as error:
            raise ValueError(f"embedding_cache: {error}; choose another folder") from error

    def get(self, key: str) -> dict[str, Array] | None:
        """Return an entry's arrays; None if there is none, or a damaged one."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        checksum, archive = content[:32], content[32:]
        if hashlib.sha256(archive).digest() != checksum:
            return None
        with suppress(OSError):  # removed meanwhile, or not ours to touch
            os.utime(path)  # the time of its last use
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            return dict(arrays)

    def put(self, key: str, **arrays: Any) -> None:
        """Keep arrays, replacing what was there. A disk that is full costs a warning only."""
        archive = io.BytesIO()
        np.savez(archive, **arrays)
        content = archive.getvalue()
        try:
            self._write(self._path(key), hashlib.sha256(content).digest() + content)
            self._trim()
        except OSError as error:
            warn(
                f"the encoded prompt could not be kept in {str(self._folder)!r} ({error.strerror})",
                RuntimeWarning,
            )

    def _path(self, key: str) -> Path:
        return self._folder / (key + ENTRY)

    def _write(self, path: Path, content: bytes) -> None:
        handle, partial = tempfile.mkstemp(PARTIAL, path.stem, self._folder)
        try:
            with open(handle, "wb") as file:
                file.write(content)
            os.replace(partial, path)
        except BaseException as error:
            with suppress(OSError):
                os.remove(partial)
            # on Windows, an entry that another process reads: it is there
            if not (isinstance(error, PermissionError) and path.exists()):
                raise

    def _trim(self) -> None:
        """Remove what a killed process left behind, and the oldest entries beyond the limit."""
        now_s = time.time()
        for path, used_s, _ in listed(self._folder.glob("*" + PARTIAL)):
            if now_s - used_s > ABANDONED_S:
                remove(path)
        keep_latest(listed(self._folder.glob("*" + ENTRY)), self._limit_bytes)
