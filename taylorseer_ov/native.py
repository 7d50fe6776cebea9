"""The openvino_genai backend: its pipelines where they do what was asked.

openvino_genai's Flux has defects that change pictures or end the process. What can be mended from
outside is mended here; what cannot is an obstacle, and the Python backend does it instead:

- noise levels of FLUX.2 for FLUX.1 exports: the scheduler is made from a copy of its configuration
  without `time_shift_type` (`_mended_scheduler`);
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
- LoRA adapters of one call stay for the next: said at every call.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .config import TaylorSeerCacheConfig
from .generation import (
    Devices,
    Generated,
    Hooks,
    ImageGenerationConfig,
    Job,
    MemoryOptions,
    StaticShape,
)
from .model_folder import FluxFolder, read_json
from .pictures import InitialImage
from .plan import CachePlan
from .report import installed_version
from .sampling import first_step

if TYPE_CHECKING:
    from .components import Tokenizer
    from .latents import NoiseGenerator

TAYLORSEER_SINCE = (2026, 1)
PIPELINES = {
    "text to image": "Text2ImagePipeline",
    "image to image": "Image2ImagePipeline",
    "inpainting": "InpaintingPipeline",
}


def missing_native_support() -> str | None:
    """Say why openvino_genai cannot be used at all, None if it can.

    Only looks at the installed version: importing an old openvino_genai beside a newer openvino, or
    on a newer export, can end the process.
    """
    return missing_in_version(installed_version("openvino-genai"))


def missing_in_version(version: str | None) -> str | None:
    """Say why openvino_genai of this version (None: not installed) cannot be used at all."""
    if version is None:
        return "openvino_genai is not installed"
    try:
        release = tuple(int(part) for part in version.split(".")[:2])
    except ValueError:
        return f"openvino_genai has an unknown version {version!r}"
    if release < TAYLORSEER_SINCE:
        needed = ".".join(map(str, TAYLORSEER_SINCE))
        return f"openvino_genai {version} has no TaylorSeer caching, which came with {needed}"
    return None


def import_openvino_genai() -> Any:
    """Import openvino_genai if it is recent enough.

    Raises:
        RuntimeError: saying why not and what helps.
    """
    reason = missing_native_support()
    if reason:
        raise RuntimeError(f"{reason}; run pip install -U openvino-genai, or use backend='python'")
    import openvino_genai

    return openvino_genai


def native_noise_generator(seed: int) -> NoiseGenerator | None:
    """Return openvino_genai's own noise generator, None where openvino_genai cannot be used."""
    if missing_native_support():
        return None
    generator: NoiseGenerator = import_openvino_genai().CppStdGenerator(seed)
    return generator


def standing_obstacle(folder: FluxFolder, memory: MemoryOptions) -> str | None:
    """Say why openvino_genai can do no job of a pipeline at all, None if it can."""
    if folder.is_fill:
        return "openvino_genai does not cache Fill models, and starts them from noise alone"
    # installed or not, these are what to know
    return memory.native_obstacle or missing_native_support()


def native_obstacle(
    job: Job, folder: FluxFolder, tokenizers: tuple[Tokenizer, Tokenizer]
) -> str | None:
    """Say why openvino_genai cannot do exactly this job, None if it can."""
    reason = settings_obstacle(job.settings, folder)
    if reason:
        return reason
    if job.hooks.recorder is not None:
        return "openvino_genai does not show the transformer's outputs"
    if job.hooks.callback is not None:
        return "openvino_genai drops callbacks and aborts when one raises"
    if job.initial is not None and job.settings.num_images_per_prompt > 1:
        return "openvino_genai draws one picture at a time from a given one"
    lengths = (folder.clip_length, job.settings.max_sequence_length)
    for tokenizer, prompt, length in zip(
        tokenizers, (job.prompt, job.prompt_2), lengths, strict=True
    ):
        if len(tokenizer.encode(prompt)) > length:
            return f"openvino_genai loses the end token of prompts over {length} tokens"
    return None


def settings_obstacle(settings: ImageGenerationConfig, folder: FluxFolder) -> str | None:
    """Say why openvino_genai cannot draw exactly so, whatever the prompt, None if it can."""
    cache = settings.cache
    if cache is not None and not (isinstance(cache, TaylorSeerCacheConfig) and cache.is_native):
        return "openvino_genai caches with max_order=1, abscissa='step' and no corrector only"
    generator = settings.generator
    if generator is not None and not type(generator).__module__.startswith("openvino_genai"):
        return "openvino_genai takes noise from its own generators only"
    steps, strength = settings.num_inference_steps, settings.strength
    if first_step(steps, strength) != _native_first_step(steps, strength):
        return f"openvino_genai takes another number of steps at strength={strength}"
    scheduler = folder.scheduler
    if scheduler.use_dynamic_shifting and scheduler.time_shift_type != "exponential":
        return f"openvino_genai gives time_shift_type={scheduler.time_shift_type!r} another meaning"
    return None


def _native_first_step(num_inference_steps: int, strength: float) -> int:
    """`sampling.first_step` in float32, as openvino_genai computes it."""
    steps = np.float32(num_inference_steps)
    return int(max(steps - min(steps * np.float32(strength), steps), np.float32(0)))


class NativeBackend:
    """The pipeline of openvino_genai for a folder's task, put together from its parts."""

    def __init__(
        self,
        folder: FluxFolder,
        devices: Devices,
        properties: Mapping[str, Any],
        static: StaticShape | None,
        text_length: int,
    ) -> None:
        self._genai = import_openvino_genai()
        self._folder, self._devices, self._static = folder, devices, static
        self._properties = dict(properties)
        self._adapters = self._properties.get("adapters")
        self._scheduler = _mended_scheduler(self._genai, folder.path)
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
        settings = job.settings
        if settings.max_sequence_length != self._text_length:
            change = self._assemble if self._adapters is None else self._load
            change(settings.max_sequence_length)
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
            options["generator"] = settings.generator
        plan = job.cache
        assert isinstance(plan, CachePlan)  # a policy is an obstacle
        watch = _Watch(job.hooks, plan)
        if job.hooks.progress is not None or job.hooks.stop is not None:
            options["callback"] = watch
        pictures = self._pipeline.generate(job.prompt, *_tensors(job.initial), **options)
        if watch.failure is not None:
            raise watch.failure
        if watch.latents is not None:  # what native returns of a stopped generation is empty
            pictures = self._pipeline.decode(watch.latents)
        metrics = self._pipeline.get_performance_metrics()
        steps_us = metrics.raw_metrics.iteration_durations
        return Generated(
            pictures=np.array(pictures.data),
            text_encoding_s=sum(metrics.get_text_encoder_infer_duration().values()) / 1e3,
            step_s=tuple(float(step) / 1e6 for step in steps_us),
            vae_s=metrics.get_vae_decoder_infer_duration() / 1e3,
            mask=plan.mask[: len(steps_us)],
            interrupted=watch.latents is not None,
            image_encoding_s=metrics.get_vae_encoder_infer_duration() / 1e3,
        )


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


def _mended_scheduler(genai: Any, path: Path) -> Any:
    config = read_json(path / "scheduler" / "scheduler_config.json")
    config.pop("time_shift_type", None)
    with tempfile.TemporaryDirectory() as folder:
        mended = Path(folder) / "scheduler_config.json"
        mended.write_text(json.dumps(config), encoding="utf-8")
        return genai.Scheduler.from_config(mended)


def _rounding_vae(genai: Any, folder: FluxFolder) -> Any:
    """Load a VAE whose decoder's pixels are rounded; see `components.round_to_nearest`."""
    import openvino as ov

    from .components import round_to_nearest

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
    if initial.mask is not None:
        tensors.append(ov.Tensor(initial.mask[None, ..., None].astype(np.uint8) * 255))
    return tensors
