"""What the pipelines have in common: check what is asked, pick the backend, report what it did."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..caching.decision import resolve_cache
from ..caching.occasion import Occasion
from ..caching.policy import Recorder
from ..checks import text
from ..flux.folder import FluxFolder
from ..flux.folder_checks import Task
from ..flux.initial_image import initial_image
from ..generation.environment import Environment
from ..generation.job import Choice, Generated, Hooks, Job, Progress, StepCallback
from ..generation.properties import OpenVINOProperties
from ..generation.report import GenerationReport, PerformanceMetrics
from ..generation.settings import GenerationSettings, ImageGenerationConfig, model_defaults
from ..generation.setup import Backend, Devices, Setup, StaticShape, memory_options
from ..newer_typing import Self, Unpack
from ..pictures.recipe import Recipe
from ..pictures.result import GenerationResult
from .one_at_a_time import OneAtATime
from .prompts import warn_about_prompt

if TYPE_CHECKING:
    from .backends import Backends


class FluxPipeline:
    """A Flux exported to OpenVINO, at one task: the base of the pipelines.

    `with Text2ImagePipeline(...) as pipeline:` lets go of the models at the end of the block. The
    pipeline stays what it is: used again, it loads them again, as it did when it was first used.
    """

    _task: ClassVar[Task]

    def __init__(
        self,
        models_path: str | Path,
        device: str | tuple[str, str, str] = "CPU",
        *,
        backend: Backend = "auto",
        low_memory: bool = False,
        vae_tiling: bool = False,
        embedding_cache: str | Path | bool | None = None,
        **properties: Unpack[OpenVINOProperties],
    ) -> None:
        """Check a model folder. The models are compiled by the first `generate`, or by `compile`.

        Args:
            models_path: folder written by `scripts/export_model.py`, or `demo_model_path()`.
            device: an OpenVINO device for all parts, or three: for the text encoders, the
                transformer and the VAE.
            backend: `"native"` runs openvino_genai, `"python"` the OpenVINO runtime and numpy.
                `"auto"` takes native where it does exactly what is asked, else Python; the report
                says why.
            low_memory: hold one model at a time: encode, let go, denoise, let go, decode. The peak
                is that of the largest part. The transformer is compiled for the size asked for,
                which rounds differently in the last bits. Python backend only, as are the next two.
            vae_tiling: decode pictures larger than 512 pixels in overlapping tiles, which changes
                them slightly and takes a fraction of the memory.
            embedding_cache: folder in which encoded prompts are kept, at most 1 GiB of them, so
                that repeated ones need no text encoder. True is the system's folder for such
                things.
            properties: OpenVINO properties, such as `CACHE_DIR` or `INFERENCE_PRECISION_HINT`; and
                `adapters`, an `openvino_genai.AdapterConfig` with LoRA adapters. Any property is
                passed on, whether or not `OpenVINOProperties` lists it.

        Raises:
            FileNotFoundError, ModelFolderError: if the folder is missing or incomplete.
            ValueError: for an unknown device or backend.
            RuntimeError: if `backend="native"` and openvino_genai cannot be used.
        """
        from .backends import Backends

        self._folder = FluxFolder.read(models_path, self._task)
        config = model_defaults(self._folder.path, self._folder.defaults, self._usual())
        if self._task != "text to image":  # the picture's own size goes before a model's
            config = replace(config, height=None, width=None)
        self._config = config
        setup = Setup(
            self._folder,
            Devices(*([device] * 3 if isinstance(device, str) else device)),
            properties,
            memory_options(low_memory, vae_tiling, embedding_cache),
        )
        self._backends = Backends(setup, backend)
        self._report: GenerationReport | None = None
        self._size: tuple[int, int] | None = None  # height and width of the latest generation
        self._alone = OneAtATime()

    def _usual(self) -> ImageGenerationConfig:
        """The settings of this task where the model's folder has no others."""
        return ImageGenerationConfig()

    def _updated(self, settings: Mapping[str, Any]) -> ImageGenerationConfig:
        """The settings of a call, checked."""
        return self._config.updated(settings)

    def __repr__(self) -> str:
        setup = self._backends.setup
        devices = setup.devices if len(set(setup.devices)) > 1 else setup.devices[:1]
        return (
            f"<{type(self).__name__} {setup.folder.path.resolve().name} on {' / '.join(devices)}, "
            f"backend {self._backends.requested}, {self._backends.loaded or 'nothing'} loaded>"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._backends.unload()

    # --- settings ---

    def get_generation_config(self) -> ImageGenerationConfig:
        """Return a copy of the settings that `generate` starts from."""
        return replace(self._config)

    def set_generation_config(self, config: ImageGenerationConfig) -> None:
        """Set what `generate` starts from; checked and copied.

        Raises:
            TypeError, ValueError: for a value of the wrong kind or out of range; nothing is set.
        """
        self._config = config.updated({})

    def reshape(
        self, num_images_per_prompt: int, height: int, width: int, guidance_scale: float
    ) -> None:
        """Fix all shapes to one batch and picture size, which GPUs run faster and NPUs need.

        The text length becomes the current configuration's `max_sequence_length`. The models are
        compiled anew by the next `generate` or `compile`.

        Raises:
            TypeError, ValueError: as `set_generation_config` does.
        """
        shape = {"num_images_per_prompt": num_images_per_prompt, "height": height, "width": width}
        self._config = self._config.updated(shape | {"guidance_scale": guidance_scale})
        self._backends.reshape(StaticShape.of(self._config))

    def compile(self, *devices: str, **properties: Unpack[OpenVINOProperties]) -> None:
        """Load and compile now, on one device or on three (text encoders, transformer, VAE).

        Without properties, those given to the constructor stay.

        Raises:
            TypeError: for another number of devices.
            ValueError: for an unknown device, or adapters where openvino_genai cannot be used.
            RuntimeError: if OpenVINO cannot compile a model there.
        """
        if len(devices) not in (1, 3):
            raise TypeError(
                "compile takes one device, or three: text_encode_device, denoise_device, "
                f"vae_device; got {len(devices)}"
            )
        chosen = Devices(*(devices * 3 if len(devices) == 1 else devices))
        self._backends.set_devices(chosen, properties or self._backends.setup.properties)
        self._backends.load_first(self._config)

    # --- generation ---

    def prepare(
        self,
        prompt: str,
        *pictures: Any,
        callback: StepCallback | None = None,
        progress: Progress | None = None,
        recorder: Recorder | None = None,
        stop: Callable[[], bool] | None = None,
        **settings: Unpack[GenerationSettings],
    ) -> Job:
        """Check what `generate` would be asked, raising and warning as it does.

        Args:
            pictures: the picture to start from and the mask, as far as the task has them.
            callback, progress, recorder, stop, settings: as `generate` takes them.

        Returns:
            What `draw` takes.
        """
        text("prompt", prompt)
        hooks = Hooks(callback, progress, recorder, stop)
        hooks.validate()
        asked = self._updated(settings)
        initial = None
        if pictures:
            initial = initial_image(*pictures, height=asked.height, width=asked.width)
            height, width = initial.size
            asked = replace(asked, height=height, width=width)
        if self._backends.setup.static is not None:
            self._backends.setup.static.require(asked)
        prompt_2 = prompt if asked.prompt_2 is None else asked.prompt_2
        warn_about_prompt(prompt_2, self._backends.tokenizers[1], asked.max_sequence_length)
        sigmas = self._folder.sigmas(asked.num_inference_steps, *asked.size, asked.strength)
        guidance_scale = asked.guidance_scale if self._folder.guidance_embeds else None
        occasion = Occasion(sigmas, asked.size, guidance_scale)
        cache, cache_name = resolve_cache(asked.cache, occasion, self._folder)
        return Job(prompt, prompt_2, asked, sigmas, cache, cache_name, hooks, initial)

    def draw(self, job: Job) -> GenerationResult:
        """Draw what was prepared.

        Raises:
            RuntimeError: if the native backend was demanded and cannot do exactly this, or a
                generation is already running in this pipeline.
        """
        with self._alone:
            return self._draw(job)

    def _generate(self, prompt: str, *pictures: Any, **asked: Any) -> GenerationResult:
        with self._alone:
            return self._draw(self.prepare(prompt, *pictures, **asked))

    def _draw(self, job: Job) -> GenerationResult:
        choice = self._backends.choose(job)
        backend = self._backends.load(choice.backend, job.settings)
        self._size = job.settings.size
        start_s = time.perf_counter()
        drawn = backend.generate(job)
        total_s = time.perf_counter() - start_s - drawn.load_s
        return self.result(job, drawn, choice, total_s)

    def result(
        self, job: Job, drawn: Generated, choice: Choice, total_s: float
    ) -> GenerationResult:
        """Put what a backend has drawn together with the account of it.

        Args:
            job, drawn, choice: what was asked of a backend, what it gave, and which one it was.
            total_s: seconds of the whole call, without loading.
        """
        devices, load_s = self._backends.setup.devices, self._backends.load_s + drawn.load_s
        self._report = GenerationReport.of(
            job, drawn, choice, devices, total_s=total_s, load_s=load_s
        )
        self._size = job.settings.size
        recipe = Recipe.of(job, self._report, self.environment(job))
        return GenerationResult(drawn.pictures, self._report, recipe)

    def environment(self, job: Job) -> Environment:
        """Return what would draw a job.

        Raises:
            RuntimeError: if the native backend was demanded and cannot do exactly this.
        """
        return self._backends.environment(job, self._folder.fingerprints)

    def decode(
        self, latents: Any, *, height: int | None = None, width: int | None = None
    ) -> NDArray[np.uint8]:
        """Turn packed latents, such as a callback gets, into pictures (N, height, width, 3).

        The size is that of the generation under way, or else of the last one, unless given.
        """
        known = self._size or (self._config.height, self._config.width)
        size = replace(self._config, height=height or known[0], width=width or known[1]).size
        backend = self._backends.load_python()
        return backend.decode(np.asarray(getattr(latents, "data", latents)), *size)

    def get_performance_metrics(self) -> PerformanceMetrics:
        """Return the times of the last generation under openvino_genai's names, in milliseconds.

        Raises:
            RuntimeError: if nothing was generated yet.
        """
        if self._report is None:
            raise RuntimeError("nothing was generated yet")
        return PerformanceMetrics(self._report)

    def sigmas(self, **settings: Unpack[GenerationSettings]) -> NDArray[np.float32]:
        """Return the noise levels of a generation with these settings, float32 (n + 1,).

        With a strength below 1 those of the steps that are taken, n of `num_inference_steps`.

        Raises:
            ValueError: if the size is to be that of a picture, or no step is left.
        """
        asked = self._updated(settings)
        return self._folder.sigmas(asked.num_inference_steps, *asked.size, asked.strength)

    @property
    def backends(self) -> Backends:
        """The models, for those who run them one by one."""
        return self._backends

    @property
    def folder(self) -> FluxFolder:
        """The checked model folder."""
        return self._folder
