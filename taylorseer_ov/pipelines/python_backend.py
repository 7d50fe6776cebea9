"""Flux on the OpenVINO runtime and numpy alone: no torch, no diffusers, no openvino_genai."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np

from ..arrays import Array, Pictures, as_tensor
from ..caching.cached_velocity import start_cache
from ..caching.policy import StandIn
from ..flux.latents import image_position_ids, unpack_latents
from ..flux.noise import noise_source
from ..flux.sampling import Velocity, euler
from ..flux.starting_point import StartingPoint, starting_point
from ..flux.tokenizer import Tokenizer
from ..generation.job import Denoised, Generated, Job, Stopwatch
from ..generation.setup import StaticShape
from .encoding import Conditioning, PromptEncoder
from .models import Denoiser, LoopModels


class PythonBackend:
    """The loop over the models, for several threads with a generation each.

    Of these as many denoise at once as there are streams; one encodes, and one decodes. Which model
    runs for which of them, and when, makes no difference to a picture.

    Attributes:
        models: those that it runs, and what loads them: `Models`, or openvino_genai's.
        encode: encodes the prompts of a job.
    """

    def __init__(self, models: LoopModels, tokenizers: tuple[Tokenizer, Tokenizer]) -> None:
        self._folder = models.setup.folder
        self.models = models
        self.encode = PromptEncoder(models, tokenizers)
        self._encoding = threading.Lock()
        self._coding = threading.RLock()  # a generator of noise may decode latents
        self._lanes = queue.SimpleQueue[int]()
        for lane in range(models.setup.memory.streams):
            self._lanes.put(lane)

    def stopwatch(self) -> Stopwatch:
        """Return what measures time without the loading of models."""
        return Stopwatch(lambda: self.models.load_s)

    def generate(self, job: Job) -> Generated:
        """Draw the pictures of a job."""
        loaded_before_s = self.models.load_s
        with self._encoding:
            stopwatch = self.stopwatch()
            pooled, clip_s = self.encode.pooled(job), stopwatch.lap()
            text, t5_s = self.encode.text(job), stopwatch.lap()
        latents, denoised = self.denoise(job, Conditioning(text=text, pooled=pooled))
        with self._coding:
            stopwatch.lap()
            pictures, vae_s = self.decode(latents, *job.settings.size), stopwatch.lap()
        return Generated(
            pictures=pictures,
            denoised=denoised,
            text_encoder_s=(clip_s, t5_s),
            vae_s=vae_s,
            load_s=self.models.load_s - loaded_before_s,
        )

    def denoise(self, job: Job, conditioning: Conditioning) -> tuple[Array, Denoised]:
        """Take the steps of a job from noise to packed latents (N, tokens, 4C)."""
        with nullcontext() if job.initial is None else self._coding:
            stopwatch = self.stopwatch()
            start = self._start(job)
            image_encoding_s = 0.0 if job.initial is None else stopwatch.lap()
        with self._lane() as lane:
            return self._denoise(job, start, conditioning, lane, image_encoding_s)

    @contextmanager
    def _lane(self) -> Iterator[int]:
        """Take a lane of the transformer, and give it back."""
        lane = self._lanes.get()
        try:
            yield lane
        finally:
            self._lanes.put(lane)

    def _denoise(
        self,
        job: Job,
        start: StartingPoint,
        conditioning: Conditioning,
        lane: int,
        image_encoding_s: float,
    ) -> tuple[Array, Denoised]:
        transformer = start.conditioned(self._conditioned(job, conditioning, lane))
        step_s: list[float] = []
        # while a step is taken, as many are done as its number says
        shown = _recorded(transformer, job, lambda: len(step_s))
        velocity = start_cache(job.cache, shown, job.sigmas)
        stopped = False
        begin_s = time.perf_counter()
        for latents in euler(velocity, start.latents, job.sigmas, start.constrain):
            step_s.append(time.perf_counter() - begin_s)
            stopped = _ends_after(len(step_s) - 1, latents, velocity, job)
            if stopped:
                break
            begin_s = time.perf_counter()
        return latents, Denoised(
            step_s=tuple(step_s),
            mask=tuple(velocity.mask),
            forecast_errors=velocity.errors,
            rescued_steps=tuple(velocity.rescued),
            interrupted=stopped and len(step_s) < job.num_steps,
            image_encoding_s=image_encoding_s,
        )

    def _start(self, job: Job) -> StartingPoint:
        settings = job.settings
        size = self._folder.latent_size(*settings.size)
        draw = noise_source(settings.generator, settings.rng_seed)
        return starting_point(
            job.initial,
            (settings.num_images_per_prompt, self._folder.latent_channels, *size),
            job.sigmas[0],
            draw,
            lambda picture: self.models.vae_encoder()(picture, draw),
            self._folder.is_fill,
        )

    def _conditioned(self, job: Job, conditioning: Conditioning, lane: int) -> Denoiser:
        """The transformer, given what does not change during a generation."""
        settings, static = job.settings, self.models.setup.static
        if self.models.setup.memory.low_memory:
            # with dynamic shapes, OpenVINO's CPU device keeps the activations of every block
            static = StaticShape.of(settings)
        height, width = self._folder.latent_size(*settings.size)
        transformer = self.models.transformer(static, lane)
        transformer.start(
            text=np.repeat(conditioning.text, settings.num_images_per_prompt, axis=0),
            pooled=np.repeat(conditioning.pooled, settings.num_images_per_prompt, axis=0),
            image_ids=image_position_ids(height // 2, width // 2),
            guidance_scale=settings.guidance_scale,
            train_timesteps=job.scheduler.noise_levels.num_train_timesteps,
        )
        return transformer

    def decode(self, latents: Array, height: int, width: int) -> Pictures:
        """Turn packed latents (N, tokens, 4C) into pictures (N, height, width, 3)."""
        size = self._folder.latent_size(height, width)
        with self._coding:
            return self.models.vae_decoder(*size)(unpack_latents(latents, *size))


def _recorded(velocity: Velocity, job: Job, step: Callable[[], int]) -> Velocity:
    """Show every output to the job's recorder, if it has one, with the step that is taken."""
    recorder = job.hooks.recorder
    if recorder is None:
        return velocity

    def recorded(latents: Array, sigma: np.float32) -> Array:
        output = velocity(latents, sigma)
        recorder(step(), output)
        return output

    return recorded


def _ends_after(step: int, latents: Array, velocity: StandIn, job: Job) -> bool:
    """Tell the caller of a step that was taken; True if that is to be the last one."""
    hooks, mask = job.hooks, velocity.mask
    if hooks.progress is not None and mask[step]:
        hooks.progress(sum(mask), job.expected_runs(mask))
    if hooks.callback is not None:
        seen = as_tensor(latents.copy())
        if hooks.callback(step, job.num_steps, seen):
            return True
    return hooks.stop is not None and hooks.stop()
