"""Find the denoiser of an Optimum Intel pipeline, and the folder it was loaded from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..model_files import weights_fingerprint


@dataclass(frozen=True)
class OptimumFolder:
    """The folder that a pipeline was loaded from, beside whose model plans are kept.

    Attributes:
        path: of the pipeline.
        denoiser: `"transformer"` or `"unet"`.
    """

    path: Path
    denoiser: str

    @classmethod
    def of(cls, pipeline: Any) -> OptimumFolder:
        """Find where a pipeline was loaded from."""
        part, name = denoiser_of(pipeline)
        return cls(Path(part.model_save_dir).parent, name)

    def fingerprint(self) -> str:
        """Return what identifies the denoiser's weights."""
        return weights_fingerprint(self.path / self.denoiser)


def denoiser_of(pipeline: Any) -> tuple[Any, str]:
    """Return the part of a pipeline whose outputs are cached, and its name.

    Raises:
        TypeError: if it is no diffusion pipeline of optimum.intel.
    """
    for name in ("transformer", "unet"):
        part = getattr(pipeline, name, None)
        # Z-Image wraps it while it is called
        part = getattr(part, "_ov_transformer", part)
        if hasattr(part, "parent_pipeline"):
            return part, name
    raise TypeError(
        f"{type(pipeline).__name__} is no diffusion pipeline of optimum.intel; "
        "taylorseer_ov.Text2ImagePipeline takes cache= in generate, and torch pipelines have "
        "diffusers' pipeline.transformer.enable_cache"
    )
