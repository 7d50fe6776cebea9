"""EasyCache and MagCache as cache policies, to compare with: neither is part of the package.

Both decide while drawing whether a step runs the transformer, and go on from the last run if not.
With u the last step that ran, x the latents and v the transformer's output, a step i that does not
run uses

    v[i] = v[u]                       cached "output"
    v[i] = x[i] + (v[u] - x[u])       cached "residual": output - input

They differ in the gate. **EasyCache** assumes that the output changes K times as much as the input,

    K = mean |v[u] - v[p]| / mean |x[u] - x[p]|                 at the last two runs p < u
    E = sum over steps l in (u, i] of  K mean |x[l] - x[l - 1]| / mean |v[u]|

and runs the transformer when E reaches a threshold. **MagCache** knows beforehand, from full runs,
the ratios r of the magnitudes of what is cached, from step to step, and runs it when

    sum over steps l in (u, i] of  |1 - r[u + 1] r[u + 2] ... r[l]|

exceeds a threshold, or too many steps in a row were skipped. It never looks at the latents, so that
its schedule is the same for all prompts.

Sources: `easycache_generate.py` of H-EmbodVis/EasyCache (Zhou et al., arXiv 2507.02860);
`hooks/mag_cache.py` of diffusers and Zehong-Ma/MagCache (Ma et al., arXiv 2506.09045).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from taylorseer_ov.arrays import Array
from taylorseer_ov.caching.policy import VelocityFunction, finite, require_finite

Cached = Literal["output", "residual"]


@dataclass(frozen=True)
class EasyCache:
    """Run the transformer when the latents have moved so far that its output may have changed.

    Attributes:
        threshold: relative change of the output, from mean absolute values, that is let pass. The
            authors use 0.025 to 0.2; zero computes every step.
        first_share: share of the steps, from the first, that always run: 10 of 50 in the original.
            At least two always do, and the last step.
        cached: the original adds the cached output - input to the latents. For a flow-matching
            model, whose output is noise - picture, going on with the output itself is the better
            guess, so both can be had.
    """

    threshold: float = 0.05
    first_share: float = 0.2
    cached: Cached = "residual"

    def __post_init__(self) -> None:
        _check_threshold(self.threshold)
        _check_share("first_share", self.first_share)
        _check_cached(self.cached)

    def start(self, velocity: VelocityFunction, sigmas: NDArray[np.floating]) -> EasyCacheVelocity:
        """Begin a generation with these noise levels, shape (n + 1,)."""
        return EasyCacheVelocity(velocity, self, len(sigmas) - 1)


@dataclass(frozen=True)
class MagCache:
    """Run the transformer when the magnitude of what is cached is known to have changed.

    MagCache caches what all transformer blocks together add to the hidden states. From outside the
    transformer that cannot be seen; what is nearest to it is the output, or output - input, here
    called the residual. Ratios belong to a model, its noise levels and to what is cached:
    `calibrate` takes them from recorded full runs.

    Attributes:
        ratios: by step, the mean over tokens of the magnitude of what is cached relative to the
            step before; the first is 1. Other numbers of steps take the nearest ratio.
        threshold: accumulated relative error of the magnitude that is let pass.
        max_skip_steps: so many steps in a row, at most, do not run the transformer.
        retention_ratio: share of the steps, from the first, that always run.
        cached: what is cached.

    The defaults are those of `MagCacheConfig` in diffusers 0.39.
    """

    ratios: tuple[float, ...]
    threshold: float = 0.06
    max_skip_steps: int = 3
    retention_ratio: float = 0.2
    cached: Cached = "output"

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratios", tuple(float(ratio) for ratio in self.ratios))
        if not self.ratios or not all(math.isfinite(r) and r > 0 for r in self.ratios):
            raise ValueError(f"ratios must be positive and at least one, got {self.ratios}")
        _check_threshold(self.threshold)
        _check_share("retention_ratio", self.retention_ratio)
        _check_cached(self.cached)
        if self.max_skip_steps < 1:
            raise ValueError(f"max_skip_steps must be at least 1, got {self.max_skip_steps}")

    @classmethod
    def calibrate(
        cls, recordings: Sequence[Recording], *, cached: Cached = "output", **settings: Any
    ) -> MagCache:
        """Take the ratios from full runs of one number of steps, averaged over them.

        Raises:
            ValueError: if there are no recordings, or they differ in their number of steps.
        """
        lengths = {len(recording.outputs) for recording in recordings}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"recordings of one number of steps are needed, got {sorted(lengths)}")
        _check_cached(cached)
        by_run = []
        for recording in recordings:
            values = np.stack(recording.outputs).astype(np.float64)
            if cached == "residual":
                values -= np.stack(recording.inputs)
            magnitudes = np.linalg.norm(values, axis=-1).reshape(len(values), -1)
            by_run.append((magnitudes[1:] / (magnitudes[:-1] + 1e-8)).mean(axis=1))
        return cls((1.0, *np.mean(by_run, axis=0).tolist()), cached=cached, **settings)

    def start(self, velocity: VelocityFunction, sigmas: NDArray[np.floating]) -> MagCacheVelocity:
        """Begin a generation with these noise levels, shape (n + 1,)."""
        return MagCacheVelocity(velocity, self, len(sigmas) - 1)


class Recording:
    """Keep the inputs and outputs of a generation in which every step runs the transformer.

    A policy that serves one generation, in which it saves nothing.

    Attributes:
        inputs, outputs: latents and velocities by step, each (N, tokens, channels).
    """

    def __init__(self) -> None:
        self.inputs: list[Array] = []
        self.outputs: list[Array] = []

    def start(self, velocity: VelocityFunction, sigmas: NDArray[np.floating]) -> RecordedVelocity:
        """Begin the generation.

        Raises:
            RuntimeError: if this recording is already in use.
        """
        if self.outputs:
            raise RuntimeError("a recording serves one generation; make a new Recording")
        return RecordedVelocity(velocity, self)


class GatedVelocity(ABC):
    """Stand in for a velocity function: run it, or go on from its last output.

    `mask`, `errors` and `rescued` are those of `policy.StandIn`; nothing is compared, so `errors`
    stays empty.

    Raises:
        NotFiniteError: when the transformer returns values that are not finite.
        RuntimeError: when called more often than there are steps.
    """

    def __init__(self, velocity: VelocityFunction, steps: int, cached: Cached) -> None:
        self._velocity, self._steps, self._what = velocity, steps, cached
        self._cached: Array | None = None
        self.mask: list[bool] = []
        self.errors: dict[int, float] = {}
        self.rescued: list[int] = []

    def __call__(self, latents: Array, sigma: np.floating) -> Array:
        step = len(self.mask)
        if step >= self._steps:
            raise RuntimeError(f"all {self._steps} steps are done; start another generation")
        if not self._must_run(step, latents):
            assert self._cached is not None  # the first step always runs
            used = self._cached + latents if self._what == "residual" else self._cached
            if finite(used):
                self.mask.append(False)
                return used
            self.rescued.append(step)
        # copied: the infer request reuses its output buffer
        output = np.array(require_finite(self._velocity(latents, sigma), step))
        self.mask.append(True)
        self._cached = output - latents if self._what == "residual" else output
        self._learn(latents, output)
        return output

    @abstractmethod
    def _must_run(self, step: int, latents: Array) -> bool:
        """Decide about a step; called once for each."""

    @abstractmethod
    def _learn(self, latents: Array, output: Array) -> None:
        """Take note of a transformer run, with which all counting begins anew."""


class EasyCacheVelocity(GatedVelocity):
    """Stand in for a velocity function during one generation, as `EasyCache` decides."""

    def __init__(self, velocity: VelocityFunction, policy: EasyCache, steps: int) -> None:
        super().__init__(velocity, steps, policy.cached)
        self._threshold = policy.threshold
        self._first = max(2, round(policy.first_share * steps))
        self._change = 0.0
        self._rate = math.inf
        self._previous: Array | None = None
        self._last_run: tuple[Array, Array] | None = None

    def _must_run(self, step: int, latents: Array) -> bool:
        previous, self._previous = self._previous, latents.copy()
        runs = step < self._first or step == self._steps - 1
        if not runs:
            assert previous is not None
            assert self._last_run is not None
            moved = _mean_size(latents - previous) / _mean_size(self._last_run[1])
            self._change += self._rate * moved
            runs = not self._change < self._threshold
        return runs

    def _learn(self, latents: Array, output: Array) -> None:
        if self._last_run is not None:
            moved = _mean_size(latents - self._last_run[0])
            self._rate = _mean_size(output - self._last_run[1]) / moved if moved else math.inf
        self._last_run = latents.copy(), output
        self._change = 0.0


class MagCacheVelocity(GatedVelocity):
    """Stand in for a velocity function during one generation, as `MagCache` decides."""

    def __init__(self, velocity: VelocityFunction, policy: MagCache, steps: int) -> None:
        super().__init__(velocity, steps, policy.cached)
        self._policy = policy
        # as diffusers rounds: half up
        self._first = max(1, int(policy.retention_ratio * steps + 0.5))
        nearest = np.rint(np.linspace(0, len(policy.ratios) - 1, steps)).astype(int)
        self._ratios = [policy.ratios[i] for i in nearest]
        self._magnitude, self._error, self._skipped = 1.0, 0.0, 0

    def _must_run(self, step: int, latents: Array) -> bool:
        if step < self._first:
            return True
        self._magnitude *= self._ratios[step]
        self._error += abs(1 - self._magnitude)
        self._skipped += 1
        policy = self._policy
        return self._error > policy.threshold or self._skipped > policy.max_skip_steps

    def _learn(self, latents: Array, output: Array) -> None:
        self._magnitude, self._error, self._skipped = 1.0, 0.0, 0


class RecordedVelocity:
    """Stand in for a velocity function, keeping all that goes in and comes out."""

    def __init__(self, velocity: VelocityFunction, recording: Recording) -> None:
        self._velocity, self._recording = velocity, recording
        self.mask: list[bool] = []
        self.errors: dict[int, float] = {}
        self.rescued: list[int] = []

    def __call__(self, latents: Array, sigma: np.floating) -> Array:
        output = np.array(require_finite(self._velocity(latents, sigma), len(self.mask)))
        self._recording.inputs.append(latents.copy())
        self._recording.outputs.append(output)
        self.mask.append(True)
        return output


def _mean_size(array: Array) -> float:
    return float(np.mean(np.abs(array), dtype=np.float64))


def _check_threshold(threshold: float) -> None:
    if not threshold >= 0:
        raise ValueError(f"threshold must not be negative, got {threshold}")


def _check_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {share}")


def _check_cached(cached: str) -> None:
    if cached not in get_args(Cached):
        raise ValueError(f"cached must be 'output' or 'residual', got {cached!r}")
