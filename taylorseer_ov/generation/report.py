"""What a generation did: which steps ran the transformer, how long everything took, and where."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..caching.account import Account
from ..caching.plan import CachePlan
from ..caching.schedule import schedule_text
from ..version import installed_version
from .job import Choice, Denoised, Generated, Job
from .setup import Devices


@dataclass(frozen=True)
class GenerationReport:
    """A truthful account of one generation. Times are in seconds and leave loading out.

    Attributes:
        backend, backend_reason: what drew the picture, `"native"` or `"python"`, and why that was
            chosen.
        cache: what decided which steps ran the transformer, `"none"` or a description.
        schedule: `C` for a step that runs the transformer, `.` for a forecast one; a letter for
            each step, those not taken included if a plan was interrupted.
        step_s: seconds of each step taken; fewer than the schedule has if interrupted.
        text_encoder_s: seconds of encoding the prompts, by CLIP and by T5; of the native backend in
            whole milliseconds, as openvino_genai tells them.
        image_encoding_s: seconds of encoding the given picture, 0 for text to image.
        vae_s: seconds of decoding all pictures.
        total_s: seconds of the whole call, all of these and the rest included, `load_s` not; with
            `generate_many` the waiting for models that drew another picture, too.
        load_s: seconds of loading and compiling the models, whenever that happened.
        interrupted: whether the caller ended it before the last step.
        forecast_errors: by step, counted from 0, the root mean square error of the forecast for a
            step that ran the transformer, in the velocity's unit; only an `ErrorControl` measures
            it.
        rescued_steps: steps, counted from 0, that ran the transformer because their forecast was
            not finite.
        seed: of the initial noise, None if a generator of the caller's drew it.
        width, height: of a picture, in pixels.
        num_inference_steps: those asked for; a strength below 1 takes fewer.
        keep_unmasked: whether the pixels outside a mask are the given picture's; False too where
            there was no mask.
        strength, num_images_per_prompt, guidance_scale, max_sequence_length: as in
            `ImageGenerationConfig`.
        devices: of the text encoders, the transformer and the VAE.
        openvino_version, openvino_genai_version: those installed, None where there is none.
    """

    backend: str
    backend_reason: str
    cache: str
    schedule: str
    step_s: tuple[float, ...]
    text_encoder_s: tuple[float, float]
    image_encoding_s: float
    vae_s: float
    total_s: float
    load_s: float
    interrupted: bool
    forecast_errors: dict[int, float]
    rescued_steps: tuple[int, ...]
    seed: int | None
    width: int
    height: int
    num_inference_steps: int
    strength: float
    keep_unmasked: bool
    num_images_per_prompt: int
    guidance_scale: float
    max_sequence_length: int
    devices: tuple[str, str, str]
    openvino_version: str | None
    openvino_genai_version: str | None

    @classmethod
    def of(
        cls,
        job: Job,
        drawn: Generated,
        choice: Choice,
        devices: Devices,
        *,
        total_s: float,
        load_s: float,
    ) -> GenerationReport:
        """Give the account of a job from what a backend has handed back."""
        settings, denoised = job.settings, drawn.denoised
        height, width = settings.size
        return cls(
            backend=choice.backend,
            backend_reason=choice.reason,
            cache=_cache(job, denoised),
            schedule=_schedule(job, denoised.mask),
            forecast_errors=denoised.forecast_errors,
            rescued_steps=denoised.rescued_steps,
            step_s=denoised.step_s,
            text_encoder_s=drawn.text_encoder_s,
            image_encoding_s=denoised.image_encoding_s,
            vae_s=drawn.vae_s,
            total_s=total_s,
            load_s=load_s,
            interrupted=denoised.interrupted,
            seed=settings.rng_seed if settings.generator is None else None,
            width=width,
            height=height,
            num_inference_steps=settings.num_inference_steps,
            strength=float(settings.strength),
            keep_unmasked=job.keeps_unmasked,
            num_images_per_prompt=settings.num_images_per_prompt,
            guidance_scale=float(settings.guidance_scale),
            max_sequence_length=settings.max_sequence_length,
            devices=devices,
            openvino_version=installed_version("openvino"),
            openvino_genai_version=installed_version("openvino-genai"),
        )

    @property
    def _account(self) -> Account:
        return Account.of(self.schedule, self.step_s)

    @property
    def text_encoding_s(self) -> float:
        """Seconds of encoding the prompts, by both encoders."""
        return sum(self.text_encoder_s)

    @property
    def computed_step_s(self) -> tuple[float, ...]:
        """Seconds of each step that ran the transformer."""
        return self._account.computed_s

    @property
    def predicted_step_s(self) -> tuple[float, ...]:
        """Seconds of each step that was forecast."""
        return self._account.predicted_s

    @property
    def computed_steps(self) -> int:
        """Number of transformer runs."""
        return len(self.computed_step_s)

    @property
    def predicted_steps(self) -> int:
        """Number of steps that did not run the transformer."""
        return len(self.predicted_step_s)

    @property
    def ideal_speed_up(self) -> float:
        """Steps per transformer run: the gain if everything but the transformer were free."""
        return self._account.ideal_speed_up

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, and the sum and the counts derived from them, ready for JSON."""
        derived = {"text_encoding_s": self.text_encoding_s} | self._account.to_dict("steps")
        # what the fields hold does not change; the one that could is copied
        own = vars(self) | {"forecast_errors": dict(self.forecast_errors)}
        return own | derived

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict())

    def __repr__(self) -> str:
        ended = ", interrupted" if self.interrupted else ""
        return (
            f"<GenerationReport {self.backend} backend, {self.computed_steps} of "
            f"{len(self.step_s)} steps computed{ended}, {self.width}x{self.height}, "
            f"{self.total_s:.3g} s>"
        )

    def __str__(self) -> str:
        ended = ", interrupted" if self.interrupted else ""
        image = f" + image {self.image_encoding_s:.3f}" if self.image_encoding_s else ""
        devices = " / ".join(dict.fromkeys(self.devices))
        strength = f", strength {self.strength:g}" if self.strength != 1 else ""
        kept = ", pixels outside the mask kept" if self.keep_unmasked else ""
        lines = [
            f"{self.backend} backend: {self.backend_reason}",
            f"cache: {self.cache}",
            f"{self.schedule}  {self.computed_steps} of {len(self.step_s)} steps ran the "
            f"transformer{ended}",
            f"{self.width}x{self.height}, {self.num_images_per_prompt} at once, "
            f"seed {'of the generator' if self.seed is None else self.seed}, "
            f"guidance {self.guidance_scale:g}{strength}{kept}, on {devices}",
            f"total {self.total_s:.3f} s = text {self.text_encoding_s:.3f}{image}"
            f" + {self._account.describe('step')}"
            f" + VAE {self.vae_s:.3f} + rest; load {self.load_s:.2f} s",
            f"openvino {self.openvino_version}, openvino_genai "
            f"{self.openvino_genai_version or 'not installed'}",
        ]
        return "\n".join(lines)


def _cache(job: Job, denoised: Denoised) -> str:
    idle = job.idle_reason(denoised)
    return job.cache_name if idle is None else f"{job.cache_name}; it skipped no step: {idle}"


def _schedule(job: Job, taken: tuple[bool, ...]) -> str:
    """What was done, and behind it what an interrupted plan had still intended."""
    intended = job.cache.mask[len(taken) :] if isinstance(job.cache, CachePlan) else ()
    return schedule_text(taken + intended)
