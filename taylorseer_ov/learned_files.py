"""Where what was learned for a model lies: in the user's folder, or beside the model.

In the user's folder it lies in a folder named by the weights it belongs to, so that every copy of
the model finds it, and models that cannot be written, such as the one that ships, can have some.
Beside a model lies what came with it, and what was put there for others. The user's goes first: it
was kept since it did better than what the model came with. Nothing is ever written into this
package.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

from .files import locked, writable_folder
from .model_files import weights_fingerprint

DATA_DIR_VARIABLE = "TAYLORSEER_OV_DATA_DIR"
PACKAGE = Path(__file__).resolve().parent


def user_folder(fingerprint: str) -> Path:
    """Return the user's folder of what was learned for these weights; nothing is made.

    It is below what `TAYLORSEER_OV_DATA_DIR` names, else where this system keeps a program's data.
    """
    import platformdirs

    given = os.environ.get(DATA_DIR_VARIABLE)
    root = Path(given) if given else platformdirs.user_data_path("taylorseer-ov", appauthor=False)
    return root / "learned" / fingerprint


def learned_files(beside: Path, fingerprint: str, name: str) -> list[Path]:
    """Return the files of this name that there are for a model, the one that goes first ahead."""
    places = [user_folder(fingerprint) / name, beside / name]
    return [path for path in places if os.path.isfile(path)]  # also where one may not look


def target_folder(fingerprint: str, into: str | Path | None = None) -> Path:
    """Return the folder that something learned is to be written into, which is seen to be possible.

    Args:
        into: the folder of a model with these weights, instead of the user's folder.

    Raises:
        ValueError: if it is inside this package, is not there, holds a model with other weights, or
            cannot be written.
    """
    folder = user_folder(fingerprint) if into is None else Path(into)
    if folder.resolve().is_relative_to(PACKAGE):
        raise ValueError(
            f"{str(folder)!r} is inside the installed package, which stays as it was installed; "
            "copy the model and choose the copy, or leave the choice out: what is learned is then "
            "kept in your own folder"
        )
    if into is not None:
        _check_weights(folder, fingerprint)
    advice = f"set {DATA_DIR_VARIABLE} to another" if into is None else "choose another folder"
    try:
        return writable_folder(folder)
    except ValueError as error:
        raise ValueError(f"{error}; {advice}") from error


def rewriting(path: Path) -> AbstractContextManager[None]:
    """Hold the lock under which a file of several writers is read, changed and written."""
    return locked(path.with_name(f".{path.name}.lock"))


def _check_weights(folder: Path, fingerprint: str) -> None:
    if not folder.is_dir():
        raise ValueError(f"there is no folder {str(folder)!r} to write into")
    parts = [stem.parent for stem in sorted(folder.glob("*/openvino_model.bin"))]
    if parts and all(weights_fingerprint(part) != fingerprint for part in parts):
        raise ValueError(
            f"{str(folder)!r} holds a model with other weights than those that are learned for; "
            "choose the folder of a copy of that model"
        )
