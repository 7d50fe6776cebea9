"""Models compiled for GPUs, kept for the next start: OpenVINO's `CACHE_DIR`, where nobody said it.

A GPU compiles kernels for minutes and reads what was kept in seconds. A processor compiles nearly
as fast as it reads, so nothing is kept for it. OpenVINO writes the files and knows by their names
what they were compiled from and for; it does without those that are damaged or that it cannot
write. `CACHE_DIR=""` keeps nothing, another folder is left to whoever chose it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ..files import writable_folder
from .devices import Properties
from .folder import FluxFolder
from .folder_checks import IR_FILES
from .kept_files import KeptFile, cache_folder, keep_latest, listed

T = TypeVar("T")
CACHE_DIR = "CACHE_DIR"
LIMIT_BYTES = 24 * 2**30  # two models of FLUX.1's size in int4
SHARE_OF_DISK = 4  # what is kept takes at most one part in so many of what would be free without


def compiled_folder() -> Path:
    """Return the folder that compiled models are kept in, in a folder for each model."""
    return cache_folder("compiled")


def kept_bytes() -> int:
    """Return what is kept, in bytes."""
    return sum(file.size for file in _kept(compiled_folder()))


def compile_kept(
    compile_with: Callable[[Properties], T],
    device: str,
    properties: Properties,
    folder: FluxFolder,
) -> T:
    """Compile a part of a model, keeping it or taking what was kept if `device` is a GPU.

    Nothing about what is kept is an error: without it, compiling takes longer.

    Args:
        compile_with: compiles with OpenVINO properties.
        properties: those asked for; if `CACHE_DIR` is one, it is left as it is.
        folder: the model.
    """
    place = None if CACHE_DIR in properties else _place(device, folder)
    if place is None:
        return compile_with(properties)
    try:
        compiled = compile_with({**properties, CACHE_DIR: str(place)})
    except RuntimeError:  # it may be the folder's fault; if it is not, this tells
        return compile_with(properties)
    _trim(place)
    return compiled


def is_kept_for(device: str) -> bool:
    """Whether a device is a GPU, or several that all are, as `"AUTO:GPU.0,GPU.1"`."""
    named = (device.partition(":")[2] or device).split(",")
    return all(name.strip().startswith("GPU") for name in named)


def _place(device: str, folder: FluxFolder) -> Path | None:
    """The folder for a model, None where nothing can be kept or would fit."""
    if not is_kept_for(device):
        return None
    place = compiled_folder() / folder.fingerprint()
    try:
        writable_folder(place)
        weights = (folder.part(part) / "openvino_model.bin" for part in IR_FILES)
        size = sum(path.stat().st_size for path in weights if path.is_file())
        return place if size <= _limit_bytes() else None
    except (ValueError, OSError):
        return None


def _limit_bytes() -> int:
    root = compiled_folder()
    free = shutil.disk_usage(root).free + sum(file.size for file in _kept(root))
    return min(LIMIT_BYTES, free // SHARE_OF_DISK)


def _trim(place: Path) -> None:
    """Note that a model was used now, and remove what was used least recently beyond the limit."""
    with suppress(OSError):
        os.utime(place)
        used_s = {model: model.stat().st_mtime for model in place.parent.iterdir()}
        kept = [
            # the files of a model were used when it was, however long ago they were written
            file._replace(used_s=max(file.used_s, used_s.get(file.path.parent, 0)))
            for file in _kept(place.parent)
        ]
        keep_latest(kept, _limit_bytes())


def _kept(root: Path) -> list[KeptFile]:
    return listed(path for path in root.glob("*/*") if path.is_file())
