"""What is asked of a pipeline, checked before any work is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from ..caching.decision import Cache, as_cache
from ..caching.plan_json import MOST_STEPS
from ..caching.presets import PRESETS
from ..checks import known_settings, nearest, number, text, true_or_false, whole_number
from ..flux.generators import MAX_SEED, Generator
from ..flux.noise import NoiseGenerator
from ..model_files import ModelFolderError
from ..native_names import AdapterConfig

MAX_TEXT_LENGTH = 512
MAX_SIDE = 65536  # pixels
MAX_FLOAT32 = float(np.finfo(np.float32).max)
MAX_IMAGES = 256  # drawn at once; more are drawn with other seeds
CACHE_NAMES = {"cache", "taylorseer_config"}  # two names for one setting
UNUSED_BY_FLUX = ("negative_prompt", "negative_prompt_2", "negative_prompt_3", "prompt_3")


def _size(name: str, value: Any) -> int | None:
    if value is None:
        return None
    size = whole_number(name, value, 16, MAX_SIDE)
    if size % 16:
        raise ValueError(
            f"{name} must be a multiple of 16, got {size}; "
            f"{max(16, round(size / 16) * 16)} is the nearest"
        )
    return size


def _guidance_scale(name: str, value: Any) -> float:
    scale = number(name, value)
    if not 0 <= scale <= MAX_FLOAT32:  # the models take it in float32
        raise ValueError(f"{name} must be finite in float32 and not negative, got {scale}")
    return scale


def _strength(name: str, value: Any) -> float:
    strength = number(name, value)
    if not 0 <= strength <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {strength}")
    return strength


def _generator(name: str, value: Any) -> Any:
    if value is None:
        return None
    draws = {"randn_tensor", "next"} & {*dir(value)}
    if isinstance(value, Generator):  # which has both, for a subclass to define
        inherited = {way: getattr(getattr(value, way), "__func__", None) for way in draws}
        draws = {way for way in draws if inherited[way] is not getattr(Generator, way)}
    if not draws or isinstance(value, type):
        raise TypeError(
            f"{name} must have a randn_tensor(shape) method or next(), as CppStdGenerator(seed) "
            f"has; got {value!r}"
        )
    return value


def _adapters(name: str, value: Any) -> Any:
    check_adapters(value)
    return value


# what makes of a given value the one that is kept, or raises
CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "prompt_2": lambda name, value: None if value is None else text(name, value),
    "guidance_scale": _guidance_scale,
    "height": _size,
    "width": _size,
    "num_inference_steps": lambda name, value: whole_number(name, value, 1, MOST_STEPS),
    "num_images_per_prompt": lambda name, value: whole_number(name, value, 1, MAX_IMAGES),
    "max_sequence_length": lambda name, value: whole_number(name, value, 1, MAX_TEXT_LENGTH),
    "strength": _strength,
    "keep_unmasked": true_or_false,
    "rng_seed": lambda name, value: whole_number(name, value, 0, MAX_SEED),
    "generator": _generator,
    "cache": lambda name, value: as_cache(value),
    "adapters": _adapters,
}


@dataclass
class ImageGenerationConfig:
    """Settings of one generation, with the names and defaults of OpenVINO GenAI for Flux.

    A task's own defaults are what its pipeline's `get_generation_config` returns, as with native's:
    that of `Text2ImagePipeline` caches, a configuration made anew does not.

    Attributes:
        prompt_2: text for the T5 encoder; the prompt itself if None.
        guidance_scale: guidance embedded by dev-like models; schnell-like ones ignore it.
        height, width: of the picture in pixels, multiples of 16. None where a picture is given
            means its own size, rounded down to such multiples.
        num_inference_steps: denoising steps, at most 1000.
        num_images_per_prompt: pictures drawn at once, from different noise, at most 256.
        max_sequence_length: tokens of text that the T5 encoder reads, at most 512.
        strength: how much of a given picture is drawn anew: 1 starts from noise alone, less skips
            the first steps. Always 1 for text to image.
        keep_unmasked: whether inpainting gives back the pixels outside the mask as they were, and
            what is drawn fades in inside its edge (`flux.overlay`). False: all pixels as they were
            decoded, which differ outside too, as in openvino_genai.
        rng_seed: seed of the initial noise; equal seeds give equal pictures.
        generator: draws the noise instead of `rng_seed`, and keeps its state between calls.
        cache: a preset ("high", "balanced", "fast"), the path of a saved plan, a
            `TaylorSeerCacheConfig` (ours or openvino_genai's), a `CachePlan`, an `ErrorControl` or
            another policy, or None for no caching; `limit_forecasts` bounds what they forecast in a
            row. `taylorseer_config` is native's name for it.
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
    keep_unmasked: bool = True
    rng_seed: int = 42
    generator: NoiseGenerator | None = None
    cache: Cache = None
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
    def taylorseer_config(self, config: Any) -> None:
        self.cache = config

    @property
    def negative_prompt(self) -> None:
        """Native's; Flux does not use it, nor the next three, and refuses a text."""

    negative_prompt_2 = negative_prompt_3 = prompt_3 = negative_prompt

    def __setattr__(self, name: str, value: Any) -> None:
        if name in UNUSED_BY_FLUX:
            if not (value is None or (isinstance(value, str) and value == "")):
                raise ValueError(f"{name} is not used by Flux; leave it out")
            return
        if name == "taylorseer_config":  # a property, which sets `cache`
            object.__setattr__(self, name, value)
            return
        if name not in CHECKS:
            raise AttributeError(
                f"an ImageGenerationConfig has no {name!r}{nearest(name, CHECKS)} "
                f"Its fields are {', '.join(CHECKS)}"
            )
        object.__setattr__(self, name, CHECKS[name](name, value))

    def updated(self, settings: Mapping[str, Any]) -> ImageGenerationConfig:
        """Return a copy with some settings replaced.

        Raises:
            TypeError: for an unknown name (a near one is suggested) or a value of the wrong kind.
            ValueError: for a value out of range.
        """
        if settings.keys() >= CACHE_NAMES:
            raise TypeError("cache and taylorseer_config are two names for one setting")
        accepted = (*CHECKS, *UNUSED_BY_FLUX, "taylorseer_config")
        known_settings(settings, accepted, told=sorted({*CHECKS, "callback"}))
        changed = dataclasses.replace(self)
        for name, value in settings.items():
            setattr(changed, name, value)
        return changed

    def update_generation_config(self, /, **settings: Any) -> None:
        """Replace some settings.

        Raises:
            TypeError, ValueError: as `updated` does. Then nothing is replaced.
        """
        vars(self).update(vars(self.updated(settings)))

    def validate(self) -> None:
        """Check all values, as native's `validate` does; here each was when it was set.

        Raises:
            TypeError, ValueError: naming the setting, its value and what is allowed.
        """
        for name, value in vars(self).items():
            CHECKS[name](name, value)


class GenerationSettings(TypedDict, total=False):
    """The settings of one call, for editors and type checkers: see `ImageGenerationConfig`.

    `taylorseer_config` is native's name for `cache`, and takes openvino_genai's configuration too.
    """

    prompt_2: str | None
    guidance_scale: float
    height: int | None
    width: int | None
    num_inference_steps: int
    num_images_per_prompt: int
    max_sequence_length: int
    strength: float
    keep_unmasked: bool
    rng_seed: int
    generator: NoiseGenerator | None
    cache: Cache
    adapters: Any
    taylorseer_config: Any


def check_adapters(adapters: Any) -> None:
    """Check that LoRA adapters are what openvino_genai takes.

    Raises:
        TypeError: if they are something else, such as the path of a file.
    """
    if adapters is not None and not isinstance(adapters, AdapterConfig):
        raise TypeError(f"adapters must be an openvino_genai.AdapterConfig, got {adapters!r}")


def is_default_cache(
    settings: ImageGenerationConfig, given: Mapping[str, Any], usual: ImageGenerationConfig
) -> bool:
    """Whether nobody asked for what is cached: it is the task's usual, and the call gave none."""
    return settings.cache == usual.cache and not CACHE_NAMES & given.keys()


def model_defaults(
    path: Path,
    values: Mapping[str, Any],
    usual: ImageGenerationConfig = ImageGenerationConfig(),  # noqa: B008  (copied, not changed)
) -> ImageGenerationConfig:
    """Return the settings that a model's `generation_config.json` makes of the usual ones.

    Args:
        path: the model's folder.
        values: what the file says.

    Raises:
        ModelFolderError: if a value is not allowed. It may name a preset but no file with a cache
            plan: nothing in a model's folder leads outside it.
    """
    try:
        settings = usual.updated(values)
        if isinstance(settings.cache, str) and settings.cache not in PRESETS:
            raise ValueError(f"cache must be one of {', '.join(PRESETS)}, got {settings.cache!r}")
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ModelFolderError(f"{path / 'generation_config.json'}: {error}") from error
    return settings
