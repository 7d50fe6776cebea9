"""One generation of an Optimum Intel pipeline: its steps, guidance branches and kept outputs.

A step may call the denoiser several times, with the prompt, without it, or with something left out;
each such branch has outputs of its own, and so a cache of its own. Branches are told apart by
diffusers' `cache_context`, where the pipeline sets one, and by their order in the step.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..arrays import Array
from ..caching.cached_velocity import start_cache
from ..caching.decision import Decision
from ..caching.plan import CachePlan
from ..caching.policy import Recorder, StandIn, VelocityFunction
from .diffusers_schedulers import Timeline, position
from .report import BranchReport, CacheReport

Forward = Callable[..., Any]


class CachedGeneration:
    """Stands in for the denoiser's `forward` from the first to the last step of one generation.

    Attributes:
        timesteps: the scheduler's, which no other generation shares.
        ended: whether it is over; it then keeps nothing but its report.
    """

    def __init__(
        self,
        pipeline: Any,
        forward: Forward,
        timeline: Timeline,
        decision: Decision,
        left_out: tuple[str, ...],
        recorder: Recorder | None,
    ) -> None:
        self._pipeline, self._forward, self._timeline = pipeline, forward, timeline
        self._scheduler = pipeline.scheduler
        self._decision, self._left_out, self._recorder = decision, left_out, recorder
        self._branches: dict[tuple[str | None, int], Branch] = {}
        self._step = -1
        self._position: Any = object()  # equal to no other
        self._calls: Counter[str | None] = Counter()
        self._calls_before = 0
        self.timesteps = timeline.timesteps
        self.ended = False

    def __call__(self, context: str | None, *args: Any, **kwargs: Any) -> Any:
        self._find_step(kwargs["timestep"] if "timestep" in kwargs else args[1])
        if self._step == self._timeline.steps:  # more steps than the scheduler has told
            self.end()
            return self._forward(*args, **kwargs)
        key = context, self._calls[context]
        self._calls[context] += 1
        if key not in self._branches:
            self._branches[key] = Branch(*key, self)
        output = self._branches[key](self._step, args, kwargs)
        is_last = self._step == self._timeline.steps - 1
        if is_last and self._calls.total() == self._calls_before:
            self.end()  # before the VAE needs the memory
        return output

    def _find_step(self, timestep: Any) -> None:
        here = position(self._scheduler, timestep)
        if here != self._position:
            self._step += 1
            self._position = here
            self._calls_before = self._calls.total()
            self._calls.clear()

    def start(self, velocity: VelocityFunction, step: int) -> StandIn:
        """Begin to cache at a step, knowing no output of earlier ones."""
        cache = self._decision.cache
        if isinstance(cache, CachePlan):
            cache = cache.after(step)
        return start_cache(cache, velocity, self._timeline.sigmas[step:])

    @property
    def corrects(self) -> bool:
        """Whether steps that run the denoiser may use something else than its output."""
        return self._timeline.no_corrector is None

    def compute(
        self, step: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, Array]:
        """Run the denoiser; return what it returned, and the same as one array."""
        output = self._forward(*args, **kwargs)
        array = _as_array(output)
        if self._recorder is not None:
            self._recorder(step, array)
        return output, array

    def end(self) -> None:
        """Let go of all kept outputs."""
        self.ended = True
        for branch in self._branches.values():
            branch.stop()

    def report(self) -> CacheReport:
        """Account for the steps taken."""
        return CacheReport(
            pipeline=type(self._pipeline).__name__,
            scheduler=type(self._scheduler).__name__,
            cache=self._decision.name,
            num_inference_steps=self._timeline.steps,
            steps_taken=min(self._step + 1, self._timeline.steps),
            branches=tuple(branch.report() for branch in self._branches.values()),
            sigmas=tuple(self._timeline.sigmas.tolist()),
            no_corrector=self._timeline.no_corrector,
            left_out=self._left_out,
        )


class Branch:
    """The calls of one guidance branch, each of them computed or forecast."""

    def __init__(self, context: str | None, order: int, generation: CachedGeneration) -> None:
        self._name = f"{context or 'call'} {order + 1}" if order or not context else context
        self._generation = generation
        self._stand_in: StandIn | None = None
        self._start = 0
        self._shapes: Any = None
        self._computed: tuple[Any, Array] | None = None
        self._form: Form | None = None
        self._schedule = ""
        self._call_s: list[float] = []
        self._errors: dict[int, float] = {}
        self._rescued: list[int] = []
        self._restarted: list[int] = []

    def __call__(self, step: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        begin_s = time.perf_counter()
        shapes = _shapes(args, kwargs)
        missed = step - len(self._schedule)
        if self._stand_in is None or missed or shapes != self._shapes:
            if self._stand_in is not None and shapes != self._shapes:
                self._restarted.append(step)
            self.stop()
            self._stand_in = self._generation.start(self._compute, step)
            self._start, self._shapes = step, shapes
        used = self._stand_in(step, args, kwargs)
        computed, self._computed = self._computed, None
        self._schedule += "-" * missed + ("C" if computed else ".")
        if computed and (used is computed[1] or not self._generation.corrects):
            output = computed[0]
        else:
            assert self._form is not None  # the first call of a stand-in is computed
            output = self._form.build(used)
        self._call_s.append(time.perf_counter() - begin_s)
        return output

    def _compute(self, step: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Array:
        self._computed = self._generation.compute(step, args, kwargs)
        self._form = Form(self._computed[0])
        return self._computed[1]

    def stop(self) -> None:
        """Let go of what is kept; what is known of it goes to the report."""
        if self._stand_in is not None:
            self._errors |= {self._start + i: e for i, e in self._stand_in.errors.items()}
            self._rescued += [self._start + i for i in self._stand_in.rescued]
        self._stand_in = self._computed = None

    def report(self) -> BranchReport:
        """Account for the calls made."""
        going_on = self._stand_in
        errors = {} if going_on is None else going_on.errors
        rescued = [] if going_on is None else going_on.rescued
        return BranchReport(
            name=self._name,
            schedule=self._schedule,
            call_s=tuple(self._call_s),
            forecast_errors=self._errors | {self._start + i: e for i, e in errors.items()},
            rescued_steps=(*self._rescued, *(self._start + i for i in rescued)),
            restarted_steps=tuple(self._restarted),
        )


class Form:
    """The container, shapes and types that a denoiser returns, to give a forecast the same.

    Optimum's denoisers return a dictionary, a `ModelOutput` (a dictionary too) or a tuple.
    """

    def __init__(self, output: Any) -> None:
        tensors = _tensors(output)
        self._container = type(output)
        self._names = list(output) if isinstance(output, Mapping) else None
        self._shapes = [tensor.shape for tensor in tensors]
        # of no size: to know the type and the device without keeping an output
        self._likes = [tensor.new_empty(0) for tensor in tensors]

    def build(self, array: Array) -> Any:
        """Return an output with these values, copied: a pipeline may keep or change it."""
        ends = np.cumsum([math.prod(shape) for shape in self._shapes])
        pieces = np.split(array.reshape(-1), ends[:-1])
        tensors = [
            like.new_tensor(piece).reshape(shape)
            for like, piece, shape in zip(self._likes, pieces, self._shapes, strict=True)
        ]
        if self._names is None:
            return self._container(tensors)
        return self._container(**dict(zip(self._names, tensors, strict=True)))


def _tensors(output: Any) -> list[Any]:
    return list(output.values() if isinstance(output, Mapping) else output)


def _as_array(output: Any) -> Array:
    """Return an output as float32, without copying the usual single float32 tensor."""
    arrays = [tensor.float().numpy() for tensor in _tensors(output)]
    return arrays[0] if len(arrays) == 1 else np.concatenate([a.reshape(-1) for a in arrays])


def _shapes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What of a call must not change while outputs are kept."""
    given = [*enumerate(args), *kwargs.items()]
    shapes = {name: tuple(value.shape) for name, value in given if hasattr(value, "shape")}
    return shapes, kwargs.get("return_dict")
