"""Files of a model: JSON read as data, weights told apart, errors that say what helps."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

FINGERPRINT_PIECES = 64
MOST_JSON = 16 * 10**6  # bytes; tokenizers have the largest, of a few million
EXPORT_ADVICE = "export it again with scripts/export_model.py"


class ModelFolderError(ValueError):
    """A folder that is not a complete Flux export; says what is wrong and what helps."""


def weights_fingerprint(folder: Path) -> str:
    """Return what identifies the weights of an exported model, without reading gigabytes of them.

    Args:
        folder: holds `openvino_model.xml` and `openvino_model.bin`.
    """
    stem = folder / "openvino_model"
    digest = hashlib.sha256(stem.with_suffix(".xml").read_bytes())
    with stem.with_suffix(".bin").open("rb") as weights:
        size = weights.seek(0, 2)
        for place in range(0, size, max(1, size // FINGERPRINT_PIECES)):
            weights.seek(place)
            digest.update(weights.read(4096))
    return f"{size}-{digest.hexdigest()[:32]}"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ModelFolderError: if the file is missing, over 16 MB or not a JSON object.
    """
    try:
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
