"""Flux on the OpenVINO runtime and numpy alone: no torch, no diffusers, no openvino_genai."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from .cache import start_cache
from .components import FluxTransformer, TextEncoder, Tokenizer, VaeDecoder
from .generation import Devices, Generated, Job, StaticShape
from .latents import StandardNormalGenerator, image_position_ids, pack_latents, unpack_latents
from .model_folder import FluxFolder
from .native import native_noise_generator
from .sampling import Velocity, euler

Array = NDArray[np.float32]


class PythonBackend:
    """Compiled models and the loop over them. Serves one generation at a time."""

    def __init__(
        self,
        folder: FluxFolder,
        tokenizers: tuple[Tokenizer, Tokenizer],
        devices: Devices,
        properties: Mapping[str, Any],
        static: StaticShape | None,
    ) -> None:
        core = ov.Core()
        self._folder = folder
        self._tokenizers = tokenizers
        path = folder.path
        self._clip = TextEncoder(path / "text_encoder", 1, core, devices.text_encode, properties)
        self._t5 = TextEncoder(path / "text_encoder_2", 0, core, devices.text_encode, properties)
        self._transformer = FluxTransformer(folder, core, devices.denoise, properties)
        self._vae = VaeDecoder(folder, core, devices.vae, properties)
        if static is not None:
            self._reshape(static)
        for part in (self._clip, self._t5, self._transformer, self._vae):
            part.compile()

    def _reshape(self, static: StaticShape) -> None:
        height, width = self._latent_size(static.height, static.width)
        self._clip.reshape(self._folder.clip_length)
        self._t5.reshape(static.text_length)
        self._transformer.reshape(static.batch, height * width // 4, static.text_length)
        self._vae.reshape(static.batch, self._folder.latent_channels, height, width)

    def _latent_size(self, height: int, width: int) -> tuple[int, int]:
        return height // self._folder.vae_scale, width // self._folder.vae_scale

    def generate(self, job: Job) -> Generated:
        """Draw the pictures of a job."""
        settings = job.settings
        batch = settings.num_images_per_prompt
        start_s = time.perf_counter()
        clip_tokenizer, t5_tokenizer = self._tokenizers
        pooled = self._clip(clip_tokenizer.row(job.prompt, self._folder.clip_length))
        text = self._t5(t5_tokenizer.row(job.prompt_2, settings.max_sequence_length))
        text_encoding_s = time.perf_counter() - start_s

        height, width = self._latent_size(settings.height, settings.width)
        self._transformer.start(
            text=np.repeat(text, batch, axis=0),
            pooled=np.repeat(pooled, batch, axis=0),
            image_ids=image_position_ids(height // 2, width // 2),
            guidance_scale=settings.guidance_scale,
        )
        noise = pack_latents(draw_noise(job, (batch, self._folder.latent_channels, height, width)))
        velocity = start_cache(job.cache, _recorded(self._transformer, job), job.sigmas)
        step_s: list[float] = []
        stopped = False
        begin_s = time.perf_counter()
        for step, latents in enumerate(euler(velocity, noise, job.sigmas)):
            step_s.append(time.perf_counter() - begin_s)
            if job.progress is not None and velocity.mask[step]:
                job.progress(sum(velocity.mask), job.most_runs)
            if job.callback is not None:
                stopped = bool(job.callback(step, settings.num_inference_steps, latents.copy()))
                if stopped:
                    break
            begin_s = time.perf_counter()

        start_s = time.perf_counter()
        pictures = self.decode(latents, settings.height, settings.width)
        return Generated(
            pictures=pictures,
            text_encoding_s=text_encoding_s,
            step_s=tuple(step_s),
            vae_s=time.perf_counter() - start_s,
            mask=tuple(velocity.mask),
            forecast_errors=velocity.errors,
            rescued_steps=tuple(velocity.rescued),
            interrupted=stopped and len(step_s) < settings.num_inference_steps,
        )

    def decode(self, latents: Array, height: int, width: int) -> NDArray[np.uint8]:
        """Turn packed latents (N, tokens, 4C) into pictures (N, height, width, 3)."""
        return self._vae(unpack_latents(latents, *self._latent_size(height, width)))


def _recorded(velocity: Velocity, job: Job) -> Velocity:
    """Show every output to the job's recorder, if it has one."""
    recorder = job.recorder
    if recorder is None:
        return velocity
    step_of = {float(sigma): step for step, sigma in enumerate(job.sigmas)}

    def recorded(latents: Array, sigma: np.float32) -> Array:
        output = velocity(latents, sigma)
        recorder(step_of[float(sigma)], output)
        return output

    return recorded


def draw_noise(job: Job, shape: tuple[int, ...]) -> Array:
    """Draw the initial noise: from the caller's generator, else for the seed as native draws it."""
    generator = job.settings.generator
    if generator is None:
        seed = job.settings.rng_seed
        generator = native_noise_generator(seed) or StandardNormalGenerator(seed)
    if type(generator).__module__.startswith("openvino_genai"):
        shape = ov.Shape(shape)
    noise = generator.randn_tensor(shape)
    noise = np.array(noise.data if isinstance(noise, ov.Tensor) else noise)
    if noise.shape != tuple(shape):
        raise ValueError(f"the generator drew noise of shape {noise.shape}, not {tuple(shape)}")
    return noise.astype(np.float32, copy=False)
