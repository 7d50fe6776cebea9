"""The checks of a Flux folder, part by part."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from ..checks import number, whole_number
from ..files import similar_folder
from ..model_files import EXPORT_ADVICE, EXPORT_COMMAND, ModelFolderError, read_json
from .sampling import NoiseLevels
from .scheduler import Scheduler

Task = Literal["text to image", "image to image", "inpainting"]

# Their parts are the same; the name is that of the pipeline somebody had loaded.
PLAIN_CLASSES = ("FluxPipeline", "FluxImg2ImgPipeline", "FluxInpaintPipeline")
FILL_CLASS = "FluxFillPipeline"
FILL_ADVICE = "use InpaintingPipeline (generate --image PICTURE --mask PICTURE)"
COMPONENT_CLASSES = {
    "text_encoder": "CLIPTextModel",
    "text_encoder_2": "T5EncoderModel",
    "transformer": "FluxTransformer2DModel",
    "vae": "AutoencoderKL",
}
IR_FILES = {
    "tokenizer": "tokenizer/openvino_tokenizer",
    "tokenizer_2": "tokenizer_2/openvino_tokenizer",
    "text_encoder": "text_encoder/openvino_model",
    "text_encoder_2": "text_encoder_2/openvino_model",
    "transformer": "transformer/openvino_model",
    "vae_decoder": "vae_decoder/openvino_model",
}

# A tensor of each part's model by which it is told from the others.
TENSORS = {
    "tokenizer": "input_ids",
    "tokenizer_2": "input_ids",
    "text_encoder": "input_ids",
    "text_encoder_2": "input_ids",
    "transformer": "encoder_hidden_states",
    "vae_decoder": "latent_sample",
    "vae_encoder": "sample",
}
VAE_ENCODER = "vae_encoder/openvino_model"


def missing_folder(folder: Path) -> str:
    """Say that there is no such folder, and what may be given for a model."""
    return (
        f"there is no model folder {str(folder)!r}{similar_folder(folder, 'demo')}; give a folder "
        "that `taylorseer-ov export` wrote, the hub id (owner/name) of an exported model, or 'demo'"
    )


def pipeline_class(folder: Path, task: Task) -> str:
    """Return the pipeline class in `model_index.json`, that of a Flux which can do a task.

    Raises:
        ModelFolderError: if it is another one, or if parts are of other classes, naming them all.
    """
    path = folder / "model_index.json"
    if not path.is_file():
        raise ModelFolderError(
            f"{folder} is not a Flux export: it has no model_index.json; make one: {EXPORT_COMMAND}"
        )
    index = read_json(path)
    name = index.get("_class_name")
    if name == FILL_CLASS and task != "inpainting":
        raise ModelFolderError(
            f"{path} is for the pipeline class {name!r}, which does inpainting only; {FILL_ADVICE}"
        )
    if name not in (*PLAIN_CLASSES, FILL_CLASS):
        raise ModelFolderError(
            f"{path} is for the pipeline class {name!r}; only FLUX.1 is supported: "
            f"{', '.join(PLAIN_CLASSES)}, and {FILL_CLASS} for inpainting"
        )
    differing = []
    for component, expected in COMPONENT_CLASSES.items():
        entry = index.get(component)
        # optimum-intel lists the two halves of the autoencoder apart or together
        if component == "vae" and entry is None:
            continue
        found = entry[1] if isinstance(entry, list) and len(entry) == 2 else entry
        if found != expected:
            differing.append(f"{component} is of class {found!r}, expected {expected!r}")
    if differing:
        raise ModelFolderError(f"{path}: {', '.join(differing)}; {EXPORT_ADVICE}")
    return str(name)


def check_ir(stem: Path, part: str) -> None:
    """Check that a part's model is there, whole and the right one.

    Raises:
        ModelFolderError: if a file is missing, shorter than its description says, or another's.
    """
    xml, weights = stem.with_suffix(".xml"), stem.with_suffix(".bin")
    if not xml.is_file():
        folder = stem.parent
        if any(folder.glob("*.safetensors")):
            advice = f"this is a PyTorch checkpoint; convert it: {EXPORT_COMMAND}"
        elif "tokenizer" in folder.name:
            advice = "the tokenizers were not converted: " + EXPORT_ADVICE
        else:
            advice = EXPORT_ADVICE
        raise ModelFolderError(f"{xml} is missing; {advice}")
    text = _description(stem)
    if not text.rstrip().endswith("</net>"):
        raise ModelFolderError(f"{xml} is truncated or no OpenVINO model; {EXPORT_ADVICE}")
    needed = max((offset + size for _, offset, size in _constants(text)), default=0)
    if needed and not weights.is_file():
        raise ModelFolderError(f"{weights} is missing; {EXPORT_ADVICE}")
    present = weights.stat().st_size if needed else 0
    if present < needed:
        raise ModelFolderError(
            f"{weights} is truncated: {present} bytes instead of {needed}; {EXPORT_ADVICE}"
        )
    tensor = TENSORS[part]
    if not re.search(rf'\bnames="([^"]*,)?{tensor}[",]', text):
        raise ModelFolderError(
            f"{xml} is the model of another part: it has no {tensor!r}; {EXPORT_ADVICE}"
        )


def stored_bytes(stem: Path) -> dict[str, int]:
    """Return the bytes of a model's constants by element type: `{"f16": 6907520, "i64": 4616}`."""
    stored: dict[str, int] = {}
    for element_type, _, size in _constants(_description(stem)):
        stored[element_type] = stored.get(element_type, 0) + size
    return stored


def _description(stem: Path) -> str:
    return stem.with_suffix(".xml").read_text(encoding="utf-8", errors="replace")


def _constants(description: str) -> set[tuple[str, int, int]]:
    """Element type, offset and size of the constants in a model's description, shared ones once."""
    return {_constant(tag) for tag in re.findall(r'<data [^>]*\boffset="[^>]*>', description)}


def _constant(tag: str) -> tuple[str, int, int]:
    """Element type, offset and size of a constant, from its tag in a model's description."""
    found = re.findall(r'\b(element_type|offset|size)="(\w{1,18})"', tag)
    values = {"element_type": "?", "offset": "0", "size": "0"} | dict(found)
    offset, size = (int(n) if n.isdecimal() else 0 for n in (values["offset"], values["size"]))
    return values["element_type"], offset, size


@contextmanager
def _naming(path: Path) -> Iterator[dict[str, Any]]:
    """Read a JSON object, and name its file in the errors about its values."""
    values = read_json(path)
    try:
        yield values
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ModelFolderError(f"{path}: {error}; {EXPORT_ADVICE}") from error


def _count(config: Mapping[str, Any], name: str, default: int, most: int) -> int:
    return whole_number(name, config.get(name, default), 1, most)


def _transformer(part: Path) -> dict[str, Any]:
    with _naming(part / "config.json") as config:
        guidance = config.get("guidance_embeds", False)
        if not isinstance(guidance, bool):
            raise TypeError(f"guidance_embeds must be true or false, got {guidance!r}")
        return {
            "in_channels": _count(config, "in_channels", 64, 10_000),
            "guidance_embeds": guidance,
            "transformer_blocks": _count(config, "num_layers", 19, 10_000)
            + _count(config, "num_single_layers", 38, 10_000),
            "transformer_width": _count(config, "num_attention_heads", 24, 10_000)
            * _count(config, "attention_head_dim", 128, 10_000),
            "text_width": _count(config, "joint_attention_dim", 4096, 100_000),
        }


def _vae(part: Path) -> dict[str, Any]:
    with _naming(part / "config.json") as config:
        blocks = config.get("block_out_channels")
        if not isinstance(blocks, list) or not 1 <= len(blocks) <= 8:
            raise TypeError(f"block_out_channels must be a list of 1 to 8 numbers, got {blocks!r}")
        scaling, shift = (
            number(name, config.get(name) or 0) for name in ("scaling_factor", "shift_factor")
        )
        if not math.isfinite(scaling) or not math.isfinite(shift):
            raise ValueError(f"scaling_factor and shift_factor must be finite: {scaling}, {shift}")
        return {
            "latent_channels": _count(config, "latent_channels", 4, 1000),
            "vae_scale": 2 ** (len(blocks) - 1),
            "vae_width": max(whole_number("block_out_channels", n, 1, 10_000) for n in blocks[:2]),
            "scaling_factor": float(scaling or 1.0),
            "shift_factor": float(shift),
        }


def _text_encoder(part: Path) -> dict[str, Any]:
    with _naming(part / "config.json") as config:
        return {"clip_length": _count(config, "max_position_embeddings", 77, 10_000)}


def read_scheduler(part: Path) -> Scheduler:
    """Read the scheduler in a folder."""
    with _naming(part / "scheduler_config.json") as config:
        return Scheduler(NoiseLevels.from_config(config), config)


def read_defaults(folder: Path) -> dict[str, Any]:
    """Read a model's own generation defaults, if there are any."""
    path = folder / "generation_config.json"
    return read_json(path) if path.exists() else {}


# What reads the JSON in the folder of each part, and returns fields of a `FluxFolder`.
CONFIGS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "text_encoder": _text_encoder,
    "transformer": _transformer,
    "vae_decoder": _vae,
}
