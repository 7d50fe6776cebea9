"""A pipeline before it generates: its settings, where its models run, and when they load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..flux.folder import FluxFolder
from ..flux.folder_checks import Task
from ..generation.properties import OpenVINOProperties
from ..generation.settings import ImageGenerationConfig, model_defaults
from ..generation.setup import Backend, Devices, Setup, StaticShape, memory_options
from ..newer_typing import Self, Unpack
from .one_at_a_time import OneAtATime

if TYPE_CHECKING:
    from .backends import Backends


class LoadablePipeline:
    """The models of a Flux at one task, and the settings they generate with.

    `with Text2ImagePipeline(...) as pipeline:` lets go of the models at the end of the block. The
    pipeline stays what it is: used again, it loads them again, as it did when it was first used.
    """

    _task: ClassVar[Task]

    def __init__(
        self,
        models_path: str | Path,
        device: str | tuple[str, str, str] = "CPU",
        *,
        backend: Backend = "auto",
        low_memory: bool = False,
        vae_tiling: bool = False,
        embedding_cache: str | Path | bool | None = None,
        **properties: Unpack[OpenVINOProperties],
    ) -> None:
        """Check a model folder. The models are compiled by the first `generate`, or by `compile`.

        Args:
            models_path: folder written by `scripts/export_model.py`, or `demo_model_path()`.
            device: an OpenVINO device for all parts, or three: for the text encoders, the
                transformer and the VAE.
            backend: `"native"` runs openvino_genai, `"python"` the OpenVINO runtime and numpy.
                `"auto"` takes native where it does exactly what is asked, else Python; the report
                says why.
            low_memory: hold one model at a time: encode, let go, denoise, let go, decode. The peak
                is that of the largest part. The transformer is compiled for the size asked for,
                which rounds differently in the last bits. Python backend only, as are the next two.
            vae_tiling: decode pictures larger than 512 pixels in overlapping tiles, which changes
                them slightly and takes a fraction of the memory.
            embedding_cache: folder in which encoded prompts are kept, at most 1 GiB of them, so
                that repeated ones need no text encoder. True is the system's folder for such
                things.
            properties: OpenVINO properties, such as `CACHE_DIR` or `INFERENCE_PRECISION_HINT`; and
                `adapters`, an `openvino_genai.AdapterConfig` with LoRA adapters. Any property is
                passed on, whether or not `OpenVINOProperties` lists it.

        Raises:
            FileNotFoundError, ModelFolderError: if the folder is missing or incomplete.
            ValueError: for an unknown device or backend.
            RuntimeError: if `backend="native"` and openvino_genai cannot be used.
        """
        from .backends import Backends

        self._folder = FluxFolder.read(models_path, self._task)
        config = model_defaults(self._folder.path, self._folder.defaults, self._usual())
        if self._task != "text to image":  # the picture's own size goes before a model's
            config = replace(config, height=None, width=None)
        self._config = config
        setup = Setup(
            self._folder,
            Devices(*([device] * 3 if isinstance(device, str) else device)),
            properties,
            memory_options(low_memory, vae_tiling, embedding_cache),
        )
        self._backends = Backends(setup, backend)
        self._alone = OneAtATime()

    def _usual(self) -> ImageGenerationConfig:
        """The settings of this task where the model's folder has no others."""
        return ImageGenerationConfig()

    def _updated(self, settings: Mapping[str, Any]) -> ImageGenerationConfig:
        """The settings of a call, checked."""
        return self._config.updated(settings)

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

    def set_generation_config(self, config: ImageGenerationConfig) -> None:
        """Set what `generate` starts from; checked and copied.

        Raises:
            TypeError, ValueError: for a value of the wrong kind or out of range; nothing is set.
        """
        self._config = config.updated({})

    def reshape(
        self, num_images_per_prompt: int, height: int, width: int, guidance_scale: float
    ) -> None:
        """Fix all shapes to one batch and picture size, which GPUs run faster and NPUs need.

        The text length becomes the current configuration's `max_sequence_length`. The models are
        compiled anew by the next `generate` or `compile`.

        Raises:
            TypeError, ValueError: as `set_generation_config` does.
        """
        shape = {"num_images_per_prompt": num_images_per_prompt, "height": height, "width": width}
        self._config = self._config.updated(shape | {"guidance_scale": guidance_scale})
        self._backends.reshape(StaticShape.of(self._config))

    def compile(self, *devices: str, **properties: Unpack[OpenVINOProperties]) -> None:
        """Load and compile now, on one device or on three (text encoders, transformer, VAE).

        Without properties, those given to the constructor stay.

        Raises:
            TypeError: for another number of devices.
            ValueError: for an unknown device, or adapters where openvino_genai cannot be used.
            RuntimeError: if OpenVINO cannot compile a model there.
        """
        if len(devices) not in (1, 3):
            raise TypeError(
                "compile takes one device, or three: text_encode_device, denoise_device, "
                f"vae_device; got {len(devices)}"
            )
        chosen = Devices(*(devices * 3 if len(devices) == 1 else devices))
        self._backends.set_devices(chosen, properties or self._backends.setup.properties)
        self._backends.load_first(self._config)

    @property
    def backends(self) -> Backends:
        """The models, for those who run them one by one."""
        return self._backends

    @property
    def folder(self) -> FluxFolder:
        """The checked model folder."""
        return self._folder
