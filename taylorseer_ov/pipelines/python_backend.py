"""Flux on the OpenVINO runtime and numpy alone: no torch, no diffusers, no openvino_genai."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from ..arrays import Array
from ..caching.cached_velocity import start_cache
from ..flux.devices import precision_bits
from ..flux.embedding_cache import EmbeddingCache, content_key
from ..flux.folder import FluxFolder
from ..flux.latents import image_position_ids, unpack_latents
from ..flux.noise import StandardNormalGenerator, native_noise_generator
from ..flux.parts import Draw, FluxTransformer, Part, TextEncoder
from ..flux.sampling import Velocity, euler
from ..flux.starting_point import StartingPoint, starting_point
from ..flux.tiled_vae import TiledVaeDecoder
from ..flux.tiling import fits_a_tile
from ..flux.tokenizer import Tokenizer
from ..flux.vae import VaeDecoder, VaeEncoder
from ..generation.job import Devices, Generated, Job, MemoryOptions, StaticShape, Stopwatch

P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Conditioning:
    """An encoded prompt: `text` (1, L, D) for every token, `pooled` (1, P) for the whole."""

    text: Array
    pooled: Array


@dataclass(frozen=True)
class Denoised:
    """Packed latents (N, tokens, 4C) and how they came about; the fields are `Generated`'s."""

    latents: Array
    step_s: tuple[float, ...]
    mask: tuple[bool, ...]
    forecast_errors: dict[int, float]
    rescued_steps: tuple[int, ...]
    interrupted: bool
    image_encoding_s: float


class PythonBackend:
    """Compiled models and the loop over them. Serves one generation at a time.

    Without `low_memory` the models are compiled at once, otherwise when needed, one at a time and
    the transformer for one size.

    Attributes:
        load_s: seconds spent on loading and compiling so far.
    """

    def __init__(
        self,
        folder: FluxFolder,
        tokenizers: tuple[Tokenizer, Tokenizer],
        devices: Devices,
        properties: Mapping[str, Any],
        static: StaticShape | None,
        memory: MemoryOptions,
    ) -> None:
        self._core = ov.Core()
        self._folder = folder
        self._tokenizers = tokenizers
        self._devices, self._properties = devices, properties
        self._static, self._memory = static, memory
        self._parts: dict[str, Part] = {}
        self._embeddings: EmbeddingCache | None = None
        if memory.embedding_cache is not None:
            self._embeddings = EmbeddingCache(memory.embedding_cache)
            self._encoders = self._describe_encoders()
        self.load_s = 0.0
        if not memory.low_memory:
            self._transformer(static)
            if self._embeddings is None:
                self._clip()
                self._t5()
            if not memory.vae_tiling:
                self._whole_vae()
            if folder.task != "text to image":
                self._vae_encoder()

    # --- the models ---

    def _clip(self) -> TextEncoder:
        length = self._static and self._folder.clip_length
        return self._use("text_encoder", lambda: self._text_encoder("text_encoder", 1, length))

    def _t5(self) -> TextEncoder:
        length = self._static and self._static.text_length
        return self._use("text_encoder_2", lambda: self._text_encoder("text_encoder_2", 0, length))

    def _text_encoder(self, name: str, output: int, length: int | None) -> TextEncoder:
        path, device = self._folder.path / name, self._devices.text_encode
        encoder = TextEncoder(path, output, self._core, device, self._properties)
        if length is not None:
            encoder.reshape(length)
        return encoder

    def _transformer(self, static: StaticShape | None) -> FluxTransformer:
        def make() -> FluxTransformer:
            part = FluxTransformer(
                self._folder, self._core, self._devices.denoise, self._properties
            )
            if static is not None:
                height, width = self._latent_size(static.height, static.width)
                part.reshape(static.batch, height * width // 4, static.text_length)
            return part

        name = "transformer" if static == self._static else f"transformer {static}"
        return self._use(name, make)

    def _vae(self, height: int, width: int) -> VaeDecoder | TiledVaeDecoder:
        """The decoder for latents of this size."""
        if not self._memory.vae_tiling or fits_a_tile(height, width):
            return self._whole_vae()

        def make() -> TiledVaeDecoder:
            part = TiledVaeDecoder(self._folder, self._core, self._devices.vae, self._properties)
            if self._static is not None:
                part.reshape(self._folder.latent_channels, height, width)
            return part

        return self._use("tiled_vae_decoder", make)

    def _whole_vae(self) -> VaeDecoder:
        def make() -> VaeDecoder:
            part = VaeDecoder(self._folder, self._core, self._devices.vae, self._properties)
            if self._static is not None:
                size = self._latent_size(self._static.height, self._static.width)
                part.reshape(self._static.batch, self._folder.latent_channels, *size)
            return part

        return self._use("vae_decoder", make)

    def _vae_encoder(self) -> VaeEncoder:
        def make() -> VaeEncoder:
            part = VaeEncoder(self._folder, self._core, self._devices.vae, self._properties)
            if self._static is not None:
                part.reshape(self._static.height, self._static.width)
            return part

        return self._use("vae_encoder", make)

    def _use(self, name: str, make: Callable[[], P]) -> P:
        """Return a compiled model; with `low_memory`, the others are let go of first."""
        if name not in self._parts:
            start_s = time.perf_counter()
            if self._memory.low_memory:
                self._parts.clear()
                gc.collect()
            part = make()
            part.compile()
            self._parts[name] = part
            self.load_s += time.perf_counter() - start_s
        return cast("P", self._parts[name])

    def _latent_size(self, height: int, width: int) -> tuple[int, int]:
        return height // self._folder.vae_scale, width // self._folder.vae_scale

    # --- the stages of a generation ---

    def generate(self, job: Job) -> Generated:
        """Draw the pictures of a job."""
        loaded_before_s = self.load_s
        stopwatch = Stopwatch(lambda: self.load_s)
        conditioning = self.encode(job)
        text_encoding_s = stopwatch.lap()
        denoised = self.denoise(job, conditioning)
        stopwatch.lap()
        pictures = self.decode(denoised.latents, *job.settings.size)
        return Generated(
            pictures=pictures,
            text_encoding_s=text_encoding_s,
            vae_s=stopwatch.lap(),
            load_s=self.load_s - loaded_before_s,
            step_s=denoised.step_s,
            mask=denoised.mask,
            forecast_errors=denoised.forecast_errors,
            rescued_steps=denoised.rescued_steps,
            interrupted=denoised.interrupted,
            image_encoding_s=denoised.image_encoding_s,
        )

    def encode(self, job: Job) -> Conditioning:
        """Encode the prompts of a job, or fetch what they were encoded to before."""
        return Conditioning(pooled=self.encode_pooled(job), text=self.encode_text(job))

    def encode_pooled(self, job: Job) -> Array:
        """Encode the prompt for CLIP: (1, P)."""
        row = self._tokenizers[0].row(job.prompt, self._folder.clip_length)
        return self._kept("pooled", row, lambda: self._clip()(row))

    def encode_text(self, job: Job) -> Array:
        """Encode the prompt for T5: (1, L, D)."""
        row = self._tokenizers[1].row(job.prompt_2, job.settings.max_sequence_length)
        return self._kept("text", row, lambda: self._t5()(row))

    def _kept(self, name: str, row: NDArray[np.int64], encode: Callable[[], Array]) -> Array:
        """Fetch what a row of token ids was encoded to before, or encode it and keep that."""
        if self._embeddings is None:
            return encode()
        key = content_key(self._encoders, name.encode(), row.tobytes())
        kept = self._embeddings.get(key)
        if kept is not None:
            return kept[name]
        encoded = encode()
        self._embeddings.put(key, **{name: encoded})
        return encoded

    def _describe_encoders(self) -> bytes:
        """Everything beside the tokens that an encoded prompt depends on, to the last bit."""
        device, properties = self._devices.text_encode, self._properties
        machine = [
            self._core.get_property(name, "FULL_DEVICE_NAME")
            for name in self._core.available_devices
        ]
        described = [
            [self._folder.fingerprint(part) for part in ("text_encoder", "text_encoder_2")],
            [device, precision_bits(device, properties)],
            sorted((name, str(value)) for name, value in properties.items()),
            [machine, self._static is not None, ov.get_version()],
        ]
        return json.dumps(described).encode()

    def denoise(self, job: Job, conditioning: Conditioning) -> Denoised:
        """Take the steps of a job from noise to packed latents."""
        settings, hooks = job.settings, job.hooks
        batch = settings.num_images_per_prompt
        height, width = self._latent_size(*settings.size)
        stopwatch = Stopwatch(lambda: self.load_s)
        start = self._start(job, (batch, self._folder.latent_channels, height, width))
        image_encoding_s = 0.0 if job.initial is None else stopwatch.lap()
        static = self._static
        if self._memory.low_memory:
            # with dynamic shapes, OpenVINO's CPU device keeps the activations of every block
            static = StaticShape.of(settings)
        transformer = self._transformer(static)
        transformer.start(
            text=np.repeat(conditioning.text, batch, axis=0),
            pooled=np.repeat(conditioning.pooled, batch, axis=0),
            image_ids=image_position_ids(height // 2, width // 2),
            guidance_scale=settings.guidance_scale,
        )
        velocity = start_cache(
            job.cache, _recorded(start.conditioned(transformer), job), job.sigmas
        )
        step_s: list[float] = []
        stopped = False
        begin_s = time.perf_counter()
        steps = euler(velocity, start.latents, job.sigmas, start.constrain)
        for step, latents in enumerate(steps):
            step_s.append(time.perf_counter() - begin_s)
            if hooks.progress is not None and velocity.mask[step]:
                hooks.progress(sum(velocity.mask), job.expected_runs(velocity.mask))
            if hooks.callback is not None:
                stopped = bool(hooks.callback(step, job.num_steps, latents.copy()))
            if stopped or (hooks.stop is not None and hooks.stop()):
                stopped = True
                break
            begin_s = time.perf_counter()
        return Denoised(
            latents=latents,
            step_s=tuple(step_s),
            mask=tuple(velocity.mask),
            forecast_errors=velocity.errors,
            rescued_steps=tuple(velocity.rescued),
            interrupted=stopped and len(step_s) < job.num_steps,
            image_encoding_s=image_encoding_s,
        )

    def _start(self, job: Job, shape: tuple[int, int, int, int]) -> StartingPoint:
        draw = noise_source(job)
        return starting_point(
            job.initial,
            shape,
            job.sigmas[0],
            draw,
            lambda picture: self._vae_encoder()(picture, draw),
            self._folder.is_fill,
        )

    def decode(self, latents: Array, height: int, width: int) -> NDArray[np.uint8]:
        """Turn packed latents (N, tokens, 4C) into pictures (N, height, width, 3)."""
        size = self._latent_size(height, width)
        return self._vae(*size)(unpack_latents(latents, *size))


def _recorded(velocity: Velocity, job: Job) -> Velocity:
    """Show every output to the job's recorder, if it has one."""
    recorder = job.hooks.recorder
    if recorder is None:
        return velocity
    step_of = {float(sigma): step for step, sigma in enumerate(job.sigmas)}

    def recorded(latents: Array, sigma: np.float32) -> Array:
        output = velocity(latents, sigma)
        recorder(step_of[float(sigma)], output)
        return output

    return recorded


def noise_source(job: Job) -> Draw:
    """Return what draws noise: the caller's generator, else for the seed as native draws it."""
    generator = job.settings.generator
    if generator is None:
        seed = job.settings.rng_seed
        generator = native_noise_generator(seed) or StandardNormalGenerator(seed)
    is_native = type(generator).__module__.startswith("openvino_genai")

    def draw(shape: tuple[int, ...]) -> Array:
        drawn = generator.randn_tensor(ov.Shape(shape) if is_native else shape)
        noise = np.array(drawn.data if isinstance(drawn, ov.Tensor) else drawn)
        if noise.shape != shape:
            raise ValueError(f"the generator drew noise of shape {noise.shape}, not {shape}")
        return noise.astype(np.float32, copy=False)

    return draw
