"""Pipelines of other models than Flux, put together from parts: openvino_genai's own."""

from __future__ import annotations

from typing import Any, ClassVar

from ..flux.folder_checks import Task
from ..genai import import_openvino_genai, missing_native_support
from ..native_names import REMEDY
from .native_models import PIPELINES

# what each is put together from, after the scheduler
PARTS = {
    "stable_diffusion": "clip_text_model, unet, vae",
    "stable_diffusion_xl": "clip_text_model, clip_text_model_with_projection, unet, vae",
    "stable_diffusion_3": "clip_text_model_1, clip_text_model_2, t5_encoder_model if there is one, "
    "transformer, vae",
    "latent_consistency_model": "clip_text_model, unet, vae",
}


class OtherModels:
    """The factories of openvino_genai's pipelines for models that it draws with, and we do not.

    Each takes openvino_genai's parts, and a `Scheduler` of ours too, and returns openvino_genai's
    pipeline for the task.
    """

    _task: ClassVar[Task]

    @classmethod
    def stable_diffusion(cls, scheduler: Any, *parts: Any, **named: Any) -> Any:
        """Return openvino_genai's pipeline of a Stable Diffusion.

        Args:
            scheduler, parts, named: `clip_text_model`, `unet`, `vae`.

        Raises:
            RuntimeError: if openvino_genai cannot be used.
            TypeError: for parts that it does not take.
        """
        return cls._other("stable_diffusion", scheduler, *parts, **named)

    @classmethod
    def stable_diffusion_xl(cls, scheduler: Any, *parts: Any, **named: Any) -> Any:
        """Return openvino_genai's pipeline of a Stable Diffusion XL.

        Args:
            scheduler, parts, named: `clip_text_model`, `clip_text_model_with_projection`, `unet`,
                `vae`.

        Raises:
            RuntimeError: if openvino_genai cannot be used.
            TypeError: for parts that it does not take.
        """
        return cls._other("stable_diffusion_xl", scheduler, *parts, **named)

    @classmethod
    def stable_diffusion_3(cls, scheduler: Any, *parts: Any, **named: Any) -> Any:
        """Return openvino_genai's pipeline of a Stable Diffusion 3.

        Args:
            scheduler, parts, named: `clip_text_model_1`, `clip_text_model_2`, `t5_encoder_model` if
                there is one, `transformer`, `vae`.

        Raises:
            RuntimeError: if openvino_genai cannot be used.
            TypeError: for parts that it does not take.
        """
        return cls._other("stable_diffusion_3", scheduler, *parts, **named)

    @classmethod
    def latent_consistency_model(cls, scheduler: Any, *parts: Any, **named: Any) -> Any:
        """Return openvino_genai's pipeline of a latent consistency model.

        Args:
            scheduler, parts, named: `clip_text_model`, `unet`, `vae`.

        Raises:
            RuntimeError: if openvino_genai cannot be used.
            TypeError: for parts that it does not take.
        """
        return cls._other("latent_consistency_model", scheduler, *parts, **named)

    @classmethod
    def _other(cls, model: str, scheduler: Any, *parts: Any, **named: Any) -> Any:
        reason = missing_native_support()
        if reason:
            raise RuntimeError(f"{model} makes a pipeline of openvino_genai: {reason}; {REMEDY}")
        theirs = getattr(import_openvino_genai(), PIPELINES[cls._task])
        values = [as_native(part) for part in (scheduler, *parts)]
        keywords = {name: as_native(part) for name, part in named.items()}
        try:
            return getattr(theirs, model)(*values, **keywords)
        except TypeError:
            given = [type(value).__name__ for value in values]
            given += [f"{name}={type(value).__name__}" for name, value in keywords.items()]
            raise TypeError(
                f"{model} takes openvino_genai's scheduler, {PARTS[model]}; got {', '.join(given)}"
            ) from None


def as_native(part: Any) -> Any:
    """Return a part as openvino_genai takes it: what is ours makes one."""
    return part.to_native() if hasattr(part, "to_native") else part
