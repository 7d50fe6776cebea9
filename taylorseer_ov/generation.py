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
        height, width: of the picture in pixels, multiples of 16.
        num_inference_steps: denoising steps.
        num_images_per_prompt: pictures drawn at once, from different noise.
        max_sequence_length: tokens of text that the T5 encoder reads, at most 512.
        rng_seed: seed of the initial noise; equal seeds give equal pictures.
        generator: draws the noise instead of `rng_seed`, and keeps its state between calls.
        cache: a preset ("high", "balanced", "fast"), the path of a saved plan, a
            `TaylorSeerCacheConfig` (ours or openvino_genai's), a `CachePlan`, an `ErrorControl` or
            another policy, or None for no caching. `taylorseer_config` is another name for it.
    """

    prompt_2: str | None = None
    guidance_scale: float = 3.5
    height: int = 1024
    width: int = 1024
    num_inference_steps: int = 28
    num_images_per_prompt: int = 1
    max_sequence_length: int = 512
    rng_seed: int = 42
    generator: NoiseGenerator | None = None
    cache: TaylorSeerCacheConfig | CachePlan | CachePolicy | str | None = None

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
                raise ValueError(f"{name} is not used by Flux text to image; leave it out")
        if settings.pop("strength", 1.0) != 1.0:
            raise ValueError("strength must be 1.0 for text to image; leave it out")
        if settings.pop("adapters", None) is not None:
            raise ValueError(
                "adapters (LoRA) are not supported yet; fuse them into the model before export"
            )
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
            ("height", 16, None),
            ("width", 16, None),
            ("num_inference_steps", 1, None),
            ("num_images_per_prompt", 1, None),
            ("max_sequence_length", 1, MAX_TEXT_LENGTH),
            ("rng_seed", 0, MAX_SEED),
        ):
            setattr(self, name, whole_number(name, getattr(self, name), minimum, maximum))
        for name in ("height", "width"):
            size = getattr(self, name)
            if size % 16:
                raise ValueError(
                    f"{name} must be a multiple of 16, got {size}; "
                    f"{max(16, round(size / 16) * 16)} is the nearest"
                )
        guidance = self.guidance_scale
        if isinstance(guidance, bool) or not isinstance(guidance, int | float):
            raise TypeError(f"guidance_scale must be a number, got {guidance!r}")
        if not (math.isfinite(guidance) and guidance >= 0):
            raise ValueError(f"guidance_scale must be finite and not negative, got {guidance}")
        if self.prompt_2 is not None:
            text("prompt_2", self.prompt_2)
        if self.generator is not None and not hasattr(self.generator, "randn_tensor"):
            raise TypeError(
                f"generator must have a randn_tensor(shape) method, got {self.generator!r}"
            )
        self.cache = as_cache(self.cache)


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
        return cls(
            settings.num_images_per_prompt,
            settings.height,
            settings.width,
            settings.max_sequence_length,
        )


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
        sigmas: float32 (n + 1,).
        cache: what decides which steps run the transformer, and what the others use.
        cache_name: what the report calls it.
        hooks: the caller's functions.
    """

    prompt: str
    prompt_2: str
    settings: ImageGenerationConfig
    sigmas: NDArray[np.float32]
    cache: CachePlan | CachePolicy
    cache_name: str
    hooks: Hooks

    def expected_runs(self, mask: Sequence[bool]) -> int:
        """Transformer runs this takes, given the steps so far: exact if a plan decides.

        A policy is expected to go on with the share of runs that it had in its latest steps after
        the first three, which always run; before there are any, with one half.
        """
        if isinstance(self.cache, CachePlan):
            return self.cache.transformer_runs
        latest = mask[3:][-8:]
        left = len(self.sigmas) - 1 - len(mask)
        return sum(mask) + round(left * (sum(latest) + 2) / (len(latest) + 4))


@dataclass(frozen=True)
class Generated:
    """What a backend hands back.

    Attributes:
        pictures: uint8 (N, height, width, 3).
        text_encoding_s, vae_s: seconds.
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
