"""Many pictures, of which some are drawn while others are decoded and kept.

As many denoise at once as the pipeline has streams, and one more is encoded or decoded beside them.
So with one stream too, the models that would wait for each other do not. It makes no difference to
a picture what is drawn beside it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from typing import Any, ClassVar

from ..generation.job import Choice, Job
from ..generation.settings import GenerationSettings
from ..newer_typing import Unpack
from ..pictures.result import GenerationResult
from ..warning import Warned, collected_warnings, warn
from .base import FluxPipeline
from .in_order import InOrder

CHOICE = Choice("python", "pictures are decoded while others are drawn")
ADVICE = "the results of generate_many are to end, or to be closed, before anything else"
OF_ONE_PICTURE = ("callback", "progress", "recorder")
Drawn = Future[GenerationResult]


def _never() -> bool:
    return False


class ManyPipeline(FluxPipeline):
    """A pipeline that draws many pictures, several at once."""

    _given: ClassVar[tuple[str, ...]] = ()  # the pictures that `generate` takes after the prompt
    _sizes: Mapping[int, tuple[int, int]] = {}  # by thread that draws

    def generate_many(
        self,
        requests: Iterable[str | Mapping[str, Any]],
        *,
        stop: Callable[[], bool] | None = None,
        **settings: Unpack[GenerationSettings],
    ) -> Generator[GenerationResult, None, None]:
        """Draw for one prompt after the other what `generate` would, in less time.

        As many pictures are denoised at once as the pipeline has `streams`; with one stream too,
        one is decoded while the next is denoised. With `low_memory`, `adapters` or
        `backend="native"` they are drawn one by one, each when it is asked for.

        Args:
            requests: prompts, or dictionaries with all that `generate` takes: `prompt`, `image` and
                `mask_image` where it takes these, settings, and perhaps `callback`, `progress`,
                `recorder` or `stop` for this picture alone, which are called in the thread that
                draws it. Read as results are asked for, twice `streams` ahead of them.
            stop: asked after every step, from any thread. When it says so, the pictures under way
                are decoded as far as they got, and no other is begun.
            settings: fields of `ImageGenerationConfig` for all of them, where a dictionary does not
                say otherwise. Without seeds in `requests`, all are drawn from the same one.

        Returns:
            An iterator over the results, in the order of the requests; each is, to the last bit,
            what `generate` returns here. Where one cannot be drawn, it raises in that one's place
            what `generate` would, and is at its end. It draws ahead between two results, and
            meanwhile the pipeline does nothing else; closed, left or collected, it ends the
            pictures under way after their step, and their threads.

        Raises:
            TypeError, ValueError: for settings that are unknown or out of range, and a generator:
                it would draw the noise of several pictures at once.
        """
        if isinstance(requests, str | Mapping) or not isinstance(requests, Iterable):
            raise TypeError(
                "generate_many takes several prompts or dictionaries, such as a list of them, got "
                f"{requests!r:.80}; generate takes one"
            )
        for name in OF_ONE_PICTURE:
            if name in settings:
                raise TypeError(
                    f"{name} does not tell which of the pictures it is called for; give it in the "
                    f"dictionary of one: {{'prompt': ..., {name!r}: ...}}"
                )
        if stop is not None and not callable(stop):
            raise TypeError(f"stop must be callable, got {stop!r}")
        _check_generator(self._updated(settings).generator)
        return self._many(requests, stop or _never, settings)

    def _many(
        self,
        requests: Iterable[str | Mapping[str, Any]],
        stop: Callable[[], bool],
        settings: Mapping[str, Any],
    ) -> Generator[GenerationResult, None, None]:
        jobs = self._jobs(requests, stop, settings)
        with closing(self.draw_many(jobs, stop)) as drawn:
            for future in drawn:
                yield future.result()

    def _jobs(
        self,
        requests: Iterable[str | Mapping[str, Any]],
        stop: Callable[[], bool],
        settings: Mapping[str, Any],
    ) -> Iterator[Job | Exception]:
        """Prepare one request after the other, up to the first that cannot be drawn."""
        try:
            for request in requests:
                yield _ended_by(self._job(request, settings), stop)
        except Exception as error:  # raised in its place, after what comes before
            yield error

    def _job(self, request: Any, settings: Mapping[str, Any]) -> Job:
        own = {"prompt": request} if isinstance(request, str) else request
        if not isinstance(own, Mapping):
            raise TypeError(f"a request must be a prompt or a dictionary, got {request!r:.80}")
        asked = {**settings, **own}
        names = ("prompt", *self._given)
        for name in names:
            if name not in asked:
                raise TypeError(f"a request must have {' and '.join(names)}; {name!r} is missing")
        job = self.prepare(*[asked.pop(name) for name in names], **asked)
        _check_generator(job.settings.generator)
        return job

    def draw_many(
        self, jobs: Iterable[Job | Exception], stop: Callable[[], bool] = _never
    ) -> Generator[Drawn, None, None]:
        """Draw what was prepared as `generate_many` does, and yield all that becomes of it.

        Args:
            jobs: what `prepare` returned; an error is that of a job that could not be prepared.
            stop: asked before each picture whether to begin none any more.

        Yields:
            In their order, what is done: a result, or the error that one ended with.
        """
        with self._alone.until(ADVICE):
            if self._backends.one_by_one:
                draw = self._one_by_one(jobs, stop)
            else:
                draw = self._beside_each_other(jobs, stop)
            with closing(draw):
                for future in draw:
                    if future.exception() is None:
                        self._latest(future.result())
                    yield future

    def _one_by_one(
        self, jobs: Iterable[Job | Exception], stop: Callable[[], bool]
    ) -> Generator[Drawn, None, None]:
        for job in self._taken(jobs):
            if stop():
                return
            future = Drawn()
            try:
                future.set_result(self._draw(_or_raise(job)))
            except Exception as error:
                future.set_exception(error)
            yield future

    def _beside_each_other(
        self, jobs: Iterable[Job | Exception], stop: Callable[[], bool]
    ) -> Generator[Drawn, None, None]:
        streams = self._backends.setup.memory.streams
        sizes: dict[int, tuple[int, int]] = {}
        self._sizes = sizes
        told: deque[list[Warned]] = deque()

        def draw(item: tuple[Job | Exception, list[Warned]]) -> GenerationResult:
            job, warned = _or_raise(item[0]), item[1]
            sizes[threading.get_ident()] = job.settings.size
            choice = self._backends.choose(job)
            if choice.backend != CHOICE.backend:  # as it may be, for both draw the same
                choice = CHOICE
            with self._alone.joined(), collected_warnings() as found:
                try:
                    backend = self._backends.load_python()
                    return self._drawn(_ended_by(job, work.over), backend, choice)
                finally:
                    warned.extend(found)

        def items() -> Iterator[tuple[Job | Exception, list[Warned]]]:
            for job in self._loaded(self._taken(jobs)):
                told.append([])
                yield job, told[-1]

        # one more than denoise at once, and while results are used there is something to begin
        work = InOrder(draw, streams + 1, 2 * streams + 1, stop)
        try:
            with closing(work.results(items())) as drawn:
                for future in drawn:
                    for warning in told.popleft():  # in the thread that is to see it
                        warn(*warning)
                    yield future
        finally:
            sizes.clear()  # other threads may be given these numbers

    def _taken(self, jobs: Iterable[Job | Exception]) -> Iterator[Job | Exception]:
        """Take jobs in whichever thread asks for results."""
        iterator = iter(jobs)
        while True:
            with self._alone.joined():
                job = next(iterator, None)
            if job is None:
                return
            yield job

    def _loaded(self, jobs: Iterable[Job | Exception]) -> Iterator[Job | Exception]:
        """Load the models for the first job, in the thread that is to see warnings of it."""
        for job in jobs:
            if isinstance(job, Job):
                try:
                    self._backends.load(CHOICE.backend, job.settings)
                except Exception as error:
                    yield error
                    continue
            yield job

    def _known_size(self) -> tuple[int | None, int | None]:
        return self._sizes.get(threading.get_ident()) or super()._known_size()


def _check_generator(generator: object) -> None:
    if generator is not None:
        raise ValueError(
            "generate_many takes seeds, not a generator, which would draw the noise of several "
            "pictures at once; give rng_seed"
        )


def _or_raise(job: Job | Exception) -> Job:
    if isinstance(job, Exception):
        raise job
    return job


def _ended_by(job: Job, over: Callable[[], bool]) -> Job:
    """Let a job end after its step too when `over` says so."""
    stop = job.hooks.stop

    def ended() -> bool:
        return over() or (stop is not None and stop())

    return replace(job, hooks=replace(job.hooks, stop=ended))
