"""The text encoders and the transformer on the OpenVINO runtime, and what all parts share."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino_tokenizers  # noqa: F401  (registers its operations with every new Core)
from numpy.typing import NDArray

from ..arrays import Array
from ..newer_typing import Self
from .compiled_models import compile_kept
from .devices import Properties
from .folder import FluxFolder


@dataclass(frozen=True)
class Place:
    """Where and how a part is compiled.

    Attributes:
        core: reads and compiles it.
        device: an OpenVINO device.
        properties: OpenVINO's, for compiling.
        model: what the parts are of, if what is compiled for GPUs is to be kept.
    """

    core: ov.Core
    device: str
    properties: Properties
    model: FluxFolder | None = None

    def read(self, folder: Path) -> ov.Model:
        """Read the model in a part's folder."""
        return self.core.read_model(folder / "openvino_model.xml")

    def compile(self, model: ov.Model) -> ov.InferRequest:
        """Compile a model and return what runs it."""

        def compile_with(properties: Properties) -> ov.CompiledModel:
            return self.core.compile_model(model, self.device, dict(properties))

        if self.model is None:
            return compile_with(self.properties).create_infer_request()
        compiled = compile_kept(compile_with, self.device, self.properties, self.model)
        return compiled.create_infer_request()


class Part:
    """A model that is read, reshaped if wanted, and then compiled."""

    _request: ov.InferRequest

    def __init__(self, model: ov.Model, place: Place) -> None:
        self._model: ov.Model | None = model
        self._place = place

    def _reshape(self, shapes: Mapping[str, list[int | ov.Dimension]]) -> None:
        assert self._model is not None, "reshape comes before compile"
        self._model.reshape({name: ov.PartialShape(shape) for name, shape in shapes.items()})

    def compile(self) -> None:
        """Compile for the device, and let go of what was read: its memory is wanted elsewhere."""
        self._request = self._place.compile(self._model)
        self._model = None

    def another(self) -> Self:
        """Return what runs the same compiled model at the same time as this one does."""
        other = copy(self)
        other._request = self._request.get_compiled_model().create_infer_request()
        return other

    def _set(self, name: str, value: NDArray[Any]) -> None:
        self._request.set_tensor(name, ov.Tensor(np.ascontiguousarray(value)))


class TextEncoder(Part):
    """CLIP (output 1, pooled: (1, D)) or T5 (output 0, per token: (1, L, D))."""

    def __init__(self, folder: Path, output: int, place: Place) -> None:
        super().__init__(place.read(folder), place)
        self._output = output

    def reshape(self, length: int) -> None:
        """Fix the ids' shape to (1, length)."""
        self._reshape({"input_ids": [1, length]})

    def __call__(self, ids: NDArray[np.int64]) -> Array:
        self._set("input_ids", ids)
        self._request.infer(share_outputs=True)
        # copied: the infer request reuses its buffer
        return np.array(self._request.get_output_tensor(self._output).data)


def lasting_inputs(
    text: Array, pooled: Array, image_ids: Array, guidance_scale: float | None
) -> dict[str, Array]:
    """Return the transformer's inputs that do not change during a generation, by their names.

    Args:
        text: (N, L, D).
        pooled: (N, P).
        image_ids: (tokens, 3).
        guidance_scale: None for a model that takes none.
    """
    inputs = {
        "encoder_hidden_states": text,
        "pooled_projections": pooled,
        "img_ids": image_ids,
        "txt_ids": np.zeros((text.shape[1], 3), np.float32),
    }
    if guidance_scale is not None:
        inputs["guidance"] = np.full(len(text), guidance_scale, np.float32)
    return inputs


def timestep(sigma: np.float32, train_timesteps: float) -> Array:
    """Return what the transformer takes for a noise level, float32 (1,)."""
    # the model takes timestep / 1000; both roundings to float32 are diffusers' and native's
    return np.array([sigma * np.float32(train_timesteps) / np.float32(1000)], np.float32)


class FluxTransformer(Part):
    """The denoiser. What does not change during a generation is set once by `start`."""

    def __init__(self, folder: FluxFolder, place: Place) -> None:
        super().__init__(place.read(folder.part("transformer")), place)
        self._folder = folder

    def reshape(self, batch: int, image_tokens: int, text_tokens: int) -> None:
        """Fix the shapes of all inputs."""
        assert self._model is not None, "reshape comes before compile"
        text_width, pooled_width = (
            self._model.input(name).get_partial_shape()[-1]
            for name in ("encoder_hidden_states", "pooled_projections")
        )
        shapes: dict[str, list[int | ov.Dimension]] = {
            "hidden_states": [batch, image_tokens, self._folder.in_channels],
            "encoder_hidden_states": [batch, text_tokens, text_width],
            "pooled_projections": [batch, pooled_width],
            "timestep": [1],
            "img_ids": [image_tokens, 3],
            "txt_ids": [text_tokens, 3],
        }
        if self._folder.guidance_embeds:
            shapes["guidance"] = [batch]
        self._reshape(shapes)

    def start(
        self,
        text: Array,
        pooled: Array,
        image_ids: Array,
        guidance_scale: float,
        train_timesteps: float,
    ) -> None:
        """Set the conditioning: text (N, L, D), pooled (N, P), image_ids (tokens, 3).

        `train_timesteps` is the timestep of noise alone.
        """
        self._train_timesteps = train_timesteps
        guidance = guidance_scale if self._folder.guidance_embeds else None
        for name, value in lasting_inputs(text, pooled, image_ids, guidance).items():
            self._set(name, value)
        self._latents = self._kept(
            "hidden_states", len(text), len(image_ids), self._folder.in_channels
        )
        self._timestep = self._kept("timestep", 1)

    def _kept(self, name: str, *shape: int) -> Array:
        """Give an input a tensor for all steps, which costs less than one for each."""
        tensor = ov.Tensor(ov.Type.f32, ov.Shape(shape))
        self._request.set_tensor(name, tensor)
        values: Array = tensor.data
        return values

    def __call__(self, latents: Array, sigma: np.float32) -> Array:
        """Return the velocity (N, tokens, channels): a view that the next call overwrites."""
        self._latents[:] = latents
        self._timestep[:] = timestep(sigma, self._train_timesteps)
        velocity: Array
        (velocity,) = self._request.infer(share_outputs=True).values()
        return velocity
