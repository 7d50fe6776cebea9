"""What caching did in a generation of an Optimum Intel pipeline."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from ..caching.account import Account


@dataclass(frozen=True)
class BranchReport:
    """The calls of one guidance branch: with and without the prompt, or both in one batch.

    Attributes:
        name: diffusers' name of it where the pipeline gives one, otherwise its place in a step.
        schedule: by step, `C` for a call that ran the denoiser, `.` for a forecast one, `-` where
            this branch was not called.
        call_s: duration of each call in seconds.
        forecast_errors: by step, the root mean square error of the forecast for a step that ran
            the denoiser; only an `ErrorControl` measures it.
        rescued_steps: steps that ran the denoiser because their forecast was not finite.
        restarted_steps: steps in which shapes had changed, so that nothing kept could be used.
    """

    name: str
    schedule: str
    call_s: tuple[float, ...]
    forecast_errors: dict[int, float]
    rescued_steps: tuple[int, ...]
    restarted_steps: tuple[int, ...]

    def durations(self, letter: str) -> tuple[float, ...]:
        """Durations of the computed (`C`) or the predicted (`.`) calls."""
        kinds = self.schedule.replace("-", "")
        return tuple(s for kind, s in zip(kinds, self.call_s, strict=True) if kind == letter)

    def __str__(self) -> str:
        return f"{self.schedule}  {self.name}: {len(self.durations('C'))} of {len(self.call_s)} ran"


@dataclass(frozen=True)
class CacheReport:
    """A truthful account of one generation, or of what there is of it so far. Times are in seconds.

    Attributes:
        pipeline, scheduler: names of their classes.
        cache: what decided which calls ran the denoiser.
        num_inference_steps: steps intended, after `strength`.
        steps_taken: fewer if it was interrupted, or is going on.
        branches: one for each call that a step makes.
        sigmas: the noise levels that forecasts were made with, one more than steps.
        no_corrector: why outputs of the denoiser were used as they are, None if they could have
            been corrected.
        left_out: what `cache` asked for and this scheduler does not allow, with the reason.
    """

    pipeline: str
    scheduler: str
    cache: str
    num_inference_steps: int
    steps_taken: int
    branches: tuple[BranchReport, ...]
    sigmas: tuple[float, ...]
    no_corrector: str | None
    left_out: tuple[str, ...]

    @property
    def _account(self) -> Account:
        computed, predicted = (
            tuple(s for branch in self.branches for s in branch.durations(letter))
            for letter in "C."
        )
        return Account(computed, predicted)

    @property
    def computed_call_s(self) -> tuple[float, ...]:
        """Durations of the calls that ran the denoiser, branch by branch."""
        return self._account.computed_s

    @property
    def predicted_call_s(self) -> tuple[float, ...]:
        """Durations of the calls that were forecast, branch by branch."""
        return self._account.predicted_s

    @property
    def computed_calls(self) -> int:
        """Number of times the denoiser ran."""
        return len(self.computed_call_s)

    @property
    def predicted_calls(self) -> int:
        """Number of calls that did not run the denoiser."""
        return len(self.predicted_call_s)

    @property
    def ideal_speed_up(self) -> float:
        """Calls per run of the denoiser: the gain if everything but the denoiser were free."""
        return self._account.ideal_speed_up

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and the counts derived from them, ready for JSON."""
        return asdict(self) | self._account.to_dict("calls")

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict())

    def __repr__(self) -> str:
        calls = self.computed_calls + self.predicted_calls
        return (
            f"<CacheReport {self.pipeline}, {self.computed_calls} of {calls} calls computed, "
            f"{self.steps_taken} of {self.num_inference_steps} steps, "
            f"{sum(self.computed_call_s + self.predicted_call_s):.3g} s>"
        )

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.pipeline} with {self.scheduler}, "
                f"{self.steps_taken} of {self.num_inference_steps} steps",
                f"cache: {self.cache}",
                *(f"left out: {reason}" for reason in self.left_out),
                *map(str, self.branches),
                f"{self._account.describe('call')} s",
            ]
        )
