"""Cache in Optimum Intel's diffusion pipelines, from outside.

    with enable_cache(pipeline, "balanced"):
        image = pipeline("a lighthouse").images[0]
        print(cache_report(pipeline))

A pipeline calls its denoiser, `pipeline.transformer` or `pipeline.unet`, once or several times a
step. Attributes on that one object take the place of its method `forward`, as with diffusers' own
hooks, and of the two methods by which diffusers says which guidance branch is called and that a
generation has ended. Removing them restores it. Nothing else is touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..caching.calibrated_plans import read_plans
from ..caching.decision import Cache, Decision, as_cache, load_plan, resolve_cache
from ..caching.occasion import Occasion
from ..caching.plan import CachePlan
from ..caching.policy import Recorder
from ..caching.presets import PRESETS
from .diffusers_configs import PlanRule, from_diffusers
from .diffusers_schedulers import Timeline
from .folder import OptimumFolder, denoiser_of
from .generation import CachedGeneration
from .report import CacheReport


def enable_cache(pipeline: Any, cache: Any, *, recorder: Recorder | None = None) -> EnabledCache:
    """Cache the denoiser's output in all later generations of an Optimum Intel pipeline.

    Replaces a cache that is already enabled. What does not fit a generation's number of steps or
    noise levels is refused at its first step, before the denoiser runs.

    Args:
        pipeline: an `OVFluxPipeline` or any other diffusion pipeline of `optimum.intel`.
        cache: what `Text2ImagePipeline.generate` takes: a preset, the path of a saved plan, a
            `TaylorSeerCacheConfig`, a `CachePlan`, an `ErrorControl` or another policy, or None to
            run every step; or diffusers' `TaylorSeerCacheConfig` and `MagCacheConfig`, with their
            own schedule and meaning (`diffusers_configs.py`).
        recorder: called as `(step, output)` with every output of the denoiser, float32 and not to
            be changed; several outputs are one vector. For each guidance branch in turn.

    Returns:
        A context manager that ends caching when left; `disable_cache` does the same.

    Raises:
        TypeError: if `pipeline` or `cache` is something else.
        ValueError: for an unknown preset, a damaged file, or a diffusers configuration that needs
            more than the whole output.
    """
    folder = OptimumFolder.of(pipeline)
    accepted = _accept(cache, folder)
    disable_cache(pipeline)
    return EnabledCache(pipeline, accepted, folder, recorder)


def disable_cache(pipeline: Any) -> None:
    """Restore the denoiser of a pipeline; nothing happens if no cache is enabled."""
    enabled = _enabled(pipeline)
    if enabled is not None:
        enabled.disable()


def cache_report(pipeline: Any) -> CacheReport:
    """Return what caching did in the last generation, or has done so far in this one.

    Raises:
        RuntimeError: if no cache is enabled, or nothing was generated since it was.
    """
    enabled = _enabled(pipeline)
    if enabled is None:
        raise RuntimeError(
            "no cache is enabled in this pipeline: read the report before disabling it, or "
            "afterwards from `report` of what enable_cache returned"
        )
    return enabled.report


class EnabledCache:
    """A cache at work in a pipeline, until `disable` or the end of a `with` statement."""

    def __init__(
        self,
        pipeline: Any,
        cache: Cache | PlanRule,
        folder: OptimumFolder,
        recorder: Recorder | None,
    ) -> None:
        self._pipeline, self._part = pipeline, denoiser_of(pipeline)[0]
        self._cache, self._folder, self._recorder = cache, folder, recorder
        self._original = self._part.forward
        self._context: str | None = None
        self._generation: CachedGeneration | None = None
        self._replacements = {
            "forward": self._forward,
            "cache_context": self._cache_context,
            "_reset_stateful_cache": self._reset,
        }
        present = vars(self._part)
        self._replaced = {name: present[name] for name in self._replacements if name in present}
        for name, replacement in self._replacements.items():
            setattr(self._part, name, replacement)

    @property
    def report(self) -> CacheReport:
        """What caching did in the last generation, or has done so far in this one.

        Raises:
            RuntimeError: if nothing was generated yet.
        """
        if self._generation is None:
            raise RuntimeError("nothing was generated since the cache was enabled")
        return self._generation.report()

    def disable(self) -> None:
        """Restore the denoiser; a second time does nothing."""
        if vars(self._part).get("forward") != self._forward:
            return
        self._reset()
        for name in self._replacements:
            delattr(self._part, name)
        for name, value in self._replaced.items():
            setattr(self._part, name, value)

    def __enter__(self) -> EnabledCache:
        return self

    def __exit__(self, *exception: object) -> None:
        self.disable()

    # --- in place of the denoiser's methods ---

    def _forward(self, *args: Any, **kwargs: Any) -> Any:
        generation = self._generation
        if generation is None or generation.timesteps is not self._pipeline.scheduler.timesteps:
            self._reset()  # the last one may have been interrupted
            self._generation = None  # and this one may be refused
            generation = self._generation = self._begin()
        if generation is None or generation.ended:
            return self._original(*args, **kwargs)
        try:
            return generation(self._context, *args, **kwargs)
        except BaseException:
            generation.end()
            raise

    def _begin(self) -> CachedGeneration | None:
        timeline = Timeline.of(self._pipeline)
        if timeline is None:
            return None
        return CachedGeneration(
            self._pipeline,
            self._original,
            timeline,
            self._decide(timeline),
            _left_out(self._cache, timeline),
            self._recorder,
        )

    def _decide(self, timeline: Timeline) -> Decision:
        if isinstance(self._cache, PlanRule):
            return Decision(self._cache.plan(timeline.steps), str(self._cache))
        return resolve_cache(
            self._cache,
            Occasion(timeline.sigmas),
            self._folder,
            no_corrector=timeline.no_corrector,
        )

    @contextmanager
    def _cache_context(self, name: str) -> Iterator[None]:
        outer, self._context = self._context, name
        try:
            yield
        finally:
            self._context = outer

    def _reset(self, recurse: bool = True) -> None:
        """What diffusers calls when a pipeline's call has ended."""
        if self._generation is not None:
            self._generation.end()


def _enabled(pipeline: Any) -> EnabledCache | None:
    forward = vars(denoiser_of(pipeline)[0]).get("forward")
    owner = getattr(forward, "__self__", None)
    return owner if isinstance(owner, EnabledCache) else None


def _accept(cache: Any, folder: OptimumFolder) -> Cache | PlanRule:
    """Check what can be checked before the number of steps is known."""
    rule = from_diffusers(cache)
    if rule is not None:
        return rule
    accepted = as_cache(cache)
    if isinstance(accepted, str):
        if accepted not in PRESETS:
            return load_plan(accepted)
        read_plans(folder)
    return accepted


def _left_out(cache: Cache | PlanRule, timeline: Timeline) -> tuple[str, ...]:
    """What was asked for and the scheduler does not allow."""
    if cache is None or isinstance(cache, CachePlan | PlanRule):
        return ()
    reasons = []
    # presets and policies correct and measure in sigma
    if timeline.no_corrector and getattr(cache, "corrector", True):
        reasons.append(f"the corrector, since {timeline.no_corrector}")
    if timeline.no_sigmas and getattr(cache, "abscissa", "sigma") == "sigma":
        reasons.append(f"forecasts in sigma, since {timeline.no_sigmas}")
    return tuple(reasons)
