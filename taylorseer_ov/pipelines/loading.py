"""A pipeline before it generates: its settings, where its models run, and when they load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..checks import true_or_false
from ..flux.device_properties import check_properties
from ..flux.devices import check_device
from ..flux.folder import FluxFolder
from ..flux.folder_checks import Task
from ..flux.hub import find_model
from ..flux.scheduler import Scheduler, as_scheduler
from ..generation.given_config import NativeGenerationConfig, whole_config
from ..generation.properties import OpenVINOProperties, all_properties
from ..generation.settings import ImageGenerationConfig, model_defaults
from ..generation.setup import (
    Backend,
    Device,
    Devices,
    Setup,
    StaticShape,
    chosen_devices,
    memory_options,
)
from ..newer_typing import Self, Unpack
from .one_at_a_time import OneAtATime

if TYPE_CHECKING:
    from .backends import Backends


# the arguments of the constructor, from `device` to `streams`
NOTHING_CHOSEN = (None, False, None, "auto", False, False, None, 1)
SHARED_ADVICE = (
    "a pipeline made from another one shares its models, where and how these are loaded; give it "
    "nothing else, or make it from the folder"
)


class LoadablePipeline:
    """The models of a Flux at one task, and the settings they generate with.

    `with Text2ImagePipeline(...) as pipeline:` lets go of the models at the end of the block. The
    pipeline stays what it is: used again, it loads them again, as it did when it was first used.
    """

    _task: ClassVar[Task]

    def __init__(
        self,
        models_path: str | Path | LoadablePipeline,
        device: Device | None = None,
        *,
        lazy: bool = False,
        config: Mapping[str, Any] | None = None,
        backend: Backend = "auto",
        low_memory: bool = False,
        vae_tiling: bool = False,
        embedding_cache: str | Path | bool | None = None,
        streams: int = 1,
        **properties: Unpack[OpenVINOProperties],
    ) -> None:
        """Check a model folder and, given a device, load and compile its models.

        Args:
            models_path: a folder that `taylorseer-ov export` wrote, `"demo"`, or the hub id of an
                exported model, which is downloaded. Or another pipeline, and nothing else: this one
                then draws with the same models, which are in memory once.
            device: one for all parts, or three: for the text encoders, the transformer and the VAE,
                as a tuple or as a dictionary (see `Devices.of`). None waits for `compile` or the
                first `generate`, on the CPU.
            lazy: wait although there is a device, as `low_memory` does, and an NPU until `reshape`.
            config: OpenVINO properties as a dictionary, beside those given as keywords.
            backend: `"native"` runs openvino_genai, `"python"` the OpenVINO runtime and numpy.
                `"auto"` takes native where it does exactly what is asked; the report says why.
            low_memory: hold one model at a time: encode, let go, denoise, let go, decode. The peak
                is that of the largest part. The transformer is compiled for the size asked for,
                which rounds differently in the last bits. Python backend only, as the next three.
            vae_tiling: decode pictures larger than 512 pixels in overlapping tiles, which changes
                them slightly and takes a fraction of the memory.
            embedding_cache: folder in which encoded prompts are kept, at most 1 GiB of them, so
                that repeated ones need no text encoder. True is one of the system's.
            streams: pictures that `generate_many` denoises at once, on a CPU or GPU, each with its
                share of the threads; more than there are cores gain nothing. From 1 to 64.
            properties: OpenVINO's, any that it takes, such as `CACHE_DIR`; and `adapters`, an
                `openvino_genai.AdapterConfig` with LoRA adapters.

        Raises:
            FileNotFoundError, ModelFolderError, HubError: if the model is missing or incomplete.
            TypeError, ValueError: for an unknown device, backend, argument or property.
            RuntimeError: if openvino_genai is demanded and cannot be used, or compiling fails.

        Warns:
            MemoryWarning: if the models and a picture are unlikely to fit into memory.
        """
        lazy = true_or_false("lazy", lazy)
        if isinstance(models_path, LoadablePipeline):
            saving = low_memory, vae_tiling, embedding_cache, streams
            chosen = device, lazy, config, backend, *saving
            self._share(models_path, nothing_else=chosen == NOTHING_CHOSEN and not properties)
            return
        asked = all_properties(config, properties, LoadablePipeline.__init__)
        devices = available(Devices.of("CPU" if device is None else device))
        memory = memory_options(low_memory, vae_tiling, embedding_cache, streams)
        folder = FluxFolder.read(find_model(models_path), self._task)
        check_properties(None if device is None else devices, asked)
        setup = Setup(folder, devices, asked, memory)
        self._start(setup, backend, waits=lazy or device is None or low_memory)

    def _start(self, setup: Setup, backend: Backend, *, waits: bool) -> None:
        from .backends import Backends

        self._folder = setup.folder
        self._config = self._defaults()
        self._backends = Backends(setup, backend)
        self._alone = OneAtATime()
        if not (waits or self._backends.needs_shape):
            self._backends.load_first(self._config)

    def _share(self, other: LoadablePipeline, *, nothing_else: bool) -> None:
        """Draw with the models of another pipeline, and never while it draws."""
        if not nothing_else:
            raise TypeError(SHARED_ADVICE)
        self._folder = other.folder.for_task(self._task)
        self._config = self._defaults()
        self._backends = other.backends.for_folder(self._folder)
        self._alone = other._alone

    def _defaults(self) -> ImageGenerationConfig:
        """The settings of a pipeline that nobody has changed."""
        config = model_defaults(self._folder.path, self._folder.defaults, self._usual())
        if self._task == "text to image":
            return config
        return replace(config, height=None, width=None)  # the picture's size goes before a model's

    def _usual(self) -> ImageGenerationConfig:
        """The settings of this task where the model's folder has no others."""
        return ImageGenerationConfig()

    def _updated(self, settings: Mapping[str, Any], config: Any = None) -> ImageGenerationConfig:
        """The settings of a call, checked: those given by name, before those of a configuration."""
        start = self._config if config is None else whole_config(config, self._config)
        return start.updated(settings)

    def __repr__(self) -> str:
        setup = self._backends.setup
        devices = setup.devices if len(set(setup.devices)) > 1 else setup.devices[:1]
        return (
            f"<{type(self).__name__} {setup.folder.path.resolve().name} on {' / '.join(devices)}, "
            f"backend {self._backends.requested}, {self._backends.loaded or 'nothing'} loaded>"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._backends.unload()

    # --- settings ---

    def get_generation_config(self) -> ImageGenerationConfig:
        """Return a copy of the settings that `generate` starts from."""
        return replace(self._config)

    def set_generation_config(self, config: ImageGenerationConfig | NativeGenerationConfig) -> None:
        """Set what `generate` starts from; checked and copied.

        Args:
            config: all its values count, as `generate` says of `generation_config`.

        Raises:
            TypeError, ValueError: for a value of the wrong kind or out of range; nothing is set.
        """
        self._config = whole_config(config, self._config)

    def set_scheduler(self, scheduler: Scheduler) -> None:
        """Change the noise levels of later generations to those of another scheduler.

        A preset then looks for plans that were calibrated for these, and a picture's recipe says
        that they are not the model's own.

        Raises:
            TypeError: if it is another object; openvino_genai's does not tell its noise levels.
            RuntimeError: while the pipeline generates.
        """
        folder = replace(self._folder, scheduler=as_scheduler(scheduler))
        with self._alone:
            self._folder = folder
            self._backends.set_folder(folder)

    def reshape(
        self, num_images_per_prompt: int, height: int, width: int, guidance_scale: float
    ) -> None:
        """Fix all shapes to one batch and picture size, which GPUs run faster and NPUs need.

        The text length becomes the current configuration's `max_sequence_length`. The models are
        compiled anew by the next `generate` or `compile`.

        Raises:
            TypeError, ValueError: as `set_generation_config` does.
            RuntimeError: while the pipeline generates.
        """
        shape = {"num_images_per_prompt": num_images_per_prompt, "height": height, "width": width}
        config = self._config.updated(shape | {"guidance_scale": guidance_scale})
        with self._alone:
            self._config = config
            self._backends.reshape(StaticShape.of(config))

    def compile(
        self,
        *devices: Device,
        device: Device | None = None,
        text_encode_device: str | None = None,
        denoise_device: str | None = None,
        vae_device: str | None = None,
        config: Mapping[str, Any] | None = None,
        **properties: Unpack[OpenVINOProperties],
    ) -> None:
        """Load and compile now, on one device or on three.

        Args:
            devices: one for all parts, in any form that the constructor takes; or three texts: for
                the text encoders, the transformer and the VAE. None at all: where they were.
            device: another way to say the one.
            text_encode_device, denoise_device, vae_device: another way to say the three.
            config: OpenVINO properties as a dictionary, beside those given as keywords.
            properties: OpenVINO properties. Without any, those given to the constructor stay.

        Raises:
            TypeError: for another number of devices, one that is said twice, an unknown argument.
            ValueError: for an unknown device or property, adapters where openvino_genai cannot be
                used, or an NPU before `reshape`.
            RuntimeError: if OpenVINO cannot compile a model there, or the pipeline generates. After
                any error, the pipeline runs where and how it did.
        """
        parts = (text_encode_device, denoise_device, vae_device)
        setup = self._backends.setup
        chosen = available(chosen_devices(devices, device, parts) or setup.devices)
        asked = all_properties(config, properties, LoadablePipeline.compile)
        asked = asked or dict(setup.properties)
        check_properties(chosen, asked)
        with self._alone:
            self._backends.compile(chosen, asked, self._config)

    def export_model(self, export_path: str | Path) -> None:
        """Refuse, as openvino_genai does for Flux.

        Raises:
            RuntimeError: in every case; it says what to use instead.
        """
        raise RuntimeError(
            "Blob export is supported only for Stable Diffusion XL pipelines; to load compiled "
            "models faster, give the constructor CACHE_DIR, a folder that keeps them"
        )

    @property
    def backends(self) -> Backends:
        """The models, for those who run them one by one."""
        return self._backends

    @property
    def folder(self) -> FluxFolder:
        """The checked model folder."""
        return self._folder


def available(devices: Devices) -> Devices:
    """Return the devices, if OpenVINO has them all.

    Raises:
        ValueError: naming the one it does not have, and those it has.
    """
    for device in devices:
        check_device(device)
    return devices
