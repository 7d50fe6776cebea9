"""One generation: what is to be done, decided beforehand, and what a backend hands back of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Protocol

from ..arrays import Array, Pictures, Tensor
from ..caching.error_control import ErrorControl
from ..caching.plan import CachePlan
from ..caching.policy import CachePolicy
from ..caching.policy import Recorder as Recorder
from ..flux.folder_checks import Task
from ..flux.initial_image import InitialImage
from ..flux.scheduler import Scheduler
from .environment import Environment
from .settings import ImageGenerationConfig

StepCallback = Callable[[int, int, Tensor], bool | None]
"""Called as (step, num_steps, packed latents) after every step, the latents float32 of shape
(N, tokens, 64), an array with an `openvino.Tensor`'s members; returning True stops."""
Progress = Callable[[int, int], None]
"""Called as (transformer runs done, runs in all)."""


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
        """Check that all of them can be called.

        Raises:
            TypeError: naming the one that cannot.
        """
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
        scheduler: what they were made by.
        cache: what decides which steps run the transformer, and what the others use.
        cache_name: what the report calls it.
        hooks: the caller's functions.
        initial: the picture that is drawn anew, None for text to image.
    """

    prompt: str
    prompt_2: str
    settings: ImageGenerationConfig
    sigmas: Array
    scheduler: Scheduler
    cache: CachePlan | CachePolicy
    cache_name: str
    hooks: Hooks
    initial: InitialImage | None = None

    @property
    def task(self) -> Task:
        """What kind of generation it is."""
        if self.initial is None:
            return "text to image"
        return "image to image" if self.initial.mask_image is None else "inpainting"

    @property
    def num_steps(self) -> int:
        """Steps that are taken: fewer than `num_inference_steps` if the strength is below 1."""
        return len(self.sigmas) - 1

    @property
    def keeps_unmasked(self) -> bool:
        """Whether the pixels outside a mask are the given picture's."""
        masked = self.initial is not None and self.initial.mask_image is not None
        return masked and self.settings.keep_unmasked

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

    def idle_reason(self, denoised: Denoised) -> str | None:
        """Say why an error control skipped no step and what would help, None if there is no need.

        Other caches that skip nothing are warned of before the first step.
        """
        if not isinstance(self.cache, ErrorControl):
            return None
        return self.cache.idle_reason(self.sigmas, denoised.mask, denoised.forecast_errors)


class Preparing(Protocol):
    """What decides jobs and knows what would draw them, as the pipelines do."""

    def prepare(self, prompt: str, *pictures: Any, **settings: Any) -> Job:
        """Check what is asked, raising and warning as drawing it would."""

    def environment(self, job: Job) -> Environment:
        """Return what would draw a job."""


class Choice(NamedTuple):
    """Which backend draws, `"native"` or `"python"`, and why."""

    backend: str
    reason: str


@dataclass(frozen=True)
class Denoised:
    """What became of the steps of a generation.

    Attributes:
        step_s: seconds of each step taken.
        mask: for each step taken, whether it ran the transformer.
        forecast_errors, rescued_steps: `errors` and `rescued` of `policy.StandIn`.
        interrupted: whether the caller stopped it before the last step.
        image_encoding_s: seconds that encoding the given picture took, before the first step.
    """

    step_s: tuple[float, ...]
    mask: tuple[bool, ...]
    forecast_errors: dict[int, float] = field(default_factory=dict)
    rescued_steps: tuple[int, ...] = ()
    interrupted: bool = False
    image_encoding_s: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Denoised:
        """Build from what `to_dict` returned, even if it has been JSON since."""
        errors = values["forecast_errors"]
        return cls(
            step_s=tuple(values["step_s"]),
            mask=tuple(values["mask"]),
            forecast_errors={int(step): error for step, error in errors.items()},
            rescued_steps=tuple(values["rescued_steps"]),
            interrupted=values["interrupted"],
            image_encoding_s=values["image_encoding_s"],
        )


@dataclass(frozen=True)
class Generated:
    """What a backend hands back. Times are in seconds.

    Attributes:
        pictures: uint8 (N, height, width, 3).
        denoised: the steps that led to them.
        text_encoder_s: encoding the prompts, by CLIP and by T5.
        vae_s: decoding.
        load_s: loading models in between, in none of the other times.
    """

    pictures: Pictures
    denoised: Denoised
    text_encoder_s: tuple[float, float]
    vae_s: float
    load_s: float = 0.0


class LoadingTime(threading.local):
    """What the thread that asks has spent on loading models."""

    seconds = 0.0


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
