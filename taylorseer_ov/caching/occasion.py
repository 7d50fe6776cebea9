"""What a generation is like, as far as it matters to what was learned for another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .plan import CachePlan


@dataclass(frozen=True, eq=False)
class Occasion:
    """The generation that a cache is chosen for.

    Attributes:
        sigmas: noise levels of the steps that are taken, shape (n + 1,).
        size: height and width of the picture in pixels, None where they are not known.
        guidance_scale: None where it is not known, or the model takes none.
    """

    sigmas: NDArray[np.floating]
    size: tuple[int, int] | None = None
    guidance_scale: float | None = None

    @property
    def steps(self) -> int:
        """Steps that are taken."""
        return len(self.sigmas) - 1

    def suits(self, sigmas: NDArray[np.floating] | None) -> bool:
        """Whether a plan made for these noise levels, None for any, fits those here."""
        return sigmas is None or (
            sigmas.size == len(self.sigmas)
            and np.allclose(sigmas, self.sigmas, rtol=1e-3, atol=1e-5)
        )

    def require(self, plan: CachePlan) -> None:
        """Check that a plan suits.

        Raises:
            ValueError: if it was made for other steps or noise levels; names both.
        """
        if plan.num_inference_steps != self.steps:
            raise ValueError(
                f"this cache plan is for {plan.num_inference_steps} steps, not for {self.steps}; "
                "build one for these steps"
            )
        if not self.suits(plan.sigmas):
            raise ValueError(
                "this cache plan was made for other sigmas (another size or scheduler): "
                f"{_describe(plan.sigmas)} instead of {_describe(self.sigmas)}; build one for these"
            )


def _describe(sigmas: NDArray[np.floating] | None) -> str:
    return "any" if sigmas is None else f"[{sigmas[0]:.3f}, {sigmas[1]:.3f} ... {sigmas[-2]:.3f}]"
