"""Export a diffusers pipeline to OpenVINO with optimum-intel: whole, proven, or not at all.

Optimum converts the parts and the tokenizers. Around it, this module

- checks what is cheap to check before anything large is imported, downloaded or written;
- has weights rounded, and nothing else (`conversion.py` says why);
- mends the scheduler file for OpenVINO GenAI;
- works in a folder beside the output, draws with the result, and only then moves it into place.
"""

from __future__ import annotations

import gc
import importlib.util
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..flux.folder_checks import FILL_CLASS, PLAIN_CLASSES
from .checkpoint import ExportError, count_parameters, download, read_index, require_space
from .conversion import check_tokenizers, compare_with_torch, convert, mend_configs
from .hub import first_line, is_hub_id
from .lora import Lora, check_class, check_files, fuse

# Bytes on disk at the peak for each parameter: int8 and int4 are made from a 16-bit export, and
# for fp16 the largest part that is rewritten (T5) is there twice.
PEAK_BYTES = {"fp32": 4.1, "fp16": 2.8, "int8": 3.3, "int4": 2.9}
REQUIRED = ("torch", "diffusers", "transformers", "optimum.intel", "openvino_tokenizers", "nncf")
REMEDY = 'pip install "taylorseer-ov[export]"'


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
    _check_options(weight_format, group_size, ratio, sym)
    check_files(lora)
    local, target = Path(source).expanduser().resolve(), Path(output).expanduser().resolve()
    if local.is_dir():
        read_index(local)
        if local.is_relative_to(target):
            raise ValueError(f"the source {local} is in the output; choose another output")
    elif local.exists() or not is_hub_id(str(source)):
        raise ValueError(f"{str(source)!r} is neither a folder nor a hub id (owner/name)")
    _require_packages(lora)
    with _appear_when_whole(target, overwrite) as unfinished:
        peak_bytes = PEAK_BYTES[weight_format]
        if not local.is_dir():
            local = download(
                str(source),
                revision=revision,
                cache_dir=cache_dir,
                output=target,
                peak_bytes=peak_bytes,
                say=say,
            )
        index, parameters = read_index(local), count_parameters(local)
        if lora:
            check_class(index["_class_name"])
            # the fused transformer is there too
            peak_bytes += 4.0 if weight_format == "fp32" else 2.0
        purpose = f"export {source} ({parameters:.3g} parameters) as {weight_format}"
        require_space([(target, peak_bytes * parameters, purpose)])
        fused = unfinished / "fused"
        if lora:
            say(f"fusing {', '.join(f'{path.name} at {scale:g}' for path, scale in lora)}")
            with _stage("fusing the LoRA failed"):
                fuse(local, index, fused, lora, half=weight_format != "fp32")
            local = fused
        say(f"converting {source} to {weight_format}")
        with _stage("the conversion failed"):
            convert(local, unfinished, weight_format, group_size, ratio, sym)
        check_tokenizers(unfinished, index)
        mend_configs(unfinished, index)
        if verify:
            with _stage("the comparison with torch failed"):
                say(compare_with_torch(local, unfinished))
        shutil.rmtree(fused, ignore_errors=True)
        say("drawing one step with the result")
        with _stage("the exported model does not draw"):
            _draw_one_step(unfinished, index)
    return target


def _check_options(
    weight_format: str, group_size: int | None, ratio: float | None, sym: bool
) -> None:
    if weight_format not in PEAK_BYTES:
        raise ValueError(f"weight format {weight_format!r}; use one of {', '.join(PEAK_BYTES)}")
    if weight_format != "int4" and (group_size is not None or ratio is not None):
        raise ValueError(f"group size and ratio are for int4 only, not for {weight_format}")
    if sym and not weight_format.startswith("int"):
        raise ValueError(f"sym is for int8 and int4 only, not for {weight_format}")
    if group_size is not None and group_size < 1 and group_size != -1:
        raise ValueError(f"group size {group_size}; use a positive number, or -1 for whole rows")
    if ratio is not None and not 0 <= ratio <= 1:
        raise ValueError(f"ratio {ratio}; use a number from 0 to 1")


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
        raise ExportError(f"exporting needs {', '.join(missing)}; install with: {REMEDY}")
    if lora and importlib.util.find_spec("peft") is None:
        raise ExportError("fusing a LoRA needs peft; install with: pip install peft")


@contextmanager
def _appear_when_whole(output: Path, overwrite: bool) -> Iterator[Path]:
    """Give an empty folder beside `output`; move it there if the block succeeds, else remove it."""
    import filelock

    unfinished, replaced, lock_file = (
        output.with_name(f".{output.name}.{state}") for state in ("unfinished", "replaced", "lock")
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ExportError(f"another export to {output} is running; wait for its end") from None
    try:
        # put right what a killed export left
        if replaced.exists() and not output.exists():
            replaced.rename(output)
        for leftover in (unfinished, replaced):
            if leftover.exists():
                shutil.rmtree(leftover)
        _check_replaceable(output, overwrite)
        unfinished.mkdir()
        yield unfinished
        _check_replaceable(output, overwrite)
        gc.collect()  # Windows moves no folder with open files
        if output.exists():
            output.rename(replaced)
        unfinished.rename(output)
        shutil.rmtree(replaced, ignore_errors=True)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        with suppress(OSError):
            lock_file.unlink()
        lock.release()


def _check_replaceable(output: Path, overwrite: bool) -> None:
    if not output.exists():
        return
    if not overwrite:
        raise FileExistsError(f"{output} exists; choose another output, or pass --overwrite")
    empty = output.is_dir() and next(output.iterdir(), None) is None
    if not empty and not (output / "model_index.json").is_file():
        raise FileExistsError(f"{output} is no exported model and is not replaced; remove it first")


@contextmanager
def _stage(failure: str) -> Iterator[None]:
    """Silence warnings, of which tracing makes hundreds, and turn errors into one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImportError as error:
        raise ExportError(
            f"{failure}: {first_line(error)}; {REMEDY}, and take torch and torchvision (if it is "
            "there at all) from the same package index"
        ) from error
    except Exception as error:
        raise ExportError(f"{failure}: {first_line(error)}") from error


def _draw_one_step(folder: Path, index: dict[str, Any]) -> None:
    request: dict[str, Any] = {"num_inference_steps": 1, "width": 64, "height": 64}
    if index["_class_name"] in PLAIN_CLASSES:
        from ..pipelines.tasks import Text2ImagePipeline

        drawing = Text2ImagePipeline(folder, "CPU", backend="python")
        picture = drawing.generate("a test", rng_seed=0, **request).data
    elif index["_class_name"] == FILL_CLASS:
        import numpy as np

        from ..pipelines.tasks import InpaintingPipeline

        filling = InpaintingPipeline(folder, "CPU", backend="python")
        black, everything = np.zeros((64, 64, 3), np.uint8), np.ones((64, 64), bool)
        picture = filling.generate("a test", black, everything, rng_seed=0, **request).data
    else:  # what this package does not draw, Optimum does
        from optimum.intel import OVDiffusionPipeline

        request |= {"prompt": "a test", "output_type": "np"}
        picture = OVDiffusionPipeline.from_pretrained(folder)(**request).images
    if picture.shape != (1, 64, 64, 3):
        raise ArithmeticError(f"its picture is {picture.shape} instead of (1, 64, 64, 3)")
