"""A generation in parts that can wait on disk, so that each model is loaded once for many.

`GenerationStages` goes with `low_memory`: all prompts are encoded by one text encoder, then by the
other, then all latents are denoised, then all are decoded. What a stage makes is a dictionary of
arrays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Arrays
from ..generation.job import Choice, Denoised, Generated, Job
from .encoding import Conditioning
from .python_backend import PythonBackend

if TYPE_CHECKING:
    from ..pictures.result import GenerationResult
    from .tasks import Text2ImagePipeline

CHOICE = Choice("python", "each model is loaded once for all pictures of a batch")


class GenerationStages:
    """The stages of a pipeline's generations, on the Python backend."""

    def __init__(self, pipeline: Text2ImagePipeline) -> None:
        self._pipeline = pipeline

    def make(self, stage: str, job: Job, made: Mapping[str, Arrays]) -> Arrays:
        """Carry out a stage of a job with what the stages that it needs have made."""
        backend = self._pipeline.backends.load_python()
        stopwatch = backend.stopwatch()
        if stage == "pooled":
            return {"pooled": backend.encode.pooled(job), "seconds": np.array(stopwatch.lap())}
        if stage == "text":
            return {"text": backend.encode.text(job), "seconds": np.array(stopwatch.lap())}
        return self._denoise(backend, job, made["pooled"], made["text"])

    def _denoise(self, backend: PythonBackend, job: Job, pooled: Arrays, text: Arrays) -> Arrays:
        stopwatch = backend.stopwatch()
        conditioning = Conditioning(text=text["text"], pooled=pooled["pooled"])
        latents, denoised = backend.denoise(job, conditioning)
        encoder_s = float(pooled["seconds"]), float(text["seconds"])
        times = {"text_encoder_s": encoder_s, "total_s": sum(encoder_s) + stopwatch.lap()}
        return {"latents": latents, "account": np.array(json.dumps(denoised.to_dict() | times))}

    def finish(self, job: Job, made: Arrays) -> GenerationResult:
        """Decode the latents of a job, and describe the whole of it."""
        backend = self._pipeline.backends.load_python()
        stopwatch = backend.stopwatch()
        pictures = backend.decode(made["latents"], *job.settings.size)
        vae_s = stopwatch.lap()
        account = json.loads(str(made["account"]))
        drawn = Generated(
            pictures=pictures,
            denoised=Denoised.from_dict(account),
            text_encoder_s=_text_encoder_s(account),
            vae_s=vae_s,
        )
        return self._pipeline.result(job, drawn, CHOICE, account["total_s"] + vae_s)


def _text_encoder_s(account: dict[str, Any]) -> tuple[float, float]:
    """Seconds of CLIP and of T5; earlier versions kept the sum, nearly all of which is T5's."""
    clip_s, t5_s = account.get("text_encoder_s") or (0.0, account["text_encoding_s"])
    return clip_s, t5_s
