"""The openvino_genai backend: its pipelines where they do what was asked.

openvino_genai's Flux has defects that change pictures or end the process. What can be mended from
outside is mended here; what cannot is an obstacle, and the Python backend does it instead:

- noise levels of FLUX.2 for FLUX.1 exports: the scheduler is made from a copy of its configuration
  without `time_shift_type` (`Scheduler.to_native`);
- pixels truncated instead of rounded: the VAE decoder's output is raised by half a grey level;
- another `max_sequence_length` fails after the first call: the T5 encoder is replaced;
- predicted steps counted as transformer runs: the report goes by the schedule;
- unknown keywords ignored, sizes checked late: all settings are checked before they get here;
- prompts too long lose their end token: obstacle;
- a callback's exception aborts the process, and calls are dropped at the end: obstacle;
- pictures are resized with another filter than diffusers': they get there in their final size;
- the strength is rounded to steps in float32, at times to one step more or less: obstacle then;
- one picture at a time from a given one: obstacle;
- Fill is not cached, starts from noise alone whatever the strength, and what its factory makes in
  Python does not run: obstacle;
- generators that are not of its classes are called by one that is (`_native_generator`);
- LoRA adapters of one call stay for the next: said at every call.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..caching.config import TaylorSeerCacheConfig
from ..caching.plan import CachePlan
from ..flux.folder import FluxFolder
from ..flux.initial_image import InitialImage
from ..flux.noise import noise_source
from ..flux.scheduler import Scheduler
from ..genai import import_openvino_genai
from ..generation.job import Denoised, Generated, Hooks, Job
from ..generation.setup import Setup

PIPELINES = {
    "text to image": "Text2ImagePipeline",
    "image to image": "Image2ImagePipeline",
    "inpainting": "InpaintingPipeline",
}


class NativeBackend:
    """The pipeline of openvino_genai for a folder's task, put together from its parts."""

    def __init__(self, setup: Setup, text_length: int) -> None:
        self._genai = import_openvino_genai()
        self._folder, self._devices, self._static = setup.folder, setup.devices, setup.static
        self._properties = dict(setup.properties)
        self._adapters = self._properties.get("adapters")
        self._scheduler = Scheduler.from_config(
            setup.folder.path / "scheduler" / "scheduler_config.json"
        ).to_native()
        self._load(text_length)

    def _load(self, text_length: int) -> None:
        path = self._folder.path
        self._clip = self._genai.CLIPTextModel(path / "text_encoder")
        self._transformer = self._genai.FluxTransformer2DModel(path / "transformer")
        self._vae = _rounding_vae(self._genai, self._folder)
        if self._static is not None:
            sizes = self._static.batch, self._static.height, self._static.width
            self._clip.reshape(1)
            self._transformer.reshape(*sizes, self._static.text_length)
            self._vae.reshape(*sizes)
        if self._adapters is None:
            self._clip.compile(self._devices.text_encode, **self._properties)
            self._transformer.compile(self._devices.denoise, **self._properties)
            self._vae.compile(self._devices.vae, **self._properties)
        self._assemble(text_length)

    def _assemble(self, text_length: int) -> None:
        """Make the pipeline with a fresh T5 encoder: a used one takes one length for ever."""
        self._text_length = text_length
        t5 = self._genai.T5EncoderModel(self._folder.path / "text_encoder_2")
        t5.reshape(1, text_length)
        if self._adapters is None:
            t5.compile(self._devices.text_encode, **self._properties)
        self._pipeline = getattr(self._genai, PIPELINES[self._folder.task]).flux(
            self._scheduler, self._clip, t5, self._transformer, self._vae
        )
        if self._adapters is not None:
            # only a pipeline translates the names that adapters have for the layers
            self._pipeline.compile(*self._devices, **self._properties)

    def generate(self, job: Job) -> Generated:
        """Draw the pictures of a job that `native_obstacle` has nothing against."""
        text_length = job.settings.max_sequence_length
        if text_length != self._text_length:
            change = self._assemble if self._adapters is None else self._load
            change(text_length)
        options = self._options(job)
        plan = job.cache
        assert isinstance(plan, CachePlan)  # a policy is an obstacle
        watch = _Watch(job.hooks, plan)
        if job.hooks.progress is not None or job.hooks.stop is not None:
            options["callback"] = watch
        pictures = self._pipeline.generate(job.prompt, *_tensors(job.initial), **options)
        if watch.failure is not None:
            raise watch.failure
        start_s = time.perf_counter()
        if watch.latents is not None:  # what native returns of a stopped generation is empty
            pictures = self._pipeline.decode(watch.latents)
        decoding_s = time.perf_counter() - start_s  # native counts only what it decodes itself
        metrics = self._pipeline.get_performance_metrics()
        encoders_ms = metrics.get_text_encoder_infer_duration()
        steps_us = metrics.raw_metrics.iteration_durations
        return Generated(
            pictures=np.array(pictures.data),
            denoised=Denoised(
                step_s=tuple(float(step) / 1e6 for step in steps_us),
                mask=plan.mask[: len(steps_us)],
                interrupted=watch.latents is not None,
                image_encoding_s=metrics.get_vae_encoder_infer_duration() / 1e3,
            ),
            text_encoder_s=(encoders_ms["text_encoder"] / 1e3, encoders_ms["text_encoder_2"] / 1e3),
            vae_s=metrics.get_vae_decoder_infer_duration() / 1e3 + decoding_s,
        )

    def _options(self, job: Job) -> dict[str, Any]:
        """What native's `generate` is told beside the prompt."""
        settings = job.settings
        height, width = settings.size
        options: dict[str, Any] = {
            "prompt_2": job.prompt_2,
            "height": height,
            "width": width,
            "strength": float(settings.strength),
            "num_inference_steps": settings.num_inference_steps,
            "num_images_per_prompt": settings.num_images_per_prompt,
            "guidance_scale": float(settings.guidance_scale),
            "max_sequence_length": settings.max_sequence_length,
            # said in every case: native's own default is to cache
            "taylorseer_config": None,
        }
        if self._adapters is not None:
            # said in every case: what was given once would stay
            chosen = settings.adapters
            options["adapters"] = self._adapters if chosen is None else chosen
        if isinstance(settings.cache, TaylorSeerCacheConfig):
            options["taylorseer_config"] = settings.cache.to_native()
        if settings.generator is None:
            options["rng_seed"] = settings.rng_seed
        else:
            options["generator"] = _native_generator(self._genai, settings.generator)
        return options


class _Watch:
    """Native's callback: shows progress and passes on that a person wants to stop.

    It is called from another thread, where an exception would end the process.
    """

    def __init__(self, hooks: Hooks, plan: CachePlan) -> None:
        self._hooks, self._plan = hooks, plan
        self.failure: Exception | None = None
        self.latents: Any = None  # those it was stopped at

    def __call__(self, step: int, num_steps: int, latents: Any) -> bool:
        progress, stop = self._hooks.progress, self._hooks.stop
        try:
            if progress is not None and self._plan.mask[step]:
                progress(sum(self._plan.mask[: step + 1]), self._plan.transformer_runs)
            if stop is not None and step + 1 < num_steps and stop():
                self.latents = type(latents)(np.array(latents.data))
        except Exception as error:
            self.failure = error
        return self.failure is not None or self.latents is not None


def _native_generator(genai: Any, generator: Any) -> Any:
    """A generator that openvino_genai takes: one of its own, or one that asks the caller's."""
    import openvino as ov

    # of a class derived from these it would call nothing
    if type(generator) in (genai.CppStdGenerator, genai.TorchGenerator):
        return generator
    draw = noise_source(generator, 0)

    def randn_tensor(_: Any, shape: Any) -> Any:
        return ov.Tensor(draw(tuple(shape)))

    return type("Drawn", (genai.Generator,), {"randn_tensor": randn_tensor})()


def _rounding_vae(genai: Any, folder: FluxFolder) -> Any:
    """Load a VAE whose decoder's pixels are rounded; see `vae.round_to_nearest`."""
    import openvino as ov

    from ..flux.vae import round_to_nearest

    core = ov.Core()
    path = folder.path
    models = [round_to_nearest(core.read_model(path / "vae_decoder" / "openvino_model.xml"))]
    if folder.task != "text to image":
        models.insert(0, core.read_model(path / "vae_encoder" / "openvino_model.xml"))
    serialized = [part for model in models for part in _serialized(model)]
    return genai.AutoencoderKL(
        *serialized, genai.AutoencoderKL.Config(path / "vae_decoder" / "config.json")
    )


def _serialized(model: Any) -> tuple[str, Any]:
    """A model as its description and its weights."""
    import openvino as ov

    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "model.xml"
        ov.serialize(model, xml)
        weights = ov.Tensor(np.fromfile(xml.with_suffix(".bin"), np.uint8))
        return xml.read_text(encoding="utf-8"), weights


def _tensors(initial: InitialImage | None) -> list[Any]:
    """A picture, and its mask if it has one, as openvino_genai takes them."""
    import openvino as ov

    if initial is None:
        return []
    tensors = [ov.Tensor(np.ascontiguousarray(initial.pixels))]
    if initial.mask_image is not None:
        tensors.append(ov.Tensor(initial.mask_image[None, ..., None].astype(np.uint8) * 255))
    return tensors
