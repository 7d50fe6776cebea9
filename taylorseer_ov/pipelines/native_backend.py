"""The openvino_genai backend: its pipelines where they do what was asked.

openvino_genai's Flux has defects that change pictures or end the process. What can be mended from
outside is mended here; what cannot is an obstacle, and the Python backend does it instead:

- noise levels of FLUX.2 for FLUX.1 exports: the scheduler is made from a copy of its configuration
  without `time_shift_type` (`Scheduler.to_native`);
- pixels truncated instead of rounded: the VAE decoder's output is raised by half a grey level;
- another `max_sequence_length` fails after the first call: the T5 encoder is replaced;
- predicted steps counted as transformer runs: the report goes by the schedule;
- unknown keywords ignored, sizes checked late: all settings are checked before they get here;
- prompts too long lose their end token: obstacle;
- a callback's exception aborts the process, and calls are dropped at the end: obstacle;
- pictures are resized with another filter than diffusers': they get there in their final size;
- the strength is rounded to steps in float32, at times to one step more or less: obstacle then;
- one picture at a time from a given one: obstacle;
- Fill is not cached, starts from noise alone whatever the strength, and what its factory makes in
  Python does not run: obstacle;
- generators that are not of its classes are called by one that is (`native_generator`);
- LoRA adapters of one call stay for the next: said at every call.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..caching.config import TaylorSeerCacheConfig
from ..caching.plan import CachePlan
from ..flux.tokenizer import Tokenizer
from ..generation.job import Denoised, Generated, Hooks, Job
from ..generation.setup import Setup
from .native_arguments import native_generator, native_tensors
from .native_models import NativeModels
from .python_backend import PythonBackend


class NativeBackend:
    """The pipeline of openvino_genai for a folder's task, put together from its parts.

    Attributes:
        loop: the Python backend on the same models.
    """

    def __init__(self, setup: Setup, tokenizers: tuple[Tokenizer, Tokenizer]) -> None:
        self._models = NativeModels(setup, tokenizers)
        self._adapters = setup.properties.get("adapters")
        self.loop = PythonBackend(self._models, tokenizers)

    def generate(self, job: Job) -> Generated:
        """Draw the pictures of a job that `native_obstacle` has nothing against."""
        loaded_before_s = self._models.load_s
        text_length = job.settings.max_sequence_length
        pipeline = self._models.pipeline(job.task, text_length, job.scheduler)
        load_s = self._models.load_s - loaded_before_s
        options = self._options(job)
        plan = job.cache
        assert isinstance(plan, CachePlan)  # a policy is an obstacle
        watch = _Watch(job.hooks, plan)
        if job.hooks.progress is not None or job.hooks.stop is not None:
            options["callback"] = watch
        pictures = pipeline.generate(job.prompt, *native_tensors(job.initial), **options)
        if watch.failure is not None:
            raise watch.failure
        start_s = time.perf_counter()
        if watch.latents is not None:  # what native returns of a stopped generation is empty
            pictures = pipeline.decode(watch.latents)
        decoding_s = time.perf_counter() - start_s  # native counts only what it decodes itself
        metrics = pipeline.get_performance_metrics()
        encoders_ms = metrics.get_text_encoder_infer_duration()
        steps_us = metrics.raw_metrics.iteration_durations
        return Generated(
            pictures=np.array(pictures.data),
            denoised=Denoised(
                step_s=tuple(float(step) / 1e6 for step in steps_us),
                mask=plan.mask[: len(steps_us)],
                interrupted=watch.latents is not None,
                image_encoding_s=metrics.get_vae_encoder_infer_duration() / 1e3,
            ),
            text_encoder_s=(encoders_ms["text_encoder"] / 1e3, encoders_ms["text_encoder_2"] / 1e3),
            vae_s=metrics.get_vae_decoder_infer_duration() / 1e3 + decoding_s,
            load_s=load_s,
        )

    def _options(self, job: Job) -> dict[str, Any]:
        """What native's `generate` is told beside the prompt."""
        settings = job.settings
        height, width = settings.size
        options: dict[str, Any] = {
            "prompt_2": job.prompt_2,
            "height": height,
            "width": width,
            "strength": float(settings.strength),
            "num_inference_steps": settings.num_inference_steps,
            "num_images_per_prompt": settings.num_images_per_prompt,
            "guidance_scale": float(settings.guidance_scale),
            "max_sequence_length": settings.max_sequence_length,
            # said in every case: native's own default is to cache
            "taylorseer_config": None,
        }
        if self._adapters is not None:
            # said in every case: what was given once would stay
            chosen = settings.adapters
            options["adapters"] = self._adapters if chosen is None else chosen
        if isinstance(settings.cache, TaylorSeerCacheConfig):
            options["taylorseer_config"] = settings.cache.to_native()
        if settings.generator is None:
            options["rng_seed"] = settings.rng_seed
        else:
            options["generator"] = native_generator(settings.generator)
        return options


class _Watch:
    """Native's callback: shows progress and passes on that a person wants to stop.

    It is called from another thread, where an exception would end the process.
    """

    def __init__(self, hooks: Hooks, plan: CachePlan) -> None:
        self._hooks, self._plan = hooks, plan
        self.failure: BaseException | None = None
        self.latents: Any = None  # those it was stopped at

    def __call__(self, step: int, num_steps: int, latents: Any) -> bool:
        progress, stop = self._hooks.progress, self._hooks.stop
        try:
            if progress is not None and self._plan.mask[step]:
                progress(sum(self._plan.mask[: step + 1]), self._plan.transformer_runs)
            if stop is not None and step + 1 < num_steps and stop():
                self.latents = type(latents)(np.array(latents.data))
        except BaseException as error:  # one that is to end the program, too
            self.failure = error
        return self.failure is not None or self.latents is not None
