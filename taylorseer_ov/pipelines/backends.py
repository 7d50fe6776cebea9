"""Which backend draws, and its models in memory: one backend at a time."""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Mapping
from typing import Any, Literal, get_args

import openvino as ov

from ..flux.devices import check_device, device_name, has_own_memory, precision_bits
from ..flux.folder import FluxFolder
from ..flux.noise import noise_of_seeds
from ..flux.tokenizer import Tokenizer
from ..generation.environment import Environment
from ..generation.job import Devices, Job, MemoryOptions, StaticShape
from ..generation.memory import MemoryWarning, available_bytes, memory_warning
from ..generation.settings import ImageGenerationConfig, check_adapters
from ..version import installed_version
from ..warning import warn
from .native_backend import NativeBackend
from .native_limits import native_obstacle, standing_obstacle
from .python_backend import PythonBackend

Backend = Literal["auto", "native", "python"]
LORA_ADVICE = (
    "without openvino_genai, fuse them into the model: taylorseer-ov export MODEL OUT_DIR "
    "--lora PATH"
)


class Backends:
    """The backends of one model folder.

    Args:
        requested: the backend that is demanded, or `"auto"`.
        memory: how to save memory; what only the Python backend can do.

    Raises:
        ValueError: for an unknown device or backend.
        RuntimeError: if `"native"` is demanded and openvino_genai cannot be used for this.
    """

    def __init__(
        self,
        folder: FluxFolder,
        requested: Backend,
        devices: Devices,
        properties: dict[str, Any],
        memory: MemoryOptions,
    ) -> None:
        if requested not in get_args(Backend):
            raise ValueError(f"backend must be 'auto', 'native' or 'python', got {requested!r}")
        self._standing_obstacle = standing_obstacle(folder, memory)
        if requested == "native":
            _refuse_native_if(self._standing_obstacle)
        self._folder, self._requested, self.memory = folder, requested, memory
        self.static: StaticShape | None = None
        self.load_s = 0.0
        self._loaded: PythonBackend | NativeBackend | None = None
        self.set_devices(devices, properties)
        self.tokenizers = (
            Tokenizer(folder.path / "tokenizer"),
            Tokenizer(folder.path / "tokenizer_2"),
        )

    def set_devices(self, devices: Devices, properties: dict[str, Any]) -> None:
        """Choose where and how the models are compiled, anew when they are next needed."""
        for device in devices:
            check_device(device)
        properties = dict(properties)
        if properties.get("adapters") is None:
            properties.pop("adapters", None)
        else:
            check_adapters(properties["adapters"])
            if self._requested == "python":
                raise ValueError(f"backend='python' takes no adapters; {LORA_ADVICE}")
            if self._standing_obstacle:
                raise ValueError(f"not with adapters: {self._standing_obstacle}; {LORA_ADVICE}")
        self.devices, self.properties = devices, properties
        self.unload()

    def reshape(self, static: StaticShape) -> None:
        """Fix all shapes; the models are compiled anew when they are next needed."""
        self.static = static
        self.unload()

    def choose(self, job: Job) -> tuple[str, str]:
        """Return the backend for a job and the reason.

        Raises:
            RuntimeError: if `"native"` was demanded, or is needed for adapters, and cannot do
                exactly this job.
            ValueError: for adapters that the constructor was not given.
        """
        has_adapters = "adapters" in self.properties
        if job.settings.adapters is not None and not has_adapters:
            raise ValueError(
                "adapters were not given to the constructor, as openvino_genai needs them; "
                + LORA_ADVICE
            )
        if self._requested == "python":
            return "python", "as requested"
        obstacle = self._standing_obstacle or native_obstacle(job, self._folder, self.tokenizers)
        if obstacle and has_adapters:
            raise RuntimeError(f"not with adapters: {obstacle}; {LORA_ADVICE}")
        if self._requested == "native":
            _refuse_native_if(obstacle)
            return "native", "as requested"
        if obstacle:
            return "python", obstacle
        return "native", "openvino_genai does exactly what was asked"

    def environment(self, job: Job, weights: Mapping[str, str]) -> Environment:
        """Return what would draw a job, with these fingerprints of the model's parts.

        Raises:
            RuntimeError: as `choose` does.
        """
        return Environment(
            model=self._folder.path.resolve().name,
            weights=weights,
            backend=self.choose(job)[0],
            noise=noise_of_seeds(),
            devices=self.devices._asdict(),
            processors={device: device_name(device) for device in self.devices},
            properties=_plain(self.properties),
            fixed_shapes=self.static is not None or self.memory.low_memory,
            vae_tiling=self.memory.vae_tiling,
            versions=_versions(),
        )

    def load_first(self, settings: ImageGenerationConfig) -> None:
        """Load the backend that is likely to be needed, before a job is known."""
        use_python = self._requested == "python" or self._standing_obstacle is not None
        self.load("python" if use_python else "native", settings)

    def load(self, name: str, settings: ImageGenerationConfig) -> PythonBackend | NativeBackend:
        """Return a backend, its models compiled.

        Warns:
            MemoryWarning: if they and pictures of these settings are unlikely to fit into memory.
        """
        wanted = PythonBackend if name == "python" else NativeBackend
        if not isinstance(self._loaded, wanted):
            self.unload()
            self._warn_about_memory(settings)
        if name == "python":
            return self.load_python()
        if not isinstance(self._loaded, NativeBackend):
            start_s = self._begin_load()
            self._loaded = NativeBackend(
                self._folder,
                self.devices,
                self.properties,
                self.static,
                settings.max_sequence_length,
            )
            self.load_s = time.perf_counter() - start_s
        return self._loaded

    def _warn_about_memory(self, settings: ImageGenerationConfig) -> None:
        free_bytes = available_bytes()
        if free_bytes is None or has_own_memory(self.devices.denoise):
            return
        if settings.height is None or settings.width is None:  # not known before the picture is
            return
        bits = precision_bits(self.devices.denoise, self.properties)
        warning = memory_warning(self._folder, self.memory, settings, bits, free_bytes)
        if warning:
            warn(warning, MemoryWarning)

    def load_python(self) -> PythonBackend:
        """Return the Python backend, its models compiled."""
        if not isinstance(self._loaded, PythonBackend):
            start_s = self._begin_load()
            self._loaded = PythonBackend(
                self._folder,
                self.tokenizers,
                self.devices,
                self.properties,
                self.static,
                self.memory,
            )
            self.load_s = time.perf_counter() - start_s
        return self._loaded

    def _begin_load(self) -> float:
        # one at a time: two copies of a large transformer would not fit
        self.unload()
        if self.static is None and any(device.startswith("NPU") for device in self.devices):
            raise ValueError(
                "an NPU needs fixed shapes: call "
                "reshape(num_images_per_prompt, height, width, guidance_scale) first"
            )
        return time.perf_counter()

    def unload(self) -> None:
        """Let go of the models."""
        self._loaded = None
        gc.collect()


def _plain(properties: Mapping[str, Any]) -> dict[str, str]:
    """Properties as texts, without paths: they tell of a person and nothing of a picture."""
    texts = {
        name: value.get_type_name() if isinstance(value, ov.Type) else str(value)
        for name, value in properties.items()
        if name != "adapters"
    }
    return {
        name: text
        for name, text in texts.items()
        if not (name.endswith(("_DIR", "_PATH")) or set(text) & set("/\\"))
    } | ({"adapters": "LoRA adapters"} if "adapters" in properties else {})


def _versions() -> dict[str, str]:
    from ..version import __version__

    packages = ("openvino", "openvino-tokenizers", "openvino-genai", "numpy")
    installed = {name: installed_version(name) for name in packages}
    found = {name: version for name, version in installed.items() if version is not None}
    return {"taylorseer_ov": __version__, "Python": platform.python_version()} | found


def _refuse_native_if(obstacle: str | None) -> None:
    if obstacle:
        raise RuntimeError(
            f"backend='native' cannot do this: {obstacle}; use backend='auto' or 'python'"
        )
