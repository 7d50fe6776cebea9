"""Find a diffusers checkpoint, here or on the Hugging Face hub, and check it before it is read."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..flux.folder_checks import FILL_CLASS
from ..flux.hub import explain

HUB_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
VARIANT_FILES = "*.*.safetensors"  # such as model.fp16.safetensors; diffusers loads the plain ones


class ExportError(RuntimeError):
    """An export that could not be made; the message says why and what helps, in one line."""


@dataclass(frozen=True)
class Checkpoint:
    """A pipeline as diffusers saves it.

    Attributes:
        index: its `model_index.json`.
    """

    folder: Path
    index: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """Read the index of a diffusers folder.

        Raises:
            ValueError: if there is none, or the folder is an OpenVINO export already.
        """
        try:
            index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
            index["_class_name"]
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(
                f"{folder} is not a diffusers pipeline: it has no readable model_index.json"
            ) from None
        if next(folder.glob("*/openvino_model.xml"), None):
            raise ValueError(
                f"{folder} is an OpenVINO export already; pass the pipeline it came from"
            )
        return cls(folder, dict(index))

    @property
    def class_name(self) -> str:
        """The class of its pipeline."""
        return str(self.index["_class_name"])

    @property
    def is_fill(self) -> bool:
        """Whether it is FLUX.1 Fill."""
        return self.class_name == FILL_CLASS


def parts_of(index: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the class of each part that a pipeline has, by the name of its folder."""
    entries = {name: entry for name, entry in index.items() if name.startswith(prefix)}
    return {
        name: entry[1] for name, entry in entries.items() if isinstance(entry, list) and entry[0]
    }


def count_parameters(folder: Path) -> int:
    """Count the weights of a diffusers folder from the headers of its files.

    Raises:
        ExportError: if there are none, or a file is not what its name says.
    """
    total = 0
    for path in folder.glob("*/*.safetensors"):
        if path.match(VARIANT_FILES):
            continue
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(length) if length <= path.stat().st_size else b""
        try:
            tensors = json.loads(header)
        except ValueError:
            raise ExportError(
                f"{path} is not a safetensors file; if it came with git, run: git lfs pull"
            ) from None
        tensors.pop("__metadata__", None)
        total += sum(math.prod(tensor["shape"]) for tensor in tensors.values())
    if not total:  # older files tell their number of weights to torch only
        total = sum(path.stat().st_size // 2 for path in folder.glob("*/*.bin"))
    if not total:
        raise ExportError(f"{folder} has no weights: no .safetensors file in any of its parts")
    return total


def require_space(demands: Sequence[tuple[Path, float, str]]) -> None:
    """Check demands (place, bytes, purpose) against the free space of the disks they are on.

    Raises:
        ExportError: naming what is needed and what is free.
    """
    disks: dict[int, tuple[Path, float, list[str]]] = {}
    for path, size, purpose in demands:
        place = next(folder for folder in (path, *path.parents) if folder.exists())
        disk = place.stat().st_dev
        _, total, purposes = disks.get(disk, (place, 0.0, []))
        disks[disk] = place, total + size, [*purposes, purpose]
    for place, total, purposes in disks.values():
        free = shutil.disk_usage(place).free
        if free < total:
            raise ExportError(
                f"not enough disk space at {place}: to {' and to '.join(purposes)} takes about "
                f"{_gigabytes(total)}, {_gigabytes(free)} are free; make room, or use another disk"
            )


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.3g} GB"


def download(
    source: str,
    revision: str | None,
    cache_dir: str | Path | None,
    *,
    output: Path,
    peak_bytes: float,
    say: Callable[[str], object],
) -> Path:
    """Fetch the parts of a pipeline into the cache and return their folder.

    Checks first that the hub gives access, and that the disks hold the download and what will be
    made of it at `output`: `peak_bytes` for each parameter, two bytes of the download taken as one.

    Raises:
        ExportError: if access, the network or disk space is missing.
    """
    import huggingface_hub as hub
    from huggingface_hub import constants

    cache = Path(cache_dir or constants.HF_HUB_CACHE).expanduser().resolve()
    places: dict[str, Any] = {"revision": revision, "cache_dir": cache}
    try:
        index_path = Path(hub.hf_hub_download(source, "model_index.json", **places))
        parts = parts_of(json.loads(index_path.read_text(encoding="utf-8")))
        patterns: dict[str, Any] = {
            "allow_patterns": ["model_index.json", *(f"{p}/{f}" for p in parts for f in HUB_FILES)],
            "ignore_patterns": [VARIANT_FILES],
        }
        sizes = _sizes(source, revision, patterns)
        cached = {
            name: isinstance(hub.try_to_load_from_cache(source, name, **places), str)
            for name in sizes
        }
        missing = sum(size for name, size in sizes.items() if not cached[name])
        export = peak_bytes * sum(sizes.values()) / 2
        require_space([(cache, missing, f"download {source}"), (output, export, "export it")])
        say(f"downloading {source}: {_gigabytes(missing)}")
        return Path(hub.snapshot_download(source, **places, **patterns))
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(explain(error, source, revision, cache)) from error


def _sizes(source: str, revision: str | None, patterns: Mapping[str, Any]) -> dict[str, int]:
    """Bytes of the files that are needed, as far as the hub tells."""
    import huggingface_hub as hub
    from huggingface_hub import utils

    try:
        info = hub.HfApi().model_info(source, revision=revision, files_metadata=True)
    except Exception:  # all may be in the cache; if not, snapshot_download says why
        return {}
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    return {name: sizes[name] for name in utils.filter_repo_objects(sizes, **patterns)}
