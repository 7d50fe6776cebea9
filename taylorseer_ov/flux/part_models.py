"""The parts of a Flux one by one, as openvino_genai's classes have them, for `Pipeline.flux`.

Each knows the folder that it was made from, and where, how and for which shape it is to be
compiled; the folder is checked at once. A pipeline takes all of that from its parts and loads them
itself. What openvino_genai's classes can do beside that (`infer`, `Config`, a model made from
memory) is done by openvino_genai's own object.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ..checks import whole_number
from ..native_names import native
from ..newer_typing import Self
from .device_properties import check_properties
from .devices import check_device, device_text
from .one_thread import part_properties
from .part_folders import checked_part

Shape = Mapping[str, int]


class WithNativeMembers(type):
    """The kind of a class that also has what openvino_genai's of the same name holds."""

    def __getattr__(cls, name: str) -> Any:
        """Return what openvino_genai's class holds, such as `Config`."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(native(cls), name)


class PartModel(metaclass=WithNativeMembers):
    """A part of a model in a folder; not loaded before it is used.

    Attributes:
        paths: the folder of each part that this is.
        device: where it is to run, None if that is not known yet.
        properties: OpenVINO's, for compiling.
        shape: the sizes it was reshaped to, by their names; empty if it takes any.
    """

    part: ClassVar[str]
    paths: dict[str, Path]
    device: str | None
    properties: dict[str, Any]
    shape: Shape
    _native: Any = None

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        """Return openvino_genai's object if it is made from memory."""
        # with a tensor for the weights or the blob; or a copy of one of openvino_genai's own
        kinds = {type(value) for value in (*arguments, *named.values())}
        if any(
            kind.__module__.startswith("openvino_genai")
            or (kind.__module__.startswith("openvino") and kind.__name__ == "Tensor")
            for kind in kinds
        ):
            return native(cls)(*arguments, **named)
        return super().__new__(cls)

    def __init__(
        self,
        root_dir: str | os.PathLike[str] | Self,
        *arguments: Any,
        device: str | None = None,
        **properties: Any,
    ) -> None:
        """Check a part's folder.

        Args:
            root_dir: the folder, with `openvino_model.xml` and, where it has one, `config.json`; or
                another of this class, which is copied.
            arguments, device: an OpenVINO device, if it is to be compiled there. What makes a model
                from memory (a text, a tensor and the rest) makes openvino_genai's object.
            properties: OpenVINO's, for compiling.

        Raises:
            FileNotFoundError, ModelFolderError: if the folder is missing, or not that of the part.
            ValueError: for an unknown device.
            RuntimeError: if it is made from memory and openvino_genai cannot be used.
        """
        if isinstance(root_dir, PartModel):
            self._become(root_dir.paths, root_dir.device, root_dir.properties, root_dir.shape)
            return
        self._start({self.part: root_dir}, arguments, device, properties)

    def _become(
        self,
        paths: dict[str, Path],
        device: str | None,
        properties: Mapping[str, Any],
        shape: Shape,
    ) -> None:
        self.paths, self.device = dict(paths), device
        self.properties, self.shape = dict(properties), dict(shape)

    def _start(
        self,
        paths: Mapping[str, Any],
        devices: tuple[Any, ...],
        device: str | None,
        properties: Mapping[str, Any],
    ) -> None:
        name = type(self).__name__
        if len(devices) > (device is None):
            raise TypeError(f"{name} takes a folder and a device; got {devices!r} too")
        read = {part: checked_part(part, path, name) for part, path in paths.items()}
        self._become(read, None, {}, {})
        device = devices[0] if devices else device
        if device is not None:
            self.compile(device, **properties)
        elif properties:
            raise TypeError(f"{name} takes properties with a device only: {', '.join(properties)}")

    def __repr__(self) -> str:
        folders = ", ".join(f"{path.parent.name}/{path.name}" for path in self.paths.values())
        return f"<{type(self).__name__} {folders} on {self.device or 'no device yet'}>"

    def compile(self, device: str, **properties: Any) -> None:
        """Say where and how it is to be compiled; the pipeline it is given to compiles it.

        Args:
            device: an OpenVINO device, in any case.
            properties: OpenVINO's.

        Raises:
            TypeError, ValueError: for what is no text, and for an unknown device or property.
        """
        device = device_text("device", device)
        check_device(device)
        check_properties([device], properties, ["device"])
        self.device, self.properties = device, properties
        self._native = None

    def _reshaped(self, **sizes: int) -> Self:
        self.shape = {name: whole_number(name, size, 1) for name, size in sizes.items()}
        self._native = None
        return self

    def to_native(self) -> Any:
        """Return openvino_genai's object of the same, reshaped and compiled as this one was.

        Raises:
            RuntimeError: if openvino_genai cannot be used.
        """
        if self._native is None:
            made = native(type(self))(*self.paths.values())
            if self.shape:
                made.reshape(*self.shape.values())
            if self.device is not None:
                properties = part_properties(self.part, self.device, self.properties)
                made.compile(self.device, **properties)
            self._native = made
        return self._native

    def __getattr__(self, name: str) -> Any:
        """Return what openvino_genai's object can do beside what is here, such as `infer`."""
        if name.startswith("_") or name in PartModel.__annotations__:
            raise AttributeError(name)
        return getattr(self.to_native(), name)


class CLIPTextModel(PartModel):
    """The text encoder of the whole prompt."""

    part = "text_encoder"

    def reshape(self, batch_size: int) -> Self:
        """Fix how many prompts it takes: one for Flux. Returns itself."""
        return self._reshaped(batch_size=batch_size)


class T5EncoderModel(PartModel):
    """The text encoder of every token."""

    part = "text_encoder_2"

    def reshape(self, batch_size: int, max_sequence_length: int) -> Self:
        """Fix how many prompts (one for Flux) and tokens it takes. Returns itself."""
        return self._reshaped(batch_size=batch_size, max_sequence_length=max_sequence_length)


class FluxTransformer2DModel(PartModel):
    """The denoiser."""

    part = "transformer"

    def reshape(
        self, batch_size: int, height: int, width: int, tokenizer_model_max_length: int
    ) -> Self:
        """Fix the number and size of pictures, and the tokens of text. Returns itself."""
        return self._reshaped(
            batch_size=batch_size,
            height=height,
            width=width,
            tokenizer_model_max_length=tokenizer_model_max_length,
        )


class AutoencoderKL(PartModel):
    """The autoencoder: its decoder, or its encoder and decoder."""

    part = "vae_decoder"

    def __init__(
        self,
        *paths: Any,
        vae_encoder_path: str | os.PathLike[str] | None = None,
        vae_decoder_path: str | os.PathLike[str] | None = None,
        device: str | None = None,
        **properties: Any,
    ) -> None:
        """Check the folder of the decoder, or those of the encoder and the decoder.

        Args:
            paths: the decoder's folder, or the encoder's and the decoder's; then, if it is to be
                compiled, an OpenVINO device.
            vae_encoder_path, vae_decoder_path: another way to say these.
            device, properties: as for the other parts.

        Raises:
            TypeError, ValueError, FileNotFoundError: as the other parts do.
        """
        if paths and isinstance(paths[0], PartModel):
            super().__init__(paths[0])
            return
        folders = list(paths)
        if device is None and len(folders) > 1 and _is_device(folders[-1]):
            device = folders.pop()
        given = {"vae_encoder": vae_encoder_path, "vae_decoder": vae_decoder_path}
        free = [name for name in given if given[name] is None]
        # one alone is the decoder's
        given |= dict(zip(free[-len(folders) :] if folders else (), folders, strict=False))
        if len(folders) > len(free) or given["vae_decoder"] is None:
            raise TypeError(
                "AutoencoderKL takes the decoder's folder, or the encoder's and the decoder's, and "
                f"a device; got {paths!r}"
            )
        present = {name: path for name, path in given.items() if path is not None}
        self._start(present, (), device, properties)

    def reshape(self, batch_size: int, height: int, width: int) -> Self:
        """Fix the number and size of pictures. Returns itself."""
        return self._reshaped(batch_size=batch_size, height=height, width=width)


def _is_device(value: Any) -> bool:
    """Whether a text is meant as a device, and not as a folder."""
    return isinstance(value, str) and not set(value) & set("/\\") and not Path(value).is_dir()
