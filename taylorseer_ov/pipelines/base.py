"""What all pipelines do to generate: check what is asked, pick the backend, report what it did."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Tensor, as_tensor
from ..caching.decision import resolve_cache
from ..caching.occasion import Occasion
from ..caching.policy import Recorder
from ..caching.schedule import InactiveCacheWarning
from ..checks import text
from ..flux.initial_image import initial_image
from ..flux.latents import packed_latents
from ..flux.overlay import overlay
from ..generation.environment import Environment
from ..generation.given_config import NativeGenerationConfig
from ..generation.job import Choice, Generated, Hooks, Job, Progress, StepCallback
from ..generation.metrics import ImageGenerationPerfMetrics
from ..generation.report import GenerationReport
from ..generation.settings import GenerationSettings, ImageGenerationConfig, is_default_cache
from ..newer_typing import Unpack
from ..pictures.recipe import Recipe
from ..pictures.result import GenerationResult
from ..warning import warn
from .assembling import AssembledPipeline
from .other_models import OtherModels
from .prompts import warn_of_the_unread, warn_of_the_untrained

if TYPE_CHECKING:
    from .native_backend import NativeBackend
    from .python_backend import PythonBackend


class FluxPipeline(AssembledPipeline, OtherModels):
    """A Flux exported to OpenVINO, at one task: the base of the pipelines."""

    _report: GenerationReport | None = None
    _size: tuple[int, int] | None = None  # height and width of the latest generation

    def prepare(
        self,
        prompt: str,
        *pictures: Any,
        generation_config: ImageGenerationConfig | NativeGenerationConfig | None = None,
        callback: StepCallback | None = None,
        progress: Progress | None = None,
        recorder: Recorder | None = None,
        stop: Callable[[], bool] | None = None,
        **settings: Unpack[GenerationSettings],
    ) -> Job:
        """Check what `generate` would be asked, raising and warning as it does.

        Args:
            pictures: the picture to start from and the mask, as far as the task has them.
            generation_config, callback, progress, recorder, stop, settings: as `generate` takes
                them.

        Returns:
            What `draw` takes.
        """
        text("prompt", prompt)
        hooks = Hooks(callback, progress, recorder, stop)
        hooks.validate()
        asked = self._updated(settings, generation_config)
        initial = None
        if pictures:
            initial = initial_image(*pictures, height=asked.height, width=asked.width)
            height, width = initial.size
            asked = replace(asked, height=height, width=width)
        if self._backends.setup.static is not None:
            self._backends.setup.static.require(asked)
        prompt_2 = self._read_prompt(prompt, asked)
        sigmas = self._folder.sigmas(asked.num_inference_steps, *asked.size, asked.strength)
        guidance_scale = asked.guidance_scale if self._folder.guidance_embeds else None
        occasion = Occasion(sigmas, asked.size, guidance_scale)
        is_default = is_default_cache(asked, settings, self._usual())
        decision = resolve_cache(asked.cache, occasion, self._folder, is_default=is_default)
        scheduler = self._folder.scheduler
        return Job(prompt, prompt_2, asked, sigmas, scheduler, *decision, hooks, initial)

    def prepare_another(self, job: Job, prompt: str, *, prompt_2: str | None, rng_seed: int) -> Job:
        """Check a job like another one, with other texts and another seed.

        It raises and warns as `prepare` does for these, in a fraction of the time: all else is
        decided.
        """
        text("prompt", prompt)
        asked = job.settings.updated({"prompt_2": prompt_2, "rng_seed": rng_seed})
        return replace(
            job, prompt=prompt, prompt_2=self._read_prompt(prompt, asked), settings=asked
        )

    def read_ahead(self, prompts: Iterable[str], prompts_2: Iterable[str]) -> None:
        """Encode texts at once that are prepared next, those for CLIP and those for T5."""
        with self._alone.or_inside():
            for tokenizer, texts in zip(
                self._backends.tokenizers, (prompts, prompts_2), strict=True
            ):
                tokenizer.encode_ahead(texts)

    def _read_prompt(self, prompt: str, asked: ImageGenerationConfig) -> str:
        """Return what T5 is given, and warn of what the model cannot read or was not trained on."""
        prompt_2 = prompt if asked.prompt_2 is None else asked.prompt_2
        with self._alone.or_inside():
            warn_of_the_unread(prompt_2, self._backends.tokenizers[1], asked.max_sequence_length)
        warn_of_the_untrained(prompt_2, asked.size, self._folder.trained_on)
        return prompt_2

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
        return self._latest(self._drawn(job, backend, choice))

    def _drawn(
        self, job: Job, backend: PythonBackend | NativeBackend, choice: Choice
    ) -> GenerationResult:
        """Have a loaded backend draw; there may be others at it in other threads."""
        start_s = time.perf_counter()
        drawn = backend.generate(job)
        if job.initial is not None and job.settings.keep_unmasked:
            drawn = replace(drawn, pictures=overlay(drawn.pictures, job.initial))
        total_s = time.perf_counter() - start_s - drawn.load_s
        return self._described(job, drawn, choice, total_s)

    def result(
        self, job: Job, drawn: Generated, choice: Choice, total_s: float
    ) -> GenerationResult:
        """Put what a backend has drawn together with the account of it.

        Args:
            job, drawn, choice: what was asked of a backend, what it gave, and which one it was.
            total_s: seconds of the whole call, without loading.
        """
        return self._latest(self._described(job, drawn, choice, total_s))

    def _latest(self, result: GenerationResult) -> GenerationResult:
        """Make a result the one that the pipeline tells of."""
        self._report, self._size = result.report, (result.report.height, result.report.width)
        return result

    def _described(
        self, job: Job, drawn: Generated, choice: Choice, total_s: float
    ) -> GenerationResult:
        """Give the account of what was drawn, and warn if caching turned out to be of no use."""
        idle = job.idle_reason(drawn.denoised)
        if idle is not None:
            warn(
                f"caching was inactive, all {job.num_steps} steps ran the transformer: {idle}",
                InactiveCacheWarning,
            )
        devices, load_s = self._backends.setup.devices, self._backends.load_s + drawn.load_s
        report = GenerationReport.of(job, drawn, choice, devices, total_s=total_s, load_s=load_s)
        environment = replace(self.environment(job), backend=choice.backend)
        return GenerationResult(drawn.pictures, report, Recipe.of(job, report, environment))

    def environment(self, job: Job) -> Environment:
        """Return what would draw a job.

        Raises:
            RuntimeError: if the native backend was demanded and cannot do exactly this.
        """
        with self._alone.or_inside():
            return self._backends.environment(job, self._folder.fingerprints)

    def decode(self, latent: Any, *, height: int | None = None, width: int | None = None) -> Tensor:
        """Turn packed latents, such as a callback gets, into pictures uint8 (N, height, width, 3).

        The size is that of the generation under way, or else of the last one, unless given.

        Raises:
            TypeError, ValueError: for what is no latents of that size.
            RuntimeError: if the pipeline generates in another thread.
        """
        known = self._known_size()
        asked = replace(
            self._config,
            height=known[0] if height is None else height,
            width=known[1] if width is None else width,
        )
        packed = packed_latents(latent, self._folder, *asked.size)
        with self._alone.or_inside():
            return as_tensor(self._backends.load_python().decode(packed, *asked.size))

    def _known_size(self) -> tuple[int | None, int | None]:
        """Height and width of the generation under way, of the last one, or of the next one."""
        return self._size or (self._config.height, self._config.width)

    def get_performance_metrics(self) -> ImageGenerationPerfMetrics:
        """Return the times of the last generation under openvino_genai's names, in milliseconds.

        Later generations do not change it. Before the first one it tells of loading alone.
        """
        if self._report is None:
            return ImageGenerationPerfMetrics(load_s=self._backends.load_s)
        return ImageGenerationPerfMetrics(self._report)

    def sigmas(self, **settings: Unpack[GenerationSettings]) -> NDArray[np.float32]:
        """Return the noise levels of a generation with these settings, float32 (n + 1,).

        With a strength below 1 those of the steps that are taken, n of `num_inference_steps`.

        Raises:
            ValueError: if the size is to be that of a picture, or no step is left.
        """
        asked = self._updated(settings)
        return self._folder.sigmas(asked.num_inference_steps, *asked.size, asked.strength)
