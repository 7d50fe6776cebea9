"""The compiled models of the Python backend: all of them at once, or one at a time.

What the backend wants of models is a `LoopModels`: these, or openvino_genai's (`native_models`).
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar, cast

import numpy as np
import openvino as ov
import openvino_tokenizers  # noqa: F401  (registers its operations with every new Core)
from numpy.typing import NDArray

from ..arrays import Array, Pictures
from ..flux.folder_checks import Task
from ..flux.noise import Draw
from ..flux.parts import FluxTransformer, Part, Place, TextEncoder
from ..flux.tiled_vae import TiledVaeDecoder
from ..flux.tiling import fits_a_tile
from ..flux.vae import VaeDecoder, VaeEncoder
from ..generation.job import LoadingTime
from ..generation.setup import Setup, StaticShape
from .side_by_side import way_of_loading

P = TypeVar("P", bound=Part)
Ids = NDArray[np.int64]


class Denoiser(Protocol):
    """The transformer of a generation."""

    def start(
        self,
        text: Array,
        pooled: Array,
        image_ids: Array,
        guidance_scale: float,
        train_timesteps: float,
    ) -> None:
        """Set the conditioning: text (N, L, D), pooled (N, P), image_ids (tokens, 3)."""

    def __call__(self, latents: Array, sigma: np.float32) -> Array:
        """Return the velocity (N, tokens, channels): a view that the next call overwrites."""


class LoopModels(Protocol):
    """The models that the Python backend runs."""

    @property
    def setup(self) -> Setup:
        """Which models, where and how."""

    @property
    def load_s(self) -> float:
        """Seconds that this thread has spent on loading and compiling so far."""

    @property
    def keeps_text_length(self) -> bool:
        """Whether a prompt of another length than the first one's has the T5 encoder reloaded."""

    def load_all(self, task: Task) -> None:
        """Load what generations of a task need and is not loaded yet."""

    def encode_pooled(self, prompt: str, ids: Ids) -> Array:
        """Encode a prompt, and its row of token ids, for the whole of it: (1, P)."""

    def encode_text(self, prompt: str, ids: Ids) -> Array:
        """Encode a prompt, and its row of token ids, for every token: (1, L, D)."""

    def transformer(self, static: StaticShape | None, lane: int = 0) -> Denoiser:
        """Return the denoiser for one shape, or for any.

        Args:
            lane: below the setup's `streams`; what has another one can run at the same time.
        """

    def vae_decoder(self, height: int, width: int) -> Callable[[Array], Pictures]:
        """Return what turns latents (N, C, height, width) into pictures."""

    def vae_encoder(self) -> Callable[[Array, Draw], Array]:
        """Return what turns a picture (1, 3, H, W), with noise, into latents (1, C, h, w)."""


class Models:
    """Models that are compiled when they are first asked for, and kept.

    Several threads may ask. What they are given serves one of them at a time.

    With `low_memory` the others are let go of before one is loaded, and the transformer is compiled
    for the one size that is drawn. Where the setup has a static shape, so has every model.

    Attributes:
        setup: which models, where and how.
        core: what reads and compiles them.
        parts: those that are loaded, by name.
        loading: called with the name of a part, makes what it is loaded within.
    """

    keeps_text_length = False

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.core = ov.Core()
        self.parts: dict[str, Part] = {}
        self.loading: Callable[[str], AbstractContextManager[object]] = nullcontext
        self._each_once: dict[str, threading.Lock] = {}
        self._loading_time = LoadingTime()

    @property
    def load_s(self) -> float:
        """Seconds that this thread has spent on loading and compiling so far."""
        return self._loading_time.seconds

    def load_all(self, task: Task) -> None:
        """Load what a generation needs, unless it is to be loaded one at a time."""
        memory = self.setup.memory
        if memory.low_memory:
            return
        others: list[Callable[[], object]] = []
        if memory.embedding_cache is None:
            others += [self.clip, self.t5]
        if not memory.vae_tiling:
            others.append(self._whole_vae)
        if task != "text to image":
            others.append(self.vae_encoder)
        load = way_of_loading(self.setup.folder)
        load(lambda: self.transformer(self.setup.static), *others)

    def encode_pooled(self, prompt: str, ids: Ids) -> Array:
        """Encode a prompt's row of token ids for the whole of it: (1, P)."""
        return self.clip()(ids)

    def encode_text(self, prompt: str, ids: Ids) -> Array:
        """Encode a prompt's row of token ids for every token: (1, L, D)."""
        return self.t5()(ids)

    def clip(self) -> TextEncoder:
        """The text encoder of the pooled prompt."""
        static, length = self.setup.static, self.setup.folder.clip_length
        return self._text_encoder("text_encoder", 1, None if static is None else length)

    def t5(self) -> TextEncoder:
        """The text encoder of every token."""
        static = self.setup.static
        return self._text_encoder(
            "text_encoder_2", 0, None if static is None else static.text_length
        )

    def _text_encoder(self, name: str, output: int, length: int | None) -> TextEncoder:
        def make() -> TextEncoder:
            setup = self.setup
            device, properties = setup.devices.text_encode, setup.encoder_properties
            place = Place(self.core, device, properties, setup.folder)
            encoder = TextEncoder(setup.folder.part(name), output, place)
            if length is not None:
                encoder.reshape(length)
            return encoder

        return self._use(name, make)

    def transformer(self, static: StaticShape | None, lane: int = 0) -> FluxTransformer:
        """The denoiser for one shape, or for any: that of a lane."""

        def make() -> FluxTransformer:
            setup = self.setup
            properties = setup.denoise_properties
            place = Place(self.core, setup.devices.denoise, properties, setup.folder)
            part = FluxTransformer(setup.folder, place)
            if static is not None:
                height, width = self.setup.folder.latent_size(static.height, static.width)
                part.reshape(static.batch, height * width // 4, static.text_length)
            return part

        name = "transformer" if static == self.setup.static else f"transformer {static}"
        part = self._use(name, make)
        if lane == 0:
            return part
        beside = f"{name}, lane {lane}"
        if beside not in self.parts:
            self.parts[beside] = part.another()
        return cast("FluxTransformer", self.parts[beside])

    def vae_decoder(self, height: int, width: int) -> VaeDecoder | TiledVaeDecoder:
        """The decoder for latents of this size."""
        if not self.setup.memory.vae_tiling or fits_a_tile(height, width):
            return self._whole_vae()

        def make() -> TiledVaeDecoder:
            folder = self.setup.folder
            part = TiledVaeDecoder(folder, self._at(self.setup.devices.vae))
            if self.setup.static is not None:
                part.reshape(folder.latent_channels, height, width)
            return part

        return self._use("tiled_vae_decoder", make)

    def _whole_vae(self) -> VaeDecoder:
        def make() -> VaeDecoder:
            folder, static = self.setup.folder, self.setup.static
            part = VaeDecoder(folder, self._at(self.setup.devices.vae))
            if static is not None:
                size = folder.latent_size(static.height, static.width)
                part.reshape(static.batch, folder.latent_channels, *size)
            return part

        return self._use("vae_decoder", make)

    def vae_encoder(self) -> VaeEncoder:
        """The encoder of the picture that a generation starts from."""

        def make() -> VaeEncoder:
            static = self.setup.static
            part = VaeEncoder(self.setup.folder, self._at(self.setup.devices.vae))
            if static is not None:
                part.reshape(static.height, static.width)
            return part

        return self._use("vae_encoder", make)

    def let_go(self, name: str) -> None:
        """Let go of a part, if it is loaded."""
        self.parts.pop(name, None)
        gc.collect()

    def _at(self, device: str) -> Place:
        return Place(self.core, device, self.setup.properties, self.setup.folder)

    def _use(self, name: str, make: Callable[[], P]) -> P:
        """Return a compiled model; with `low_memory`, the others are let go of first."""
        with self._each_once.setdefault(name, threading.Lock()):
            if name not in self.parts:
                start_s = time.perf_counter()
                with self.loading(name.split()[0]):
                    if self.setup.memory.low_memory:
                        self.parts.clear()
                        gc.collect()
                    part = make()
                    part.compile()
                self.parts[name] = part
                self._loading_time.seconds += time.perf_counter() - start_s
            return cast("P", self.parts[name])
