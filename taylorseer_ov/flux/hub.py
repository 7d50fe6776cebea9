"""Models on the Hugging Face hub: what is a name of one, and why it cannot be had."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from ..files import similar_folder
from .folder import demo_model_path
from .folder_checks import missing_folder

INSTALL_ADVICE = "pip install huggingface_hub"


class HubError(RuntimeError):
    """A model that the hub does not give; says why and what helps."""


def is_hub_id(source: str) -> bool:
    """Whether a text has the form owner/name."""
    return re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", source) is not None


def download_exported(model_id: str) -> Path:
    """Return the local folder of a model on the hub that is exported to OpenVINO already.

    Uses what the Hugging Face cache holds, and downloads the rest.

    Raises:
        HubError: if it is gated, unknown, unreachable, or not an OpenVINO export.
    """
    check_source(model_id)
    import huggingface_hub as hub
    from huggingface_hub import constants, errors

    cache = Path(constants.HF_HUB_CACHE)
    try:
        hub.hf_hub_download(model_id, "model_index.json")
        try:
            hub.hf_hub_download(model_id, "transformer/openvino_model.xml")
        except errors.EntryNotFoundError as error:
            if isinstance(error, errors.LocalEntryNotFoundError):
                raise
            raise HubError(
                f"{model_id} is not exported to OpenVINO; export it: "
                f"taylorseer-ov export {model_id} FOLDER"
            ) from None
        return Path(hub.snapshot_download(model_id))
    except HubError:
        raise
    except Exception as error:
        raise HubError(explain(error, model_id, None, cache)) from error


def explain(error: Exception, source: str, revision: str | None, cache: Path) -> str:
    """Say in one sentence why a download failed and what helps."""
    from huggingface_hub import errors

    page = f"https://huggingface.co/{source}"
    log_in = "log in with `hf auth login` or set HF_TOKEN"
    if isinstance(error, errors.GatedRepoError):
        return f"{source} is gated: accept its licence at {page}, then {log_in}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"{_no_folder(source)} and no such public model on the hub; for a private one, {log_in}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{source} has no revision {revision!r}; see {page}/tree/main"
    unreachable = isinstance(error, errors.LocalEntryNotFoundError)
    if isinstance(error, errors.EntryNotFoundError) and not unreachable:
        return f"{source} is not a diffusers pipeline: it has no model_index.json"
    reason = first_line(error.__cause__ or error)
    return (
        f"{_no_folder(source)}, the hub cannot be reached ({reason}) and the cache "
        f"{cache} does not hold it; check the network, HF_ENDPOINT and HF_HUB_OFFLINE"
    )


def first_line(error: BaseException) -> str:
    """Return the type of an error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _no_folder(source: str) -> str:
    return f"there is no folder {source!r} here{similar_folder(Path(source))}"


def check_source(source: str) -> None:
    """Check what can be checked of a model's name before anything else is done.

    Raises:
        FileNotFoundError: if it is a folder's, and there is none.
        HubError: if it is a hub id, and what downloads is not installed.
    """
    if source == "demo" or Path(source).is_dir():
        return
    if not is_hub_id(source):
        raise FileNotFoundError(missing_folder(Path(source)))
    if importlib.util.find_spec("huggingface_hub") is None:
        raise HubError(
            f"{_no_folder(source)}; to download a model of that name from the hub takes "
            f"huggingface_hub: {INSTALL_ADVICE}"
        )


def find_model(source: str | Path) -> Path:
    """Return the folder of a model.

    Args:
        source: a folder; the text `"demo"` is the model that ships with the package (a folder of
            that name is `"./demo"`); another may be the hub id of an exported model, which is
            downloaded unless there is such a folder.

    Raises:
        HubError: as `download_exported` does.
    """
    if source == "demo":
        return demo_model_path()
    if isinstance(source, str) and is_hub_id(source) and not Path(source).exists():
        return download_exported(source)
    return Path(source)
