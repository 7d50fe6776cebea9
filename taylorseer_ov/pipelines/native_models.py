"""The models of openvino_genai, which its pipelines and our own loop share.

openvino_genai lets its models be run one by one. So what its pipelines cannot do exactly is done by
the loop of `python_backend` on the models that are loaded already. They compute what those of
`models` compute, for they are compiled from the same files in the same way. Where theirs cannot do
it, a part of our own is loaded beside:

- the end token of prompts that are too long is lost: our text encoder;
- a T5 encoder that has taken a prompt takes one text length for ever: ours in its place;
- an encoder of fixed shape takes as many pictures as are drawn, but one is given: our VAE encoder;
- with LoRA adapters nothing can be run alone, for only a pipeline translates the names that
  adapters have for the layers: our VAE decoder, for `decode`.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import Array, Pictures
from ..flux.compiled_models import compile_kept
from ..flux.devices import Properties
from ..flux.folder_checks import Task
from ..flux.noise import Draw
from ..flux.parts import lasting_inputs, timestep
from ..flux.scheduler import Scheduler
from ..flux.tokenizer import Tokenizer
from ..genai import import_openvino_genai
from ..generation.job import LoadingTime
from ..generation.setup import Setup, StaticShape
from .models import Denoiser, Ids, Models
from .native_arguments import drawing_generator, native_tensor
from .native_vae import rounding_vae
from .side_by_side import one_by_one, way_of_loading

PIPELINES: dict[Task, str] = {
    "text to image": "Text2ImagePipeline",
    "image to image": "Image2ImagePipeline",
    "inpainting": "InpaintingPipeline",
}


class NativeModels:
    """openvino_genai's models, loaded and compiled at once.

    Attributes:
        setup: which models, where and how.
    """

    keeps_text_length = True

    def __init__(self, setup: Setup, tokenizers: tuple[Tokenizer, Tokenizer]) -> None:
        self.setup = setup
        self._tokenizers = tokenizers
        self._genai, self._properties = import_openvino_genai(), dict(setup.properties)
        self._adapters = self._properties.get("adapters")
        plain = {name: self._properties[name] for name in self._properties if name != "adapters"}
        self._own = Models(replace(setup, properties=plain))
        self._t5: Any = None
        self._text_length: int | None = None  # which the T5 encoder takes, once it has taken one
        self._pipelines: dict[Task, Any] = {}
        self._schedulers: dict[Task, Scheduler] = {}  # which each of them was given last
        self._loading_time = LoadingTime()
        self._encodes = setup.folder.task != "text to image"  # whether the VAE has its encoder
        with self._timed():
            self._load()

    @property
    def load_s(self) -> float:
        """Seconds that this thread has spent on loading and compiling so far."""
        return self._loading_time.seconds + self._own.load_s

    @contextmanager
    def _timed(self) -> Iterator[None]:
        start_s = time.perf_counter()
        yield
        self._loading_time.seconds += time.perf_counter() - start_s

    def _load(self) -> None:
        parts = self._load_transformer, self._load_clip, self._load_vae, self._load_t5
        if self._adapters is None:
            way_of_loading(self.setup.folder)(*parts)
        else:  # nothing is compiled yet
            one_by_one(*parts)
            # from this one openvino_genai makes those for the other tasks
            self._assemble("inpainting" if self._encodes else "text to image")

    def _load_transformer(self) -> None:
        static = self.setup.static
        transformer = self._genai.FluxTransformer2DModel(self.setup.folder.part("transformer"))
        if static is not None:
            sizes = static.batch, static.height, static.width
            transformer.reshape(*sizes, static.text_length)
        if self._adapters is None:
            self._compile(transformer, self.setup.devices.denoise, self._properties)
        self._transformer = transformer

    def _load_clip(self) -> None:
        clip = self._genai.CLIPTextModel(self.setup.folder.part("text_encoder"))
        if self.setup.static is not None:
            clip.reshape(1)
        if self._adapters is None:
            self._compile_encoder(clip)
        self._clip = clip

    def _compile_encoder(self, encoder: Any) -> None:
        self._compile(encoder, self.setup.devices.text_encode, self.setup.encoder_properties)

    def _compile(self, part: Any, device: str, properties: Properties) -> None:
        def compile_with(given: Properties) -> None:
            part.compile(device, **given)

        compile_kept(compile_with, device, properties, self.setup.folder)

    def _load_vae(self) -> None:
        static = self.setup.static
        vae = rounding_vae(self._genai, self.setup.folder, self._encodes)
        if static is not None:
            vae.reshape(static.batch, static.height, static.width)
        if self._adapters is None:
            self._compile(vae, self.setup.devices.vae, self._properties)
        self._vae = vae
        self._pipelines.clear()

    def _load_t5(self) -> None:
        """Load a T5 encoder, which takes one text length for ever: that of its first prompt."""
        self._t5 = None  # the old one goes before the new one comes
        self._pipelines.clear()
        self._own.let_go("text_encoder_2")
        t5 = self._genai.T5EncoderModel(self.setup.folder.part("text_encoder_2"))
        static = self.setup.static
        if static is not None:
            t5.reshape(1, static.text_length)
        if self._adapters is None:
            self._compile_encoder(t5)
        self._t5, self._text_length = t5, None if static is None else static.text_length

    def _t5_for(self, text_length: int) -> Any:
        if self._t5 is None or self._text_length not in (None, text_length):
            with self._timed():
                # adapters are compiled in with all parts at once
                (self._load_t5 if self._adapters is None else self._load)()
        self._text_length = text_length
        return self._t5

    def load_all(self, task: Task) -> None:
        """Load the VAE's encoder too, with its decoder, if a task needs it; make the pipeline."""
        if task != "text to image" and not self._encodes:
            self._encodes = True
            try:
                with self._timed():
                    (self._load_vae if self._adapters is None else self._load)()
            except Exception:
                self._encodes = False
                raise
        if self._t5 is not None:
            self._assembled(task)

    def pipeline(self, task: Task, text_length: int, scheduler: Scheduler) -> Any:
        """Return openvino_genai's pipeline for a task, for prompts of one length."""
        self._t5_for(text_length)
        pipeline = self._assembled(task)
        if scheduler != self._schedulers[task]:
            pipeline.set_scheduler(scheduler.to_native())
            self._schedulers[task] = scheduler
        return pipeline

    def _assembled(self, task: Task) -> Any:
        if task not in self._pipelines:
            with self._timed():  # what resizes pictures is compiled in it
                self._assemble(task)
        return self._pipelines[task]

    def _assemble(self, task: Task) -> None:
        """Put a pipeline together; it shares the models, and does not copy them."""
        scheduler = self.setup.folder.scheduler
        kind = getattr(self._genai, PIPELINES[task])
        if self._adapters is not None and self._pipelines:
            # adapters are in what the first pipeline has compiled
            pipeline = kind(next(iter(self._pipelines.values())))
            pipeline.set_scheduler(scheduler.to_native())
        else:
            parts = self._clip, self._t5, self._transformer, self._vae
            pipeline = kind.flux(scheduler.to_native(), *parts)
            if self._adapters is not None:
                pipeline.compile(*self.setup.devices, **self._properties)
        self._pipelines[task], self._schedulers[task] = pipeline, scheduler

    # --- for our own loop ---

    def encode_pooled(self, prompt: str, ids: Ids) -> Array:
        """Encode a prompt for the whole of it: (1, P)."""
        if not self._tokenizers[0].fits(prompt, ids.shape[1]):
            return self._own.encode_pooled(prompt, ids)
        self._clip.infer(prompt, "", False)
        # copied: the infer request reuses its buffer
        return np.array(self._clip.get_output_tensor(1).data)

    @property
    def _own_t5(self) -> bool:
        return "text_encoder_2" in self._own.parts

    def encode_text(self, prompt: str, ids: Ids) -> Array:
        """Encode a prompt for every token: (1, L, D)."""
        length = ids.shape[1]
        other_length = self._text_length not in (None, length)
        if self._own_t5 or other_length or not self._tokenizers[1].fits(prompt, length):
            if not self._own_t5:
                self._t5 = None  # two copies might not fit
                self._pipelines.clear()
                gc.collect()
            return self._own.encode_text(prompt, ids)
        return np.array(self._t5_for(length).infer(prompt, "", False, length).data)

    def transformer(self, static: StaticShape | None, lane: int = 0) -> Denoiser:
        """The denoiser, of the setup's shape; there is one lane."""
        return NativeTransformer(self._transformer, self.setup.folder.guidance_embeds)

    def vae_decoder(self, height: int, width: int) -> Callable[[Array], Pictures]:
        """The decoder for latents of any size, or of the setup's."""
        if self._adapters is not None:
            return self._own.vae_decoder(height, width)
        return self._decode

    def _decode(self, latents: Array) -> Pictures:
        return np.array(self._vae.decode(native_tensor(latents)).data)

    def vae_encoder(self) -> Callable[[Array, Draw], Array]:
        """The encoder of the picture that a generation starts from."""
        if self.setup.static is not None and self.setup.static.batch > 1:
            return self._own.vae_encoder()
        return self._encode

    def _encode(self, picture: Array, draw: Draw) -> Array:
        generator = drawing_generator(self._genai, draw)
        return np.array(self._vae.encode(native_tensor(picture), generator).data)


class NativeTransformer:
    """The transformer of openvino_genai as ours is called."""

    def __init__(self, transformer: Any, guidance_embeds: bool) -> None:
        self._transformer, self._guidance_embeds = transformer, guidance_embeds

    def start(
        self,
        text: Array,
        pooled: Array,
        image_ids: Array,
        guidance_scale: float,
        train_timesteps: float,
    ) -> None:
        """Set the conditioning: text (N, L, D), pooled (N, P), image_ids (tokens, 3)."""
        guidance = guidance_scale if self._guidance_embeds else None
        for name, value in lasting_inputs(text, pooled, image_ids, guidance).items():
            self._transformer.set_hidden_states(name, native_tensor(value))
        self._train_timesteps = train_timesteps

    def __call__(self, latents: Array, sigma: np.float32) -> Array:
        """Return the velocity (N, tokens, channels): a view that the next call overwrites."""
        inputs = native_tensor(latents), native_tensor(timestep(sigma, self._train_timesteps))
        velocity: Array = self._transformer.infer(*inputs).data
        return velocity
