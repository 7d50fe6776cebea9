"""What is asked of a pipeline, checked before any work is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..caching.plan import CachePlan
from ..caching.policy import CachePolicy, Recorder
from ..flux.embedding_cache import default_folder
from ..flux.initial_image import InitialImage
from .environment import Environment
from .settings import ImageGenerationConfig

StepCallback = Callable[[int, int, NDArray[np.float32]], bool | None]
Progress = Callable[[int, int], None]


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


class Preparing(Protocol):
    """What decides jobs and knows what would draw them, as the pipelines do."""

    def prepare(self, prompt: str, *pictures: Any, **settings: Any) -> Job:
        """Check what is asked, raising and warning as drawing it would."""

    def environment(self, job: Job) -> Environment:
        """Return what would draw a job."""


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


class Stopwatch:
    """Measure laps of time, without the loading of models that fell into them."""

    def __init__(self, load_s: Callable[[], float]) -> None:
        self._load_s = load_s
        self._last_s = time.perf_counter() - load_s()

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        now_s = time.perf_counter() - self._load_s()
        lap_s, self._last_s = now_s - self._last_s, now_s
        return lap_s


def memory_options(
    low_memory: bool, vae_tiling: bool, embedding_cache: str | Path | bool | None
) -> MemoryOptions:
    """Check what a pipeline is told about memory."""
    for name, value in (("low_memory", low_memory), ("vae_tiling", vae_tiling)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, got {value!r}")
    if embedding_cache is True:
        embedding_cache = default_folder()
    elif embedding_cache is False:
        embedding_cache = None
    return MemoryOptions(
        low_memory, vae_tiling, None if embedding_cache is None else Path(embedding_cache)
    )
