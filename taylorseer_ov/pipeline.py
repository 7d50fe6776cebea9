"""Text to image with Flux: checks what is asked, picks the backend, and reports what it did."""

from __future__ import annotations

import copy
import gc
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .generation import (
    Devices,
    Generated,
    ImageGenerationConfig,
    Job,
    Progress,
    Recorder,
    StaticShape,
    StepCallback,
)
from .model_folder import FluxFolder, ModelFolderError
from .native import NativeBackend, missing_native_support, native_obstacle
from .plan import CachePlan, schedule_text
from .policy import CachePolicy
from .presets import resolve_cache
from .report import (
    GenerationReport,
    GenerationResult,
    PerformanceMetrics,
    installed_version,
)
from .schedule import Schedule

if TYPE_CHECKING:
    from .python_backend import PythonBackend

Backend = Literal["auto", "native", "python"]


class PromptWarning(UserWarning):
    """A prompt that the model does not read as it was written."""


class Text2ImagePipeline:
    """Draw pictures from prompts with a Flux exported to OpenVINO.

    Has the names of `openvino_genai.Text2ImagePipeline`, so that code moves by changing an import.
    The models are compiled by the first `generate`, or by `compile`.

    Args:
        models_path: folder written by `scripts/export_model.py`, or `demo_model_path()`.
        device: an OpenVINO device for all parts; `compile` takes one for each.
        backend: `"native"` runs openvino_genai, `"python"` the OpenVINO runtime and numpy. `"auto"`
            takes native where it does exactly what is asked, else Python; the report says why.
        properties: OpenVINO properties, such as `CACHE_DIR` or `INFERENCE_PRECISION_HINT`.

    Raises:
        FileNotFoundError, ModelFolderError: if the folder is missing or incomplete.
        ValueError: for an unknown device or backend.
        RuntimeError: if `backend="native"` and openvino_genai cannot be used.
    """

    def __init__(
        self,
        models_path: str | Path,
        device: str = "CPU",
        *,
        backend: Backend = "auto",
        **properties: Any,
    ) -> None:
        if backend not in get_args(Backend):
            raise ValueError(f"backend must be 'auto', 'native' or 'python', got {backend!r}")
        self._folder = FluxFolder.read(models_path)
        self._requested_backend = backend
        if backend == "native":
            self._refuse_native_if(missing_native_support())
        try:
            self._config = ImageGenerationConfig().updated(self._folder.defaults)
        except (TypeError, ValueError) as error:
            path = self._folder.path / "generation_config.json"
            raise ModelFolderError(f"{path}: {error}") from error
        self._static: StaticShape | None = None
        self._backend: PythonBackend | NativeBackend | None = None
        self._load_s = 0.0
        self._report: GenerationReport | None = None
        self._lock = threading.Lock()
        self._set_devices(Devices(device, device, device), properties)

        from .components import Tokenizer

        self._tokenizers = (
            Tokenizer(self._folder.path / "tokenizer"),
            Tokenizer(self._folder.path / "tokenizer_2"),
        )

    # --- settings ---

    def get_generation_config(self) -> ImageGenerationConfig:
        """Return a copy of the settings that `generate` starts from."""
        return copy.copy(self._config)

    def set_generation_config(self, config: ImageGenerationConfig) -> None:
        """Set what `generate` starts from; checked and copied."""
        self._config = config.updated({})

    def reshape(
        self, num_images_per_prompt: int, height: int, width: int, guidance_scale: float
    ) -> None:
        """Fix all shapes to one batch and picture size, which GPUs run faster and NPUs need.

        The text length becomes the current configuration's `max_sequence_length`. The models are
        compiled anew by the next `generate` or `compile`.
        """
        self._config = self._config.updated(
            {
                "num_images_per_prompt": num_images_per_prompt,
                "height": height,
                "width": width,
                "guidance_scale": guidance_scale,
            }
        )
        self._static = StaticShape.of(self._config)
        self._unload()

    def compile(self, *devices: str, **properties: Any) -> None:
        """Load and compile now, on one device or on three (text encoders, transformer, VAE).

        Without properties, those given to the constructor stay.
        """
        if len(devices) not in (1, 3):
            raise TypeError(
                "compile takes one device, or three: text_encode_device, denoise_device, "
                f"vae_device; got {len(devices)}"
            )
        chosen = Devices(*(devices * 3 if len(devices) == 1 else devices))
        self._set_devices(chosen, properties or self._properties)
        self._unload()
        native = self._requested_backend != "python" and not missing_native_support()
        self._load("native" if native else "python", self._config.max_sequence_length)

    def _set_devices(self, devices: Devices, properties: dict[str, Any]) -> None:
        from .components import check_device

        for device in devices:
            check_device(device)
        self._devices, self._properties = devices, properties

    # --- generation ---

    def generate(
        self,
        prompt: str,
        *,
        callback: StepCallback | None = None,
        progress: Progress | None = None,
        recorder: Recorder | None = None,
        **settings: Any,
    ) -> GenerationResult:
        """Draw `num_images_per_prompt` pictures.

        Args:
            prompt: what to draw.
            callback: called as `(step, num_steps, latents)` in this thread after every step, with
                packed latents of shape (N, tokens, 64). Returning True ends the generation before
                the next step; the picture is decoded as far as it got.
            progress: called as `(runs_done, runs_in_all)` after transformer runs, for display: with
                the native backend it comes from another thread, and calls may be left out.
            recorder: called as `(step, output)` with every output of the transformer, an array that
                the next step overwrites. Python backend only.
            settings: fields of `ImageGenerationConfig`, for this call only.

        Raises:
            TypeError, ValueError: for settings that are unknown or out of range, before any work.
            RuntimeError: if the native backend was demanded and cannot do exactly this, or a
                generation is already running in this pipeline.

        Warns:
            PromptWarning: if the prompt is too long or has words the model has no tokens for.
            InactiveCacheWarning: if the cache configuration caches nothing in so many steps.
            CalibrationWarning: if a preset has calibrated plans, but none for this picture.
        """
        job = self._prepare(prompt, callback, progress, recorder, settings)
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("this pipeline is already generating; use one pipeline per thread")
        try:
            chosen, reason = self._choose_backend(job)
            backend = self._load(chosen, job.settings.max_sequence_length)
            start_s = time.perf_counter()
            drawn = backend.generate(job)
            total_s = time.perf_counter() - start_s
        finally:
            self._lock.release()
        self._report = self._describe(job, drawn, chosen, reason, total_s)
        return GenerationResult(drawn.pictures, self._report)

    def decode(
        self, latents: Any, *, height: int | None = None, width: int | None = None
    ) -> NDArray[np.uint8]:
        """Turn packed latents, such as a callback gets, into pictures (N, height, width, 3).

        The size is that of the last generation unless given.
        """
        last = self._report
        height = height or (last.height if last else self._config.height)
        width = width or (last.width if last else self._config.width)
        backend = self._load("python", self._config.max_sequence_length)
        assert not isinstance(backend, NativeBackend)
        return backend.decode(np.asarray(getattr(latents, "data", latents)), height, width)

    def get_performance_metrics(self) -> PerformanceMetrics:
        """Return the times of the last generation under openvino_genai's names."""
        if self._report is None:
            raise RuntimeError("nothing was generated yet")
        return PerformanceMetrics(self._report)

    def sigmas(self, **settings: Any) -> NDArray[np.float32]:
        """Return the noise levels of a generation with these settings, float32 (n + 1,)."""
        return self._sigmas(self._config.updated(settings))

    @property
    def folder(self) -> FluxFolder:
        """The checked model folder."""
        return self._folder

    # --- how ---

    def _sigmas(self, settings: ImageGenerationConfig) -> NDArray[np.float32]:
        image_tokens = settings.height * settings.width // (2 * self._folder.vae_scale) ** 2
        return self._folder.scheduler.sigmas(settings.num_inference_steps, image_tokens)

    def _prepare(
        self,
        prompt: str,
        callback: StepCallback | None,
        progress: Progress | None,
        recorder: Recorder | None,
        settings: dict[str, Any],
    ) -> Job:
        if not isinstance(prompt, str):
            raise TypeError(f"prompt must be a text, got {prompt!r}")
        hooks = {"callback": callback, "progress": progress, "recorder": recorder}
        for name, function in hooks.items():
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be callable, got {function!r}")
        chosen = self._config.updated(settings)
        self._check_static(chosen)
        prompt_2 = prompt if chosen.prompt_2 is None else chosen.prompt_2
        self._warn_about_prompts((prompt, prompt_2), chosen.max_sequence_length)
        sigmas = self._sigmas(chosen)
        cache, cache_name = resolve_cache(
            chosen.cache,
            sigmas,
            self._folder,
            size=(chosen.height, chosen.width),
            guidance_scale=chosen.guidance_scale if self._folder.guidance_embeds else None,
        )
        return Job(
            prompt, prompt_2, chosen, sigmas, cache, cache_name, callback, progress, recorder
        )

    def _check_static(self, settings: ImageGenerationConfig) -> None:
        asked = StaticShape.of(settings)
        if self._static is not None and asked != self._static:
            differing = [
                f"{name} {getattr(asked, name)} instead of {getattr(self._static, name)}"
                for name in StaticShape._fields
                if getattr(asked, name) != getattr(self._static, name)
            ]
            raise ValueError(
                f"this pipeline was reshaped to one size; asked for {', '.join(differing)}. "
                "Call reshape again, or do not reshape"
            )

    def _warn_about_prompts(self, prompts: tuple[str, str], max_sequence_length: int) -> None:
        _, t5_tokenizer = self._tokenizers
        length = len(t5_tokenizer.encode(prompts[1]))
        if length > max_sequence_length:
            warnings.warn(
                f"the prompt has {length} tokens and is cut to max_sequence_length="
                f"{max_sequence_length}",
                PromptWarning,
                stacklevel=4,
            )
        unknown = t5_tokenizer.unknown_words(prompts[1])
        if unknown:
            warnings.warn(
                "this model's text encoder does not know " + ", ".join(map(repr, unknown)),
                PromptWarning,
                stacklevel=4,
            )

    def _choose_backend(self, job: Job) -> tuple[str, str]:
        if self._requested_backend == "python":
            return "python", "as requested"
        obstacle = native_obstacle(job, self._folder, self._tokenizers)
        if self._requested_backend == "native":
            self._refuse_native_if(obstacle)
            return "native", "as requested"
        if obstacle:
            return "python", obstacle
        return "native", "openvino_genai does exactly what was asked"

    @staticmethod
    def _refuse_native_if(obstacle: str | None) -> None:
        if obstacle:
            raise RuntimeError(
                f"backend='native' cannot do this: {obstacle}; use backend='auto' or 'python'"
            )

    def _load(self, name: str, text_length: int) -> PythonBackend | NativeBackend:
        from .python_backend import PythonBackend

        kind = NativeBackend if name == "native" else PythonBackend
        if not isinstance(self._backend, kind):
            # one at a time: two copies of a large transformer would not fit
            self._unload()
            if self._static is None and any(device.startswith("NPU") for device in self._devices):
                raise ValueError(
                    "an NPU needs fixed shapes: call "
                    "reshape(num_images_per_prompt, height, width, guidance_scale) first"
                )
            start_s = time.perf_counter()
            if name == "native":
                self._backend = NativeBackend(
                    self._folder, self._devices, self._properties, self._static, text_length
                )
            else:
                self._backend = PythonBackend(
                    self._folder, self._tokenizers, self._devices, self._properties, self._static
                )
            self._load_s = time.perf_counter() - start_s
        assert self._backend is not None
        return self._backend

    def _unload(self) -> None:
        self._backend = None
        gc.collect()

    def _describe(
        self, job: Job, drawn: Generated, backend: str, reason: str, total_s: float
    ) -> GenerationReport:
        settings = job.settings
        return GenerationReport(
            backend=backend,
            backend_reason=reason,
            cache=job.cache_name,
            schedule=_schedule(job.cache, drawn.mask),
            forecast_errors=drawn.forecast_errors,
            rescued_steps=drawn.rescued_steps,
            step_s=drawn.step_s,
            text_encoding_s=drawn.text_encoding_s,
            vae_s=drawn.vae_s,
            total_s=total_s,
            load_s=self._load_s,
            interrupted=drawn.interrupted,
            seed=settings.rng_seed if settings.generator is None else None,
            width=settings.width,
            height=settings.height,
            num_inference_steps=settings.num_inference_steps,
            num_images_per_prompt=settings.num_images_per_prompt,
            guidance_scale=float(settings.guidance_scale),
            max_sequence_length=settings.max_sequence_length,
            devices=self._devices,
            openvino_version=installed_version("openvino"),
            openvino_genai_version=installed_version("openvino-genai"),
        )


def _schedule(cache: CachePlan | CachePolicy, taken: Schedule) -> str:
    """What was done, and behind it what an interrupted plan had still intended."""
    intended = cache.mask[len(taken) :] if isinstance(cache, CachePlan) else ()
    return schedule_text(taken + intended)
