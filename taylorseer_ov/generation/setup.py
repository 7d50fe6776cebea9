"""Which models run where and how: what a pipeline was constructed with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..checks import nearest, true_or_false
from ..flux.devices import device_text
from ..flux.embedding_cache import default_folder
from ..flux.folder import FluxFolder
from ..flux.one_thread import encoder_properties
from ..flux.streams import check_streams, stream_properties
from .settings import ImageGenerationConfig

Backend = Literal["auto", "native", "python"]
Device = str | tuple[str, str, str] | Mapping[str, str]
"""One OpenVINO device for all parts, three as in `Devices`, or a dictionary with its names."""


class Devices(NamedTuple):
    """Where each part of the pipeline runs: names of OpenVINO devices, such as CPU or GPU.1.

    Attributes:
        text_encode: of both text encoders.
        denoise: of the transformer.
        vae: of the VAE's encoder and decoder.
    """

    text_encode: str
    denoise: str
    vae: str

    @classmethod
    def of(cls, device: Device) -> Devices:
        """Read devices in any case; what a dictionary does not name runs on the CPU.

        Raises:
            TypeError: if it is none of the three forms.
            ValueError: for a dictionary with another name, or an empty text.
        """
        if isinstance(device, str):
            named = dict.fromkeys(cls._fields, device)
        elif isinstance(device, Mapping):
            named = dict.fromkeys(cls._fields, "CPU") | {
                _part(name): device[name] for name in device
            }
        elif isinstance(device, Sequence) and len(device) == len(cls._fields):
            named = dict(zip(cls._fields, device, strict=True))
        else:
            raise TypeError(
                f"device must be one device such as 'GPU', or three for {', '.join(cls._fields)}, "
                "as a tuple such as ('CPU', 'GPU', 'GPU') or a dictionary such as "
                f"{{'denoise': 'GPU'}}; got {device!r}"
            )
        return cls(
            **{part: device_text(f"the device for {part}", name) for part, name in named.items()}
        )


def _part(name: object) -> str:
    """Which part a dictionary means; openvino_genai adds _device to the names."""
    part = str(name).removesuffix("_device")
    if part not in Devices._fields:
        raise ValueError(
            f"no part of the pipeline is called {name!r}{nearest(part, Devices._fields)} "
            f"The parts are {', '.join(Devices._fields)}"
        )
    return part


def chosen_devices(
    listed: tuple[Any, ...], device: Device | None, parts: tuple[str | None, ...]
) -> Devices | None:
    """Read the devices that `compile` was told, in whatever way; None if it was told none.

    Args:
        listed: those without a name.
        device: the one for all parts.
        parts: those with the name of a part, None where it was not given.

    Raises:
        TypeError: for another number of devices, or one that is said twice.
    """
    if len(listed) == 1 and parts == (None,) * 3 and device is None:
        return Devices.of(listed[0])
    if device is not None and not listed and parts == (None,) * 3:
        return Devices.of(device)
    given = [*listed, *(part for part in parts[len(listed) :] if part is not None)]
    doubled = [part for part in parts[: len(listed)] if part is not None]
    if device is None and not given:
        return None
    if device is not None or doubled or len(given) != len(parts):
        raise TypeError(
            "compile takes one device, or three: text_encode_device, denoise_device, vae_device; "
            f"got {len(given) + len(doubled) + (device is not None)}"
        )
    return Devices.of(tuple(given))


@dataclass(frozen=True)
class MemoryOptions:
    """How a pipeline saves memory, or spends it.

    Attributes:
        low_memory: hold one model at a time: encode, let go, denoise, let go, decode.
        vae_tiling: decode large pictures in overlapping tiles.
        embedding_cache: folder in which encoded prompts are kept between processes.
        streams: pictures that the transformer computes at once.
    """

    low_memory: bool = False
    vae_tiling: bool = False
    embedding_cache: Path | None = None
    streams: int = 1

    @property
    def native_obstacle(self) -> str | None:
        """Why openvino_genai cannot work like this, None if it can."""
        if self.low_memory:
            return "openvino_genai holds all models in memory at once"
        if self.vae_tiling:
            return "openvino_genai decodes pictures whole"
        if self.embedding_cache is not None:
            return "openvino_genai encodes every prompt anew"
        if self.streams > 1:
            return "openvino_genai draws one picture after another"
        return None


# what the parts of a shape are called where people set them
SETTINGS = {"batch": "num_images_per_prompt", "text_length": "max_sequence_length"}


class StaticShape(NamedTuple):
    """The one size a reshaped pipeline draws.

    Attributes:
        batch: pictures at once.
        height, width: in pixels.
        text_length: tokens of text that the T5 encoder reads.
    """

    batch: int
    height: int
    width: int
    text_length: int

    @classmethod
    def of(cls, settings: ImageGenerationConfig) -> StaticShape:
        """The shape that a generation with these settings has."""
        return cls(settings.num_images_per_prompt, *settings.size, settings.max_sequence_length)

    def require(self, settings: ImageGenerationConfig) -> None:
        """Check that a generation with these settings has this shape.

        Raises:
            ValueError: naming what differs.
        """
        asked = StaticShape.of(settings)
        differing = [
            f"{SETTINGS.get(name, name)} {getattr(asked, name)} instead of {getattr(self, name)}"
            for name in self._fields
            if getattr(asked, name) != getattr(self, name)
        ]
        if differing:
            raise ValueError(
                f"this pipeline was reshaped to one size; asked for {', '.join(differing)}. "
                "Call reshape again, or do not reshape"
            )


@dataclass(frozen=True)
class Setup:
    """Which models run where and how: what a backend is made from.

    Attributes:
        folder: the models, checked.
        devices: where they run.
        properties: OpenVINO's, and `adapters`.
        memory: how to save memory or spend it; what only the Python backend can do.
        static: the one size that is drawn, None for any.
    """

    folder: FluxFolder
    devices: Devices
    properties: Mapping[str, Any]
    memory: MemoryOptions = MemoryOptions()
    static: StaticShape | None = None

    @cached_property
    def encoder_properties(self) -> Mapping[str, Any]:
        """OpenVINO's for the text encoders, which are in float32 where bfloat16 is dangerous.

        Raises:
            ValueError: as `one_thread.encoder_properties` does.
        """
        return encoder_properties(self.devices.text_encode, self.properties)

    @cached_property
    def denoise_properties(self) -> Mapping[str, Any]:
        """OpenVINO's for the transformer, which alone is compiled for several streams.

        Raises:
            ValueError: as `streams.stream_properties` does.
        """
        return stream_properties(self.devices.denoise, self.properties, self.memory.streams)


def memory_options(
    low_memory: bool,
    vae_tiling: bool,
    embedding_cache: str | Path | bool | None,
    streams: int = 1,
) -> MemoryOptions:
    """Check what a pipeline is told about memory."""
    low_memory = true_or_false("low_memory", low_memory)
    vae_tiling = true_or_false("vae_tiling", vae_tiling)
    streams = check_streams(streams)
    if low_memory and streams > 1:
        raise ValueError(
            f"low_memory lets go of each model before the next one is loaded, for one picture "
            f"after another, and streams={streams} draws several at once; choose one of the two"
        )
    if embedding_cache is True:
        embedding_cache = default_folder()
    elif embedding_cache is False:
        embedding_cache = None
    kept = None if embedding_cache is None else Path(embedding_cache)
    return MemoryOptions(low_memory, vae_tiling, kept, streams)
