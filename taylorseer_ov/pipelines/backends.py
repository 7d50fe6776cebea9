"""Which backend draws, and the models in memory, which are loaded once for both."""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Any, get_args

from ..flux.devices import device_name, has_own_memory, precision_bits
from ..flux.folder import FluxFolder
from ..flux.noise import noise_of_seeds
from ..flux.tokenizer import Tokenizer
from ..generation.environment import Environment
from ..generation.job import Choice, Job
from ..generation.memory import MemoryWarning, available_bytes, memory_warning
from ..generation.settings import ImageGenerationConfig, check_adapters
from ..generation.setup import Backend, Devices, Setup, StaticShape
from ..warning import warn
from .models import Models
from .native_backend import NativeBackend
from .native_limits import native_obstacle, standing_obstacle
from .python_backend import PythonBackend
from .recorded import recorded_properties, recorded_versions
from .shared_models import SharedModels
from .side_by_side import side_by_side
from .warming_up import warm_up

LORA_ADVICE = (
    "without openvino_genai, fuse them into the model: taylorseer-ov export MODEL OUT_DIR "
    "--lora PATH"
)


class Backends:
    """The backends of one model folder.

    Args:
        setup: which models run where and how; `set_devices` and `reshape` change it.
        requested: the backend that is demanded, or `"auto"`.

    Attributes:
        load_s: seconds that loading and compiling took when models were last loaded.
        tokenizers: CLIP's and T5's.

    Raises:
        ValueError: for an unknown backend.
        RuntimeError: if `"native"` is demanded and openvino_genai cannot be used for this.
    """

    def __init__(self, setup: Setup, requested: Backend) -> None:
        if requested not in get_args(Backend):
            raise ValueError(f"backend must be 'auto', 'native' or 'python', got {requested!r}")
        self._standing_obstacle = standing_obstacle(setup)
        if requested == "native":
            _refuse_native_if(self._standing_obstacle)
        self.setup, self.requested = setup, requested
        self.load_s = 0.0
        self._models = SharedModels[PythonBackend | NativeBackend]()
        self.set_devices(setup.devices, setup.properties)
        part = setup.folder.part
        clip, t5 = side_by_side(
            lambda: Tokenizer(part("tokenizer")), lambda: Tokenizer(part("tokenizer_2"))
        )
        self.tokenizers = clip, t5

    def set_devices(self, devices: Devices, properties: Mapping[str, Any]) -> None:
        """Choose where and how the models are compiled, anew when they are next needed."""
        adapters = properties.get("adapters")
        if adapters is None:
            properties = {name: properties[name] for name in properties if name != "adapters"}
        else:
            check_adapters(adapters)
            if self.requested == "python":
                raise ValueError(f"backend='python' takes no adapters; {LORA_ADVICE}")
            if self._standing_obstacle:
                raise ValueError(f"not with adapters: {self._standing_obstacle}; {LORA_ADVICE}")
        setup = replace(self.setup, devices=devices, properties=properties)
        # refused before what is loaded goes
        setup.encoder_properties, setup.denoise_properties  # noqa: B018
        self._change(setup)

    def compile(
        self, devices: Devices, properties: Mapping[str, Any], settings: ImageGenerationConfig
    ) -> None:
        """Choose where and how, and load there; stay where it was if that fails."""
        before = self.setup, self._models
        self.set_devices(devices, properties)
        try:
            self.load_first(settings)
        except Exception:
            self._models.leave(self)
            self.setup, self._models = before
            raise

    def reshape(self, static: StaticShape) -> None:
        """Fix all shapes; the models are compiled anew when they are next needed."""
        self._change(replace(self.setup, static=static))

    def for_folder(self, folder: FluxFolder) -> Backends:
        """Return the backends for the same models at another task, in memory once for both."""
        other = copy(self)
        other.setup, other.load_s = replace(self.setup, folder=folder), 0.0
        return other

    def set_folder(self, folder: FluxFolder) -> None:
        """Change what is not in the models: the scheduler."""
        self.setup = replace(self.setup, folder=folder)

    def _change(self, setup: Setup) -> None:
        self.unload()
        if setup != self.setup:  # other models than those that others may go on to use
            self._models = SharedModels()
        self.setup = setup

    @property
    def needs_shape(self) -> bool:
        """Whether nothing can be loaded before `reshape`."""
        has_npu = any(device.startswith("NPU") for device in self.setup.devices)
        return has_npu and self.setup.static is None

    @property
    def one_by_one(self) -> bool:
        """Whether a picture cannot be drawn while another one is."""
        memory, has_adapters = self.setup.memory, "adapters" in self.setup.properties
        return memory.low_memory or has_adapters or self.requested == "native"

    def choose(self, job: Job) -> Choice:
        """Return the backend for a job and the reason.

        Raises:
            RuntimeError: if `"native"` was demanded, or is needed for adapters, and cannot do
                exactly this job.
            ValueError: for adapters that the constructor was not given.
        """
        has_adapters = "adapters" in self.setup.properties
        if job.settings.adapters is not None and not has_adapters:
            raise ValueError(
                "adapters were not given to the constructor, as openvino_genai needs them; "
                + LORA_ADVICE
            )
        if self.requested == "python":
            return Choice("python", "as requested")
        obstacle = self._standing_obstacle or native_obstacle(
            job, self.setup.folder, self.tokenizers
        )
        if obstacle and has_adapters:
            raise RuntimeError(f"not with adapters: {obstacle}; {LORA_ADVICE}")
        if self.requested == "native":
            _refuse_native_if(obstacle)
            return Choice("native", "as requested")
        if obstacle:
            return Choice("python", obstacle)
        return Choice("native", "openvino_genai does exactly what was asked")

    def environment(self, job: Job, weights: Mapping[str, str]) -> Environment:
        """Return what would draw a job, with these fingerprints of the model's parts.

        Raises:
            RuntimeError: as `choose` does.
        """
        setup = self.setup
        return Environment(
            model=setup.folder.path.resolve().name,
            weights=weights,
            backend=self.choose(job).backend,
            noise=noise_of_seeds(),
            devices=setup.devices._asdict(),
            processors={device: device_name(device) for device in setup.devices},
            properties=recorded_properties(setup),
            fixed_shapes=setup.static is not None or setup.memory.low_memory,
            vae_tiling=setup.memory.vae_tiling,
            versions=recorded_versions(),
        )

    def load_first(self, settings: ImageGenerationConfig) -> None:
        """Load the models before a job is known: they are the same for every job."""
        if self.loaded is None:
            self.load("python", settings)
            models = self.load_python().models
            start_s = time.perf_counter()
            warm_up(models, self.tokenizers, settings.max_sequence_length)
            self.load_s += time.perf_counter() - start_s

    def load(self, name: str, settings: ImageGenerationConfig) -> PythonBackend | NativeBackend:
        """Return a backend, its models compiled.

        Warns:
            MemoryWarning: if they and pictures of these settings are unlikely to fit into memory.
        """
        if self._models.loaded is None:
            self._warn_about_memory(settings)
        python, loaded = self.load_python(), self._models.loaded
        return loaded if name == "native" and loaded is not None else python

    def _warn_about_memory(self, settings: ImageGenerationConfig) -> None:
        free_bytes, device = available_bytes(), self.setup.devices.denoise
        if free_bytes is None or has_own_memory(device):
            return
        if settings.height is None or settings.width is None:  # not known before the picture is
            return
        bits = precision_bits(device, self.setup.properties)
        folder, memory = self.setup.folder, self.setup.memory
        warning = memory_warning(folder, memory, settings, bits, free_bytes)
        if warning:
            warn(warning, MemoryWarning)

    def load_python(self) -> PythonBackend:
        """Return the Python backend on the models of this pipeline, compiled."""
        loaded = self._models.of(self)
        if loaded is not None:
            return _loop(loaded)
        self._require_shape()
        start_s = time.perf_counter()
        loop = _loop(self._models.use(self, self._make))
        try:
            loop.models.load_all(self.setup.folder.task)  # others may have loaded less
        except Exception:
            self._models.leave(self)
            raise
        self.load_s = time.perf_counter() - start_s
        return loop

    def _make(self) -> PythonBackend | NativeBackend:
        if self.requested != "python" and self._standing_obstacle is None:
            return NativeBackend(self.setup, self.tokenizers)
        return PythonBackend(Models(self.setup), self.tokenizers)

    def _require_shape(self) -> None:
        if self.needs_shape:
            raise ValueError(
                "an NPU needs fixed shapes: call "
                "reshape(num_images_per_prompt, height, width, guidance_scale) first"
            )

    @property
    def loaded(self) -> str | None:
        """Whose models are in memory: `"native"` openvino_genai's, `"python"` ours, or None."""
        loaded = self._models.of(self)
        if loaded is None:
            return None
        return "python" if isinstance(loaded, PythonBackend) else "native"

    def unload(self) -> None:
        """Let go of the models, which stay in memory if other pipelines have them too.

        They are loaded again when they are next needed.
        """
        self._models.leave(self)


def _loop(loaded: PythonBackend | NativeBackend) -> PythonBackend:
    return loaded if isinstance(loaded, PythonBackend) else loaded.loop


def _refuse_native_if(obstacle: str | None) -> None:
    if obstacle:
        raise RuntimeError(
            f"backend='native' cannot do this: {obstacle}; use backend='auto' or backend='python'"
        )
