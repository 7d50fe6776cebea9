"""Files of a model: JSON read as data, weights told apart, errors that say what helps.

What was made of a file is kept by `Readings` until the file changes.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")

FINGERPRINT_PIECES = 64
MOST_JSON = 16 * 10**6  # bytes; tokenizers have the largest, of a few million
SETTLED_NS = 3 * 10**9  # a file may change again without another time: some count in two seconds
EXPORT_COMMAND = "taylorseer-ov export MODEL OUT_DIR"
EXPORT_ADVICE = f"export it again: {EXPORT_COMMAND}"


class ModelFolderError(ValueError):
    """A folder that is not a complete Flux export; says what is wrong and what helps."""


class Readings(Generic[T]):
    """What was made of files, kept for as long as they stay as they are.

    That is told by their names, sizes and times; what changed a moment ago is read every time. Any
    number of threads may share one.

    Args:
        most: how many are kept; the least recently used goes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[Path, ...], tuple[object, T]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, paths: Sequence[Path], read: Callable[[], T]) -> T:
        """Return what `read` makes of these files, or has made of them as they still are.

        Raises:
            OSError: if one of them is not there.
        """
        files = tuple(paths)
        # before they are read: what changes meanwhile has another state the next time
        now_ns, found = time.time_ns(), [path.stat() for path in files]
        state = [(f.st_size, f.st_mtime_ns, f.st_ctime_ns, f.st_ino, f.st_dev) for f in found]
        with self._lock:
            kept = self._kept.get(files)
            if kept is not None and kept[0] == state:
                self._kept.move_to_end(files)
                return kept[1]
        made = read()
        changed_ns = max(max(f.st_mtime_ns, f.st_ctime_ns) for f in found)
        with self._lock:
            self._kept.pop(files, None)
            if now_ns - changed_ns > SETTLED_NS:
                self._kept[files] = state, made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made


def weights_fingerprint(folder: Path) -> str:
    """Return what identifies the weights of an exported model, without reading gigabytes of them.

    Args:
        folder: holds `openvino_model.xml` and `openvino_model.bin`.
    """
    stem = folder / "openvino_model"
    files = [stem.with_suffix(".xml"), stem.with_suffix(".bin")]
    return _FINGERPRINTS.of(files, lambda: _fingerprint(*files))


_FINGERPRINTS = Readings[str](most=64)


def _fingerprint(description: Path, weights: Path) -> str:
    digest = hashlib.sha256(description.read_bytes())
    with weights.open("rb") as file:
        size = file.seek(0, 2)
        for place in range(0, size, max(1, size // FINGERPRINT_PIECES)):
            file.seek(place)
            digest.update(file.read(4096))
    return f"{size}-{digest.hexdigest()[:32]}"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ModelFolderError: if the file is missing, over 16 MB or not a JSON object.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would keep its reader waiting
            raise ModelFolderError(f"{path} is no file; {EXPORT_ADVICE}")
        with path.open("rb") as file:
            read = file.read(MOST_JSON + 1)
        if len(read) > MOST_JSON:
            raise ModelFolderError(
                f"{path} has over {MOST_JSON // 10**6} MB, which no JSON of a model has; "
                f"{EXPORT_ADVICE}"
            )
        values = json.loads(read.decode("utf-8"))
    except ModelFolderError:
        raise
    except FileNotFoundError:
        raise ModelFolderError(f"{path} is missing; {EXPORT_ADVICE}") from None
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read ({error.strerror})") from None
    # also text that is not UTF-8, numbers of thousands of digits, brackets nested as deeply
    except (ValueError, RecursionError) as error:
        raise ModelFolderError(f"{path} is not valid JSON ({error}); {EXPORT_ADVICE}") from None
    if not isinstance(values, dict):
        raise ModelFolderError(f"{path} must hold a JSON object; {EXPORT_ADVICE}")
    return values
