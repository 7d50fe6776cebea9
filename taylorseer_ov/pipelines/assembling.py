"""Pipelines put together from parts, wherever these lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..flux.folder import FluxFolder
from ..flux.part_folders import tokenizer_folder
from ..flux.part_models import (
    AutoencoderKL,
    CLIPTextModel,
    FluxTransformer2DModel,
    PartModel,
    T5EncoderModel,
)
from ..flux.scheduler import Scheduler, as_scheduler
from ..generation.setup import Backend, Devices, Setup, StaticShape
from ..newer_typing import Self
from .loading import LoadablePipeline

KINDS: dict[str, type[PartModel]] = {
    "clip_text_model": CLIPTextModel,
    "t5_encoder_model": T5EncoderModel,
    "transformer": FluxTransformer2DModel,
    "vae": AutoencoderKL,
}


class AssembledPipeline(LoadablePipeline):
    """A pipeline that can also be made from the parts of a model."""

    @classmethod
    def flux(
        cls,
        scheduler: Scheduler,
        clip_text_model: CLIPTextModel,
        t5_encoder_model: T5EncoderModel,
        transformer: FluxTransformer2DModel,
        vae: AutoencoderKL,
        *,
        backend: Backend = "auto",
    ) -> Self:
        """Return a pipeline of a model's parts, which may lie in different folders.

        Where all of them were given a device, they are loaded and compiled now; otherwise by
        `compile` or the first `generate`. The parts themselves stay as they are.

        Args:
            scheduler: `Scheduler.from_config(...)`.
            clip_text_model, t5_encoder_model, transformer, vae: this package's, each made from a
                folder; all with the same properties, the encoders with the same device. If the
                transformer was reshaped, the pipeline draws that size.
            backend: as for the constructor.

        Raises:
            TypeError: for another object, such as a model that was made from memory.
            ModelFolderError: if the parts do not go together, or not with the task.
            ValueError: for parts with different properties or sizes.
        """
        parts = {
            "clip_text_model": clip_text_model,
            "t5_encoder_model": t5_encoder_model,
            "transformer": transformer,
            "vae": vae,
        }
        for name, part in parts.items():
            _check_kind(name, part)
        if cls._task != "text to image" and "vae_encoder" not in vae.paths:
            raise TypeError(
                f"vae has no encoder, which {cls._task} needs: "
                "AutoencoderKL(VAE_ENCODER_FOLDER, VAE_DECODER_FOLDER)"
            )
        paths = {name: path for part in parts.values() for name, path in part.paths.items()}
        for name in ("text_encoder", "text_encoder_2"):
            paths[name.replace("text_encoder", "tokenizer")] = tokenizer_folder(paths[name])
        folder = FluxFolder.of_parts(paths, as_scheduler(scheduler), cls._task)
        static = _common_shape(parts)
        setup = Setup(folder, _devices(parts), _common_properties(parts), static=static)
        pipeline = cls.__new__(cls)
        pipeline._start(setup, backend, waits=True)
        if static is not None:
            pipeline._config = pipeline._config.updated(
                {
                    "num_images_per_prompt": static.batch,
                    "height": static.height,
                    "width": static.width,
                    "max_sequence_length": static.text_length,
                }
            )
        if all(part.device for part in parts.values()) and not pipeline.backends.needs_shape:
            pipeline.backends.load_first(pipeline._config)
        return pipeline


def _check_kind(name: str, part: object) -> None:
    kind = KINDS[name]
    if type(part) is not kind:
        raise TypeError(
            f"{name} must be a taylorseer_ov.{kind.__name__} made from a folder; got {part!r}. A "
            "model made from memory, or by openvino_genai, does not tell its files: save it with "
            "openvino.save_model and give its folder, or use openvino_genai's own pipelines"
        )


def _devices(parts: Mapping[str, PartModel]) -> Devices:
    clip, t5, transformer, vae = (part.device for part in parts.values())
    if clip is not None and t5 is not None and clip != t5:
        raise ValueError(f"both text encoders run on one device; got {clip!r} and {t5!r}")
    return Devices(clip or t5 or "CPU", transformer or "CPU", vae or "CPU")


def _common_properties(parts: Mapping[str, PartModel]) -> Mapping[str, Any]:
    compiled = {name: part.properties for name, part in parts.items() if part.device is not None}
    if not compiled:
        return {}
    first, properties = next(iter(compiled.items()))
    for name, others in compiled.items():
        if others != properties:
            raise ValueError(
                f"all parts are compiled with the same properties; {first} has {properties!r} and "
                f"{name} {others!r}"
            )
    return properties


def _common_shape(parts: Mapping[str, PartModel]) -> StaticShape | None:
    """The one size that is drawn, which the transformer's shape says and the others follow."""
    reshaped = [name for name, part in parts.items() if part.shape]
    if not reshaped:
        return None
    if "transformer" not in reshaped:
        raise ValueError(
            f"{reshaped[0]} was reshaped and the transformer was not; reshape it too, or neither, "
            "or call the pipeline's reshape"
        )
    static = StaticShape(*parts["transformer"].shape.values())
    one = {"batch_size": 1}
    expected = {
        "clip_text_model": one,
        "t5_encoder_model": one | {"max_sequence_length": static.text_length},
        "vae": {"batch_size": static.batch, "height": static.height, "width": static.width},
    }
    for name, shape in expected.items():
        if name in reshaped and parts[name].shape != shape:
            raise ValueError(
                f"{name} was reshaped to {parts[name].shape}; with the transformer's shape it must "
                f"be {shape}"
            )
    return static
