"""What is asked of a pipeline, checked before any work is done."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .checks import text, whole_number
from .config import TaylorSeerCacheConfig
from .control import ErrorControl
from .latents import MAX_SEED, NoiseGenerator
from .pictures import InitialImage
from .plan import CachePlan
from .policy import CachePolicy

StepCallback = Callable[[int, int, NDArray[np.float32]], bool | None]
Progress = Callable[[int, int], None]
Recorder = Callable[[int, NDArray[np.float32]], None]

MAX_TEXT_LENGTH = 512
UNUSED_BY_FLUX = ("negative_prompt", "negative_prompt_2", "negative_prompt_3", "prompt_3")


@dataclass
class ImageGenerationConfig:
    """Settings of one generation, with the names and defaults of OpenVINO GenAI for Flux.

    Caching is the one default that differs: `cache=None`, off unless asked for.

    Attributes:
        prompt_2: text for the T5 encoder; the prompt itself if None.
        guidance_scale: guidance embedded by dev-like models; schnell-like ones ignore it.
        height, width: of the picture in pixels, multiples of 16. None where a picture is given
            means its own size, rounded down to such multiples.
        num_inference_steps: denoising steps.
        num_images_per_prompt: pictures drawn at once, from different noise.
        max_sequence_length: tokens of text that the T5 encoder reads, at most 512.
        strength: how much of a given picture is drawn anew: 1 starts from noise alone, less skips
            the first steps. Always 1 for text to image.
        rng_seed: seed of the initial noise; equal seeds give equal pictures.
        generator: draws the noise instead of `rng_seed`, and keeps its state between calls.
        cache: a preset ("high", "balanced", "fast"), the path of a saved plan, a
            `TaylorSeerCacheConfig` (ours or openvino_genai's), a `CachePlan`, an `ErrorControl` or
            another policy, or None for no caching. `taylorseer_config` is another name for it.
        adapters: an `openvino_genai.AdapterConfig` with LoRA adapters that the constructor was
            given too; None for all of those. openvino_genai ignores the alpha in a file: give
            alpha / rank, times the scale wanted. Native backend only.
    """

    prompt_2: str | None = None
    guidance_scale: float = 3.5
    height: int | None = 1024
    width: int | None = 1024
    num_inference_steps: int = 28
    num_images_per_prompt: int = 1
    max_sequence_length: int = 512
    strength: float = 1.0
    rng_seed: int = 42
    generator: NoiseGenerator | None = None
    cache: TaylorSeerCacheConfig | CachePlan | CachePolicy | str | None = None
    adapters: Any = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, where both are known.

        Raises:
            ValueError: naming the one that is not.
        """
        height, width = self.height, self.width
        if height is None or width is None:
            unknown = "height" if height is None else "width"
            raise ValueError(f"{unknown} is None and there is no picture to take it from; give it")
        return height, width

    @property
    def taylorseer_config(self) -> Any:
        """Native's name for `cache`."""
        return self.cache

    @taylorseer_config.setter
    def taylorseer_config(self, cache: Any) -> None:
        self.cache = cache

    def updated(self, settings: Mapping[str, Any]) -> ImageGenerationConfig:
        """Return a validated copy with some settings replaced.

        Raises:
            TypeError: for an unknown name (a near one is suggested) or a value of the wrong kind.
            ValueError: for a value out of range.
        """
        known = {field.name for field in dataclasses.fields(self)}
        settings = dict(settings)
        for name in UNUSED_BY_FLUX:
            if settings.pop(name, None):
                raise ValueError(f"{name} is not used by Flux; leave it out")
        if "taylorseer_config" in settings:
            if "cache" in settings:
                raise TypeError("cache and taylorseer_config are two names for one setting")
            settings["cache"] = settings.pop("taylorseer_config")
        for name in settings:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise TypeError(
                    f"unknown setting {name!r}{hint} Known: {', '.join(sorted(known))}, callback"
                )
        changed = dataclasses.replace(self, **settings)
        changed.validate()
        return changed

    def validate(self) -> None:
        """Check all values, turning a native TaylorSeer configuration into ours.

        Raises:
            TypeError, ValueError: naming the setting, its value and what is allowed.
        """
        for name, minimum, maximum in (
            ("num_inference_steps", 1, None),
            ("num_images_per_prompt", 1, None),
            ("max_sequence_length", 1, MAX_TEXT_LENGTH),
            ("rng_seed", 0, MAX_SEED),
        ):
            setattr(self, name, whole_number(name, getattr(self, name), minimum, maximum))
        for name in ("height", "width"):
            if getattr(self, name) is None:
                continue
            size = whole_number(name, getattr(self, name), 16)
            setattr(self, name, size)
            if size % 16:
                raise ValueError(
                    f"{name} must be a multiple of 16, got {size}; "
                    f"{max(16, round(size / 16) * 16)} is the nearest"
                )
        for name in ("guidance_scale", "strength"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{name} must be a number, got {value!r}")
        if not (math.isfinite(self.guidance_scale) and self.guidance_scale >= 0):
            raise ValueError(
                f"guidance_scale must be finite and not negative, got {self.guidance_scale}"
            )
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength must be from 0 to 1, got {self.strength}")
        if self.prompt_2 is not None:
            text("prompt_2", self.prompt_2)
        if self.generator is not None and not hasattr(self.generator, "randn_tensor"):
            raise TypeError(
                f"generator must have a randn_tensor(shape) method, got {self.generator!r}"
            )
        self.cache = as_cache(self.cache)
        check_adapters(self.adapters)


def check_adapters(adapters: Any) -> None:
    """Check that LoRA adapters are what openvino_genai takes.

    Raises:
        TypeError: if they are something else, such as the path of a file.
    """
    if adapters is not None and not (
        type(adapters).__module__.startswith("openvino_genai") and hasattr(adapters, "get_adapters")
    ):
        raise TypeError(f"adapters must be an openvino_genai.AdapterConfig, got {adapters!r}")


def as_cache(cache: Any) -> TaylorSeerCacheConfig | CachePlan | CachePolicy | str | None:
    """Check that a value can decide what is cached, turning native's configuration into ours.

    Raises:
        TypeError: if it cannot.
    """
    if cache is None or isinstance(cache, TaylorSeerCacheConfig | CachePlan | CachePolicy | str):
        return cache
    if isinstance(cache, dict):  # from JSON: a model's, a batch's, a picture's
        if set(cache) & {field.name for field in dataclasses.fields(ErrorControl)}:
            return ErrorControl(**cache)
        return TaylorSeerCacheConfig.from_dict(cache)
    if type(cache).__module__.startswith("openvino_genai"):
        return TaylorSeerCacheConfig.from_native(cache)
    raise TypeError(
        "cache must be a preset, a TaylorSeerCacheConfig, a CachePlan, an ErrorControl or None, "
        f"got {cache!r}"
    )


class Devices(NamedTuple):
    """Where each part of the pipeline runs."""

    text_encode: str
    denoise: str
    vae: str


@dataclass(frozen=True)
class MemoryOptions:
    """How a pipeline saves memory.

    Attributes:
        low_memory: hold one model at a time: encode, let go, denoise, let go, decode.
        vae_tiling: decode large pictures in overlapping tiles.
        embedding_cache: folder in which encoded prompts are kept between processes.
    """

    low_memory: bool = False
    vae_tiling: bool = False
    embedding_cache: Path | None = None

    @property
    def native_obstacle(self) -> str | None:
        """Why openvino_genai cannot work like this, None if it can."""
        if self.low_memory:
            return "openvino_genai holds all models in memory at once"
        if self.vae_tiling:
            return "openvino_genai decodes pictures whole"
        if self.embedding_cache is not None:
            return "openvino_genai encodes every prompt anew"
        return None


class StaticShape(NamedTuple):
    """The one size a reshaped pipeline draws."""

    batch: int
    height: int
    width: int
    text_length: int

    @classmethod
    def of(cls, settings: ImageGenerationConfig) -> StaticShape:
        """The shape that a generation with these settings has."""
        return cls(settings.num_images_per_prompt, *settings.size, settings.max_sequence_length)


@dataclass(frozen=True)
class Hooks:
    """Functions of the caller's that are called during a generation.

    Attributes:
        callback: called as (step, num_steps, packed latents) after every step; True stops.
        progress: called as (transformer runs done, runs in all), for display only.
        recorder: called as (step, output) with every output of the transformer, a view.
        stop: asked after every step whether to end there.
    """

    callback: StepCallback | None = None
    progress: Progress | None = None
    recorder: Recorder | None = None
    stop: Callable[[], bool] | None = None

    def validate(self) -> None:
        """Raise TypeError for what cannot be called."""
        for name, function in vars(self).items():
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be callable, got {function!r}")


@dataclass(frozen=True)
class Job:
    """One generation, decided and checked: what a backend carries out.

    Attributes:
        prompt, prompt_2: for the CLIP and for the T5 encoder.
        settings: with the size known.
        sigmas: float32 (n + 1,), of the n steps that are taken.
        cache: what decides which steps run the transformer, and what the others use.
        cache_name: what the report calls it.
        hooks: the caller's functions.
        initial: the picture that is drawn anew, None for text to image.
    """

    prompt: str
    prompt_2: str
    settings: ImageGenerationConfig
    sigmas: NDArray[np.float32]
    cache: CachePlan | CachePolicy
    cache_name: str
    hooks: Hooks
    initial: InitialImage | None = None

    @property
    def num_steps(self) -> int:
        """Steps that are taken: fewer than `num_inference_steps` if the strength is below 1."""
        return len(self.sigmas) - 1

    def expected_runs(self, mask: Sequence[bool]) -> int:
        """Transformer runs this takes, given the steps so far: exact if a plan decides.

        A policy is expected to go on with the share of runs that it had in its latest steps after
        the first three, which always run; before there are any, with one half.
        """
        if isinstance(self.cache, CachePlan):
            return self.cache.transformer_runs
        latest = mask[3:][-8:]
        left = self.num_steps - len(mask)
        return sum(mask) + round(left * (sum(latest) + 2) / (len(latest) + 4))


@dataclass(frozen=True)
class Generated:
    """What a backend hands back.

    Attributes:
        pictures: uint8 (N, height, width, 3).
        text_encoding_s, image_encoding_s, vae_s: seconds; `vae_s` is the decoding.
        step_s: seconds of each step taken.
        mask: for each step taken, whether it ran the transformer.
        forecast_errors, rescued_steps: `errors` and `rescued` of `policy.StandIn`.
        interrupted: whether the callback stopped it before the last step.
        load_s: seconds spent on loading models in between, in none of the other times.
    """

    pictures: NDArray[np.uint8]
    text_encoding_s: float
    step_s: tuple[float, ...]
    vae_s: float
    mask: tuple[bool, ...]
    forecast_errors: dict[int, float] = field(default_factory=dict)
    rescued_steps: tuple[int, ...] = ()
    interrupted: bool = False
    load_s: float = 0.0
    image_encoding_s: float = 0.0
