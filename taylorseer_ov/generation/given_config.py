"""A configuration that is given whole: ours, or openvino_genai's where a program uses both."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .settings import CHECKS, UNUSED_BY_FLUX, ImageGenerationConfig


class NativeGenerationConfig(Protocol):
    """An `openvino_genai.ImageGenerationConfig`, as far as type checkers need to know one.

    What it has not been told is -1: sizes and `max_sequence_length`.
    """

    @property
    def num_inference_steps(self) -> int:
        """Denoising steps."""

    @property
    def max_sequence_length(self) -> int:
        """Tokens of text that the T5 encoder reads."""

    @property
    def guidance_scale(self) -> float:
        """Guidance embedded by dev-like models."""

    @property
    def taylorseer_config(self) -> Any:
        """An `openvino_genai.TaylorSeerCacheConfig`, or None."""


def whole_config(config: Any, own: ImageGenerationConfig) -> ImageGenerationConfig:
    """Return a checked copy of a configuration, ours or openvino_genai's.

    Args:
        own: the pipeline's, which has what openvino_genai's was not told or does not know.

    Raises:
        TypeError: if it is something else, or holds a value of the wrong kind.
        ValueError: for a value out of range.
    """
    if isinstance(config, ImageGenerationConfig):
        return config.updated({})
    kind = type(config)
    if kind.__module__.startswith("openvino_genai") and kind.__name__ == "ImageGenerationConfig":
        return own.updated(_told(config))
    given = " ".join(f"{config!r:.80}".split())
    raise TypeError(
        f"a generation_config must be an ImageGenerationConfig, got {given}; give single settings "
        "by name, such as width=256, a dictionary of them as **settings, and pictures to "
        "Image2ImagePipeline or InpaintingPipeline"
    )


def _told(config: Any) -> dict[str, Any]:
    """The settings of openvino_genai's configuration, without sizes and lengths of -1."""
    names = [
        name for name in (*CHECKS, *UNUSED_BY_FLUX, "taylorseer_config") if hasattr(config, name)
    ]
    values = {name: getattr(config, name) for name in names}
    for name in ("height", "width", "max_sequence_length"):
        if values[name] == -1:
            del values[name]
    for name in ("guidance_scale", "strength"):
        # in single precision there: 0.6 was said, not 0.6000000238
        values[name] = float(str(np.float32(values[name])))
    return values
