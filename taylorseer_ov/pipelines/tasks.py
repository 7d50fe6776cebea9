"""The pipelines, with the names and keywords of openvino_genai's: code moves by its import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..caching.policy import Recorder
from ..generation.given_config import NativeGenerationConfig
from ..generation.job import Progress, StepCallback
from ..generation.settings import GenerationSettings, ImageGenerationConfig
from ..newer_typing import Self, Unpack
from ..pictures.result import GenerationResult
from .many import ManyPipeline
from .task_defaults import DRAWING, FILLING, REDRAWING


class Text2ImagePipeline(ManyPipeline):
    """Draw pictures from prompts with a Flux exported to OpenVINO.

    Caches unless told otherwise, as openvino_genai does for this task: `cache=None` is without.
    In a `with` statement it lets go of the models at the end; used again, it loads them again.
    """

    _task = "text to image"

    def generate(
        self,
        prompt: str,
        generation_config: ImageGenerationConfig | NativeGenerationConfig | None = None,
        *,
        callback: StepCallback | None = None,
        progress: Progress | None = None,
        recorder: Recorder | None = None,
        stop: Callable[[], bool] | None = None,
        **settings: Unpack[GenerationSettings],
    ) -> GenerationResult:
        """Draw `num_images_per_prompt` pictures.

        Args:
            prompt: what to draw.
            generation_config: settings instead of the pipeline's, for this call only; those given
                by name go before. All its values count: `ImageGenerationConfig()` is 1024x1024
                pixels in 28 steps without caching, whatever the model's own. A height or width of
                None is the given picture's, and an error where there is none. May be
                openvino_genai's: sizes and text length that it was not told are the pipeline's.
            callback: called as `(step, num_steps, latents)` in this thread after every step, with
                packed latents of shape (N, tokens, 64). Returning True ends the generation before
                the next step; the picture is decoded as far as it got.
            progress: called as `(runs_done, runs_in_all)` after transformer runs, for display: with
                the native backend it comes from another thread, and calls may be left out. Under a
                policy such as `ErrorControl`, `runs_in_all` is an estimate.
            recorder: called as `(step, output)` with every output of the transformer, an array that
                the next step overwrites. Python backend only.
            stop: asked after every step, from any thread, whether to end there; the picture is
                decoded as far as it got.
            settings: fields of `ImageGenerationConfig`, for this call only.

        Returns:
            The pictures, uint8 (N, height, width, 3) and as PIL images, a report and a recipe.

        Raises:
            TypeError, ValueError: for settings that are unknown or out of range, before any work.
            RuntimeError: if the native backend was demanded and cannot do exactly this, or a
                generation is already running in this pipeline.

        Warns:
            MemoryWarning: if models are loaded for this that are unlikely to fit into memory.
            PromptWarning: if the prompt is too long or has words the model has no tokens for.
            InactiveCacheWarning: if the cache asked for caches nothing in so many steps; the
                default does so silently, and the report says it.
            CalibrationWarning: if a preset has calibrated plans, but none for this picture.
        """
        return self._generate(
            prompt,
            generation_config=generation_config,
            callback=callback,
            progress=progress,
            recorder=recorder,
            stop=stop,
            **settings,
        )

    def _usual(self) -> ImageGenerationConfig:
        return DRAWING

    def _updated(self, settings: Mapping[str, Any], config: Any = None) -> ImageGenerationConfig:
        chosen = super()._updated(settings, config)
        if chosen.strength != 1:
            raise ValueError("strength must be 1.0 for text to image; leave it out")
        return chosen


class Image2ImagePipeline(ManyPipeline):
    """Draw a picture anew from a prompt, more or less like it was.

    The defaults are openvino_genai's, `strength=0.6`, `guidance_scale=7.0` and no caching, except
    that the size is the picture's.
    """

    _task = "image to image"
    _given = ("image",)

    def generate(
        self,
        prompt: str,
        image: Any,
        generation_config: ImageGenerationConfig | NativeGenerationConfig | None = None,
        *,
        callback: StepCallback | None = None,
        progress: Progress | None = None,
        recorder: Recorder | None = None,
        stop: Callable[[], bool] | None = None,
        **settings: Unpack[GenerationSettings],
    ) -> GenerationResult:
        """Draw `num_images_per_prompt` pictures that start from a given one.

        The picture is noised as far as `strength` says, and the last `strength *
        num_inference_steps` steps are taken; a cache plans these.

        Args:
            prompt: what to draw.
            image: uint8 array (height, width, 3) or (1, height, width, 3), an `openvino.Tensor` or
                `GenerationResult` of such a shape, a PIL image, or the path of a file. It is
                resized to `height` and `width` if they are given.
            generation_config, callback, progress, recorder, stop, settings: as in
                `Text2ImagePipeline.generate`.

        Returns:
            As `Text2ImagePipeline.generate` does.

        Raises, Warns:
            as `Text2ImagePipeline.generate`; ValueError too if the strength leaves no step.
        """
        return self._generate(
            prompt,
            image,
            generation_config=generation_config,
            callback=callback,
            progress=progress,
            recorder=recorder,
            stop=stop,
            **settings,
        )

    def _usual(self) -> ImageGenerationConfig:
        return REDRAWING


class InpaintingPipeline(ManyPipeline):
    """Draw the masked part of a picture anew from a prompt.

    Takes any FLUX.1 folder, with openvino_genai's defaults as in `Image2ImagePipeline`, and FLUX.1
    Fill, with `strength=1.0`, `guidance_scale=30.0` and 50 steps.
    """

    _task = "inpainting"
    _given = ("image", "mask_image")

    def generate(
        self,
        prompt: str,
        image: Any,
        mask_image: Any,
        generation_config: ImageGenerationConfig | NativeGenerationConfig | None = None,
        *,
        callback: StepCallback | None = None,
        progress: Progress | None = None,
        recorder: Recorder | None = None,
        stop: Callable[[], bool] | None = None,
        **settings: Unpack[GenerationSettings],
    ) -> GenerationResult:
        """Draw `num_images_per_prompt` pictures that differ from a given one inside a mask.

        Args:
            prompt: what to draw.
            image: as in `Image2ImagePipeline.generate`.
            mask_image: white where to draw, black where the picture stays. Whatever `image` may be;
                arrays may also be bool or (height, width). Resized to the size that is drawn.
            generation_config, callback, progress, recorder, stop, settings: as in
                `Text2ImagePipeline.generate`.

        Returns:
            As `Text2ImagePipeline.generate` does.

        Raises, Warns:
            as `Image2ImagePipeline.generate`.
        """
        return self._generate(
            prompt,
            image,
            mask_image,
            generation_config=generation_config,
            callback=callback,
            progress=progress,
            recorder=recorder,
            stop=stop,
            **settings,
        )

    def _usual(self) -> ImageGenerationConfig:
        return FILLING if self._folder.is_fill else REDRAWING

    @classmethod
    def flux_fill(cls, *parts: Any, **named: Any) -> Self:
        """Return a pipeline of the parts of a Fill model, as `flux` does.

        Raises:
            TypeError, ModelFolderError: as `flux` does.
            ValueError: for a transformer that is no Fill model's too.
        """
        pipeline = cls.flux(*parts, **named)
        if not pipeline.folder.is_fill:
            raise ValueError("this transformer is not a Fill model's; use InpaintingPipeline.flux")
        return pipeline
