"""A generation in parts that can wait on disk, so that each model is loaded once for many.

`GenerationStages` goes with `low_memory`: all prompts are encoded by one text encoder, then by the
other, then all latents are denoised, then all are decoded. What a stage makes is a dictionary of
arrays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..batch.folder import Arrays
from ..generation.job import Generated, Job, Stopwatch
from .python_backend import Conditioning, PythonBackend

if TYPE_CHECKING:
    from ..pictures.result import GenerationResult
    from .tasks import Text2ImagePipeline


class GenerationStages:
    """The stages of a pipeline's generations, on the Python backend."""

    def __init__(self, pipeline: Text2ImagePipeline) -> None:
        self._pipeline = pipeline

    def make(self, stage: str, job: Job, made: Mapping[str, Arrays]) -> Arrays:
        """Carry out a stage of a job with what the stages that it needs have made."""
        backend = self._pipeline.backends.load_python()
        stopwatch = Stopwatch(lambda: backend.load_s)
        if stage == "pooled":
            return {"pooled": backend.encode_pooled(job), "seconds": np.array(stopwatch.lap())}
        if stage == "text":
            return {"text": backend.encode_text(job), "seconds": np.array(stopwatch.lap())}
        return self._denoise(backend, job, made["pooled"], made["text"])

    def _denoise(self, backend: PythonBackend, job: Job, pooled: Arrays, text: Arrays) -> Arrays:
        stopwatch = Stopwatch(lambda: backend.load_s)
        conditioning = Conditioning(text=text["text"], pooled=pooled["pooled"])
        account = vars(backend.denoise(job, conditioning)).copy()
        latents = account.pop("latents")
        encoding_s = float(pooled["seconds"] + text["seconds"])
        times = {"text_encoding_s": encoding_s, "total_s": encoding_s + stopwatch.lap()}
        return {"latents": latents, "account": np.array(json.dumps(account | times))}

    def finish(self, job: Job, denoised: Arrays) -> GenerationResult:
        """Decode the latents of a job, and describe the whole of it."""
        backend = self._pipeline.backends.load_python()
        stopwatch = Stopwatch(lambda: backend.load_s)
        settings = job.settings
        pictures = backend.decode(denoised["latents"], *settings.size)
        vae_s = stopwatch.lap()
        account = json.loads(str(denoised["account"]))
        total_s = account.pop("total_s") + vae_s
        for name, value in account.items():
            if isinstance(value, list):
                account[name] = tuple(value)
        errors = account.pop("forecast_errors")
        drawn = Generated(
            pictures=pictures,
            vae_s=vae_s,
            forecast_errors={int(step): error for step, error in errors.items()},
            **account,
        )
        reason = "each model is loaded once for all pictures of a batch"
        return self._pipeline.result(job, drawn, "python", reason, total_s)
