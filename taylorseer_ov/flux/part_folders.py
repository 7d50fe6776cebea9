"""The folder of a part that is given by itself: checked, and its tokenizer found beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..model_files import ModelFolderError, read_json
from .folder_checks import CONFIGS, check_ir

ENCODERS = {"text_encoder": "clip", "text_encoder_2": "t5"}  # in a configuration's model_type
TOKENIZER = "text_encoder", "tokenizer"


def checked_part(part: str, path: Any, name: str) -> Path:
    """Check the folder of a part, and return it.

    Args:
        part: what it has to be, by its name in a model's folder.
        path: where it is.
        name: what errors call it.

    Raises:
        TypeError: if `path` is none.
        FileNotFoundError, ModelFolderError: if the folder is missing, or not that of the part.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} takes the folder of the part, got {path!r}")
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"{name}: there is no folder {str(folder)!r}; give MODEL/{part}")
    if not (folder / "openvino_model.xml").is_file():
        raise ModelFolderError(f"{name}: {folder} has no openvino_model.xml; give MODEL/{part}")
    _check_encoder(part, folder, name)
    check_ir(folder / "openvino_model", part)
    if part in CONFIGS:
        CONFIGS[part](folder)
    if part.startswith("text_encoder"):
        check_ir(tokenizer_folder(folder) / "openvino_tokenizer", part.replace(*TOKENIZER))
    return folder


def _check_encoder(part: str, folder: Path, name: str) -> None:
    """Tell the two encoders apart, which take the same input."""
    config = folder / "config.json"
    if part in ENCODERS and config.is_file():
        kind = str(read_json(config).get("model_type"))
        if any(other in kind for other in ENCODERS.values() if other != ENCODERS[part]):
            raise ModelFolderError(f"{name}: {folder} is the other encoder's; give MODEL/{part}")


def tokenizer_folder(encoder: Path) -> Path:
    """Return the folder of an encoder's tokenizer, which lies beside it: `tokenizer_2`.

    Raises:
        ModelFolderError: if the encoder's folder has another name than such a one.
    """
    if TOKENIZER[0] not in encoder.name:
        raise ModelFolderError(
            f"{encoder}: the tokenizer is looked for beside its encoder, under the same name with "
            "'tokenizer' for 'text_encoder'; call the folder text_encoder or text_encoder_2"
        )
    return encoder.with_name(encoder.name.replace(*TOKENIZER, 1))
