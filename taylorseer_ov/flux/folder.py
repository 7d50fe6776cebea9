"""Read and check a Flux folder as optimum-intel exports it, before any model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..arrays import Array
from ..model_files import ModelFolderError, read_json, weights_fingerprint
from .folder_checks import (
    CONFIGS,
    FILL_ADVICE,
    FILL_CLASS,
    IR_FILES,
    VAE_ENCODER,
    Task,
    check_ir,
    missing_folder,
    pipeline_class,
    read_defaults,
    read_scheduler,
)
from .sampling import NoiseLevels, first_step
from .scheduler import Scheduler
from .trained_on import TrainedOn


@dataclass(frozen=True)
class FluxFolder:
    """What the JSON files of a checked Flux export say.

    Attributes:
        path: the folder.
        task: what it was checked for; `vae_encoder` is needed unless that is text to image.
        is_fill: whether it is a Fill model, whose transformer is given the picture and the mask.
        scheduler: what fixes the noise levels that it samples with.
        own_scheduler: the one of its own file, None if it has none.
        in_channels: features of an image token.
        guidance_embeds: whether the transformer takes a guidance scale (dev) or not (schnell).
        latent_channels, vae_scale, scaling_factor, shift_factor: of the autoencoder; `vae_scale` is
            how many pixels a latent is wide.
        clip_length: tokens that the CLIP text encoder takes.
        transformer_blocks, transformer_width: how many blocks of both kinds the transformer has,
            and how many features a token in them.
        text_width: features that the transformer takes of a token of text.
        vae_width: features of a pixel in the VAE's last stage, where it is widest.
        defaults: the model's own generation defaults, from an optional `generation_config.json`.
        trained_on: what the model was trained on, None where its folder does not say.
        parts: the folders of those parts that do not lie in this one under their own names.
    """

    path: Path
    task: Task
    is_fill: bool
    scheduler: Scheduler
    own_scheduler: Scheduler | None
    in_channels: int
    guidance_embeds: bool
    latent_channels: int
    vae_scale: int
    scaling_factor: float
    shift_factor: float
    clip_length: int
    transformer_blocks: int
    transformer_width: int
    text_width: int
    vae_width: int
    defaults: dict[str, Any]
    trained_on: TrainedOn | None
    parts: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path, task: Task = "text to image") -> FluxFolder:
        """Check a folder and read its configuration.

        Raises:
            FileNotFoundError: if there is no such folder.
            ModelFolderError: if it is not a Flux export, not one for this task, or a file is
                missing, truncated or wrong.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise FileNotFoundError(missing_folder(folder))
        is_fill = pipeline_class(folder, task) == FILL_CLASS
        for part, stem in IR_FILES.items():
            check_ir(folder / stem, part)
        if task != "text to image":
            check_ir(folder / VAE_ENCODER, "vae_encoder")
        fields: dict[str, Any] = {}
        for part, read_config in CONFIGS.items():
            fields |= read_config(folder / part)
        fields |= {"scheduler": read_scheduler(folder / "scheduler")}
        fields |= {"own_scheduler": fields["scheduler"], "defaults": read_defaults(folder)}
        fields |= {"trained_on": TrainedOn.read(folder)}
        read = cls(path=folder, task=task, is_fill=is_fill, **fields)
        read._check_channels()
        return read

    @classmethod
    def of_parts(cls, parts: Mapping[str, Path], scheduler: Scheduler, task: Task) -> FluxFolder:
        """Put a model together from the folders of its parts, which are checked already.

        It has the generation defaults, the calibrated plans and what else lies beside the
        transformer.

        Args:
            parts: by the names that they have in a model's folder, tokenizers included.

        Raises:
            ModelFolderError: if the parts do not go together, or not with the task.
        """
        folder = parts["transformer"].parent
        fields: dict[str, Any] = {"defaults": read_defaults(folder), "scheduler": scheduler}
        fields |= {"trained_on": TrainedOn.read(folder)}
        for part, read_config in CONFIGS.items():
            fields |= read_config(parts[part])
        own = folder / "scheduler"
        has_own = (own / "scheduler_config.json").is_file()
        fields["own_scheduler"] = read_scheduler(own) if has_own else None
        fields["parts"] = {name: path for name, path in parts.items() if path != folder / name}
        # a Fill model is told by what it is given beside latents
        is_fill = fields["in_channels"] > 4 * fields["latent_channels"]
        made = cls(path=folder, task="inpainting", is_fill=is_fill, **fields)
        made._check_channels()
        return made.for_task(task)

    def part(self, name: str) -> Path:
        """Return the folder of a part, such as `"text_encoder_2"`."""
        return self.parts.get(name, self.path / name)

    def for_task(self, task: Task) -> FluxFolder:
        """Return the same model for another task.

        Raises:
            ModelFolderError: if it cannot do it, or its VAE encoder is missing or wrong.
        """
        if self.is_fill and task != "inpainting":
            raise ModelFolderError(f"{self.path}: a Fill model does inpainting only; {FILL_ADVICE}")
        if task != "text to image":
            check_ir(self.part("vae_encoder") / "openvino_model", "vae_encoder")
        return replace(self, task=task)

    @property
    def noise_levels(self) -> NoiseLevels:
        """Those it samples with."""
        return self.scheduler.noise_levels

    def _check_channels(self) -> None:
        """Check that the transformer takes what this kind of model is given."""
        expected = 4 * self.latent_channels
        if self.is_fill:  # the latents, those of the masked picture, and the mask's pixels
            expected = 2 * expected + 4 * self.vae_scale**2
        if self.in_channels != expected:
            raise ModelFolderError(
                f"{self.path}: the transformer has in_channels={self.in_channels} instead of "
                f"{expected}; models with other conditions (Canny, Depth, Redux) are not supported"
            )

    def sigmas(
        self, num_inference_steps: int, height: int, width: int, strength: float = 1.0
    ) -> Array:
        """Return the noise levels of a picture of this size in pixels, float32 (n + 1,).

        With a strength below 1 those of the steps that are taken, n of `num_inference_steps`.

        Raises:
            ValueError: if the strength leaves no step.
        """
        first = first_step(num_inference_steps, strength)
        if first == num_inference_steps:
            raise ValueError(
                f"strength={strength} leaves none of {num_inference_steps} steps, so that the "
                "picture would stay as it is; use a larger one, such as "
                f"{1 / num_inference_steps:.2g}"
            )
        image_tokens = height * width // (2 * self.vae_scale) ** 2
        return self.noise_levels.sigmas(num_inference_steps, image_tokens)[first:]

    def latent_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the size in latents of a size in pixels."""
        return height // self.vae_scale, width // self.vae_scale

    def fingerprint(self, part: str = "transformer") -> str:
        """Return what identifies a part's weights."""
        return weights_fingerprint(self.part(part))

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """What identifies the weights of each part that the task needs."""
        parts = ["text_encoder", "text_encoder_2", "transformer", "vae_decoder"]
        if self.task != "text to image":
            parts.append("vae_encoder")
        return {part: self.fingerprint(part) for part in parts}


def demo_model_path() -> Path:
    """Return the folder of the small Flux that ships inside the package.

    It draws coloured shapes at 128x128: "a large red circle on a blue background".
    """
    return Path(__file__).parents[1] / "demo_model"


def task_of(folder: str | Path) -> Task:
    """Return a task that the model in a folder can do, if it is a model: inpainting for Fill."""
    try:
        name = read_json(Path(folder) / "model_index.json").get("_class_name")
    except (ModelFolderError, OSError):
        name = None
    return "inpainting" if name == FILL_CLASS else "text to image"
