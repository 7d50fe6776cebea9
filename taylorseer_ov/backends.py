"""Which backend draws, and its models in memory: one backend at a time."""

from __future__ import annotations

import gc
import time
import warnings
from pathlib import Path
from typing import Any, Literal, get_args

from .components import Tokenizer, check_device, has_own_memory, precision_bits
from .embedding_cache import default_folder
from .generation import Devices, ImageGenerationConfig, Job, MemoryOptions, StaticShape
from .memory import MemoryWarning, available_bytes, memory_warning
from .model_folder import FluxFolder
from .native import NativeBackend, missing_native_support, native_obstacle
from .python_backend import PythonBackend

Backend = Literal["auto", "native", "python"]


class Backends:
    """The backends of one model folder.

    Args:
        requested: the backend that is demanded, or `"auto"`.
        memory: how to save memory; what only the Python backend can do.

    Raises:
        ValueError: for an unknown device or backend.
        RuntimeError: if `"native"` is demanded and openvino_genai cannot be used.
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
        if requested == "native":
            _refuse_native_if(missing_native_support() or memory.native_obstacle)
        self._folder, self._requested, self._memory = folder, requested, memory
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
        self.devices, self.properties = devices, properties
        self.unload()

    def reshape(self, static: StaticShape) -> None:
        """Fix all shapes; the models are compiled anew when they are next needed."""
        self.static = static
        self.unload()

    def choose(self, job: Job) -> tuple[str, str]:
        """Return the backend for a job and the reason.

        Raises:
            RuntimeError: if `"native"` was demanded and cannot do exactly this job.
        """
        if self._requested == "python":
            return "python", "as requested"
        obstacle = self._memory.native_obstacle or native_obstacle(
            job, self._folder, self.tokenizers
        )
        if self._requested == "native":
            _refuse_native_if(obstacle)
            return "native", "as requested"
        if obstacle:
            return "python", obstacle
        return "native", "openvino_genai does exactly what was asked"

    def load_first(self, settings: ImageGenerationConfig) -> None:
        """Load the backend that is likely to be needed, before a job is known."""
        obstacle = missing_native_support() or self._memory.native_obstacle
        self.load("python" if self._requested == "python" or obstacle else "native", settings)

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
        bits = precision_bits(self.devices.denoise, self.properties)
        warning = memory_warning(self._folder, self._memory, settings, bits, free_bytes)
        if warning:
            warnings.warn(warning, MemoryWarning, stacklevel=4)

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
                self._memory,
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


def memory_options(
    low_memory: bool, vae_tiling: bool, embedding_cache: str | Path | bool | None
) -> MemoryOptions:
    """Check what a pipeline is told about memory."""
    for name, value in (("low_memory", low_memory), ("vae_tiling", vae_tiling)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, got {value!r}")
    if embedding_cache is True:
        embedding_cache = default_folder()
    elif embedding_cache is False:
        embedding_cache = None
    return MemoryOptions(
        low_memory, vae_tiling, None if embedding_cache is None else Path(embedding_cache)
    )


def _refuse_native_if(obstacle: str | None) -> None:
    if obstacle:
        raise RuntimeError(
            f"backend='native' cannot do this: {obstacle}; use backend='auto' or 'python'"
        )
