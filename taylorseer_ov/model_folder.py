"""Read and check a Flux folder as optimum-intel exports it, before any model is loaded."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .sampling import FlowMatchSchedule

PIPELINE_CLASS = "FluxPipeline"
COMPONENT_CLASSES = {
    "text_encoder": "CLIPTextModel",
    "text_encoder_2": "T5EncoderModel",
    "transformer": "FluxTransformer2DModel",
    "vae": "AutoencoderKL",
}
IR_FILES = (
    "tokenizer/openvino_tokenizer",
    "tokenizer_2/openvino_tokenizer",
    "text_encoder/openvino_model",
    "text_encoder_2/openvino_model",
    "transformer/openvino_model",
    "vae_decoder/openvino_model",
)
FINGERPRINT_PIECES = 64
EXPORT_ADVICE = "export it again with scripts/export_model.py"


class ModelFolderError(ValueError):
    """A folder that is not a complete Flux export; says what is wrong and what helps."""


@dataclass(frozen=True)
class FluxFolder:
    """What the JSON files of a checked Flux export say.

    Attributes:
        path: the folder.
        scheduler: the noise levels it samples with.
        in_channels: features of an image token.
        guidance_embeds: whether the transformer takes a guidance scale (dev) or not (schnell).
        latent_channels, vae_scale, scaling_factor, shift_factor: of the autoencoder; `vae_scale` is
            how many pixels a latent is wide.
        clip_length: tokens that the CLIP text encoder takes.
        transformer_blocks, transformer_width: how many blocks of both kinds the transformer has,
            and how many features a token in them.
        vae_width: features of a pixel in the VAE's last stage, where it is widest.
        defaults: the model's own generation defaults, from an optional `generation_config.json`.
    """

    path: Path
    scheduler: FlowMatchSchedule
    in_channels: int
    guidance_embeds: bool
    latent_channels: int
    vae_scale: int
    scaling_factor: float
    shift_factor: float
    clip_length: int
    transformer_blocks: int
    transformer_width: int
    vae_width: int
    defaults: dict[str, Any]

    @classmethod
    def read(cls, path: str | Path) -> FluxFolder:
        """Check a folder and read its configuration.

        Raises:
            FileNotFoundError: if there is no such folder.
            ModelFolderError: if it is not a Flux export, or a file is missing, truncated or wrong.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"there is no model folder {str(folder)!r}; pass a folder written by "
                "scripts/export_model.py, or taylorseer_ov.demo_model_path()"
            )
        _check_index(folder)
        for name in IR_FILES:
            _check_ir(folder / name)
        transformer = read_json(folder / "transformer" / "config.json")
        vae = read_json(folder / "vae_decoder" / "config.json")
        clip = read_json(folder / "text_encoder" / "config.json")
        scheduler = folder / "scheduler" / "scheduler_config.json"
        defaults = folder / "generation_config.json"
        try:
            return cls(
                path=folder,
                scheduler=FlowMatchSchedule.from_config(read_json(scheduler)),
                in_channels=int(transformer.get("in_channels", 64)),
                guidance_embeds=bool(transformer.get("guidance_embeds", False)),
                latent_channels=int(vae.get("latent_channels", 4)),
                vae_scale=2 ** (len(vae["block_out_channels"]) - 1),
                scaling_factor=float(vae.get("scaling_factor") or 1.0),
                shift_factor=float(vae.get("shift_factor") or 0.0),
                clip_length=int(clip.get("max_position_embeddings", 77)),
                transformer_blocks=int(transformer.get("num_layers", 19))
                + int(transformer.get("num_single_layers", 38)),
                transformer_width=int(transformer.get("num_attention_heads", 24))
                * int(transformer.get("attention_head_dim", 128)),
                vae_width=max(int(width) for width in vae["block_out_channels"][:2]),
                defaults=read_json(defaults) if defaults.exists() else {},
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ModelFolderError):
                raise
            raise ModelFolderError(f"{folder}: {error}; {EXPORT_ADVICE}") from error

    def fingerprint(self, part: str = "transformer") -> str:
        """Return what identifies the weights of a part, without reading gigabytes of them."""
        stem = self.path / part / "openvino_model"
        digest = hashlib.sha256(stem.with_suffix(".xml").read_bytes())
        with stem.with_suffix(".bin").open("rb") as weights:
            size = weights.seek(0, 2)
            for place in range(0, size, max(1, size // FINGERPRINT_PIECES)):
                weights.seek(place)
                digest.update(weights.read(4096))
        return f"{size}-{digest.hexdigest()[:32]}"


def demo_model_path() -> Path:
    """Return the folder of the small Flux that ships inside the package.

    It draws coloured shapes at 128x128: "a large red circle on a blue background".
    """
    return Path(__file__).parent / "demo_model"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ModelFolderError: if the file is missing or is not a JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFolderError(f"{path} is missing; {EXPORT_ADVICE}") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelFolderError(f"{path} is not valid JSON ({error}); {EXPORT_ADVICE}") from None
    if not isinstance(values, dict):
        raise ModelFolderError(f"{path} must hold a JSON object; {EXPORT_ADVICE}")
    return values


def _check_index(folder: Path) -> None:
    index_path = folder / "model_index.json"
    if not index_path.is_file():
        raise ModelFolderError(
            f"{folder} is not a Flux export: it has no model_index.json; "
            "make one with scripts/export_model.py"
        )
    index = read_json(index_path)
    name = index.get("_class_name")
    if name != PIPELINE_CLASS:
        raise ModelFolderError(
            f"{index_path} is for the pipeline class {name!r}; only {PIPELINE_CLASS!r} "
            "(FLUX.1 text to image) is supported"
        )
    for component, expected in COMPONENT_CLASSES.items():
        entry = index.get(component)
        # optimum-intel lists the two halves of the autoencoder apart or together
        if component == "vae" and entry is None:
            continue
        found = entry[1] if isinstance(entry, list) and len(entry) == 2 else entry
        if found != expected:
            raise ModelFolderError(
                f"{index_path}: {component} is of class {found!r}, expected {expected!r}"
            )


def _check_ir(stem: Path) -> None:
    """Check that a model's files are there and as long as its description says."""
    xml, weights = stem.with_suffix(".xml"), stem.with_suffix(".bin")
    if not xml.is_file():
        folder = stem.parent
        if any(folder.glob("*.safetensors")):
            advice = "this is a PyTorch checkpoint: convert it with scripts/export_model.py"
        elif "tokenizer" in folder.name:
            advice = "the tokenizers were not converted: " + EXPORT_ADVICE
        else:
            advice = EXPORT_ADVICE
        raise ModelFolderError(f"{xml} is missing; {advice}")
    text = xml.read_text(encoding="utf-8", errors="replace")
    if not text.rstrip().endswith("</net>"):
        raise ModelFolderError(f"{xml} is truncated or no OpenVINO model; {EXPORT_ADVICE}")
    extents = re.findall(r'\boffset="(\d+)" size="(\d+)"', text)
    needed = max((int(offset) + int(size) for offset, size in extents), default=0)
    if needed and not weights.is_file():
        raise ModelFolderError(f"{weights} is missing; {EXPORT_ADVICE}")
    present = weights.stat().st_size if needed else 0
    if present < needed:
        raise ModelFolderError(
            f"{weights} is truncated: {present} bytes instead of {needed}; {EXPORT_ADVICE}"
        )
