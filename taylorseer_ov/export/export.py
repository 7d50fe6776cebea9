"""Export a diffusers pipeline to OpenVINO with optimum-intel: whole, proven, or not at all.

Optimum converts the parts and the tokenizers. Around it, this module

- checks what is cheap to check before anything large is imported, downloaded or written;
- has weights rounded, and nothing else (`conversion.py` says why);
- mends the scheduler file for OpenVINO GenAI;
- works in a folder beside the output (`output.py`), draws with the result (`proof.py`), and only
  then moves it into place.
"""

from __future__ import annotations

import importlib.util
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..files import similar_folder
from ..flux.hub import first_line, is_hub_id
from ..version import install_command
from .checkpoint import Checkpoint, ExportError, count_parameters, download, require_space
from .compression import Compression
from .conversion import check_tokenizers, convert, mend_configs
from .lora import Lora, check_class, check_files, fuse
from .output import appear_when_whole
from .proof import compare_with_torch, draw_one_step

REQUIRED = ("torch", "diffusers", "transformers", "optimum.intel", "openvino_tokenizers", "nncf")


def export_model(
    source: str | Path,
    output: str | Path,
    *,
    weight_format: str = "fp16",
    group_size: int | None = None,
    ratio: float | None = None,
    sym: bool = False,
    lora: Sequence[Lora] = (),
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    overwrite: bool = False,
    verify: bool = False,
    say: Callable[[str], object] = lambda line: None,
) -> Path:
    """Convert a text-to-image pipeline with its tokenizers, draw one step with it, return its path.

    Args:
        source: a hub id such as `black-forest-labs/FLUX.1-schnell`, or a diffusers folder.
        output: the folder to make. Until the export is whole, nothing is there.
        weight_format: `fp32`, `fp16`, `int8` or `int4`, for every part.
        group_size: int4 weights that share a scale, 128 by default and fewer where a layer is
            narrow; -1 for a whole row.
        ratio: share of the weights that become int4, the others int8; 1.0 by default.
        sym: quantize without zero points.
        lora: LoRA files (.safetensors) and their scales, fused into a FLUX.1 first; needs peft.
        revision: branch, tag or commit on the hub.
        cache_dir: where downloads are kept, if not in the Hugging Face cache.
        overwrite: replace an export that is at `output`, once the new one is whole.
        verify: compare with torch in float32, which takes 4 bytes of memory for each parameter.
        say: called with each line of progress.

    Raises:
        ValueError: for options that do not go together, or a source that is no pipeline.
        FileExistsError: if something is at `output` that may not be replaced.
        ExportError: if a package, disk space or the hub is missing, or the conversion fails.
    """
    compression = Compression(weight_format, group_size, ratio, sym)
    check_files(lora)
    target = Path(output).expanduser().resolve()
    checkpoint = _local(source, target)
    _require_packages(lora)
    with appear_when_whole(target, overwrite) as unfinished:
        if checkpoint is None:
            wanted = str(source), revision, cache_dir
            peak_bytes = compression.peak_bytes()
            folder = download(*wanted, output=target, peak_bytes=peak_bytes, say=say)
            checkpoint = Checkpoint.read(folder)
        _check_space(checkpoint, target, f"export {source}", compression, lora)
        _fill(unfinished, checkpoint, str(source), compression, lora, verify, say)
    return target


def _local(source: str | Path, target: Path) -> Checkpoint | None:
    """The pipeline in a folder here, None if it is one on the hub."""
    local = Path(source).expanduser().resolve()
    if local.is_dir():
        checkpoint = Checkpoint.read(local)
        if local.is_relative_to(target):
            raise ValueError(f"the source {local} is in the output; choose another output")
        return checkpoint
    if local.exists() or not is_hub_id(str(source)):
        meant = similar_folder(Path(source))
        raise ValueError(f"{str(source)!r} is neither a folder{meant} nor a hub id (owner/name)")
    return None


def _require_packages(lora: Sequence[Lora]) -> None:
    missing = []
    for name in REQUIRED:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:  # the parent of a dotted name
            found = None
        if found is None:
            missing.append(name)
    if missing:
        raise ExportError(
            f"exporting needs {', '.join(missing)}; install with: {install_command('export')}"
        )
    if lora and importlib.util.find_spec("peft") is None:
        raise ExportError("fusing a LoRA needs peft; install with: pip install peft")


def _check_space(
    checkpoint: Checkpoint,
    target: Path,
    purpose: str,
    compression: Compression,
    lora: Sequence[Lora],
) -> None:
    parameters = count_parameters(checkpoint.folder)
    if lora:
        check_class(checkpoint.class_name)
    needed = compression.peak_bytes(fused=bool(lora)) * parameters
    told = f"{purpose} ({parameters:.3g} parameters) as {compression.weight_format}"
    require_space([(target, needed, told)])


def _fill(
    unfinished: Path,
    checkpoint: Checkpoint,
    source: str,
    compression: Compression,
    lora: Sequence[Lora],
    verify: bool,
    say: Callable[[str], object],
) -> None:
    """Make the export and prove it, in a folder that nobody sees yet."""
    fused = unfinished / "fused"
    if lora:
        say(f"fusing {', '.join(f'{path.name} at {scale:g}' for path, scale in lora)}")
        with _stage("fusing the LoRA failed"):
            checkpoint = fuse(checkpoint, fused, lora, half=compression.is_half)
    say(f"converting {source} to {compression.weight_format}")
    with _stage("the conversion failed"):
        convert(checkpoint, unfinished, compression)
    check_tokenizers(unfinished, checkpoint.index)
    mend_configs(unfinished, checkpoint.index)
    if verify:
        with _stage("the comparison with torch failed"):
            say(compare_with_torch(checkpoint, unfinished))
    shutil.rmtree(fused, ignore_errors=True)
    say("drawing one step with the result")
    with _stage("the exported model does not draw"):
        draw_one_step(unfinished, checkpoint.class_name)


@contextmanager
def _stage(failure: str) -> Iterator[None]:
    """Silence warnings, of which tracing makes hundreds, and turn errors into one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImportError as error:
        raise ExportError(
            f"{failure}: {first_line(error)}; {install_command('export')}, and take torch and "
            "torchvision (if it is there at all) from the same package index"
        ) from error
    except Exception as error:
        raise ExportError(f"{failure}: {first_line(error)}") from error
