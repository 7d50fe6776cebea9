"""The models of Flux on the OpenVINO runtime: tokenizers, text encoders, transformer, VAE."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino_tokenizers  # noqa: F401  (registers its operations with every new Core)
from numpy.typing import NDArray

from .checks import known_device
from .model_folder import FluxFolder, read_json

Array = NDArray[np.float32]
Properties = Mapping[str, Any]
Draw = Callable[[tuple[int, ...]], Array]


def check_device(device: str) -> None:
    """Check that every device named in `"GPU"`, `"GPU.1"` or `"AUTO:GPU,CPU"` is there.

    Raises:
        ValueError: naming the device and those that are available.
    """
    known_device(device, ov.Core().available_devices)


@functools.cache
def device_name(device: str) -> str:
    """Return what a device is by its maker's name, or `device` itself if it is several."""
    try:
        return str(ov.Core().get_property(device, "FULL_DEVICE_NAME"))
    except RuntimeError:
        return device


def precision_bits(device: str, properties: Properties) -> int:
    """Return the width of the numbers a device computes in; 32 where it does not say."""
    hint = properties.get("INFERENCE_PRECISION_HINT")
    if hint is None:
        try:
            hint = ov.Core().get_property(device, "INFERENCE_PRECISION_HINT")
        except RuntimeError:
            return 32
    return 16 if "16" in str(hint) else 32


def has_own_memory(device: str) -> bool:
    """Whether a device is one that does not work in the system's memory."""
    try:
        return "DISCRETE" in str(ov.Core().get_property(device, "DEVICE_TYPE"))
    except RuntimeError:
        return False


class Tokenizer:
    """An OpenVINO tokenizer model, which turns a prompt into token ids, special tokens included."""

    def __init__(self, folder: Path) -> None:
        core = ov.Core()
        model = core.read_model(folder / "openvino_tokenizer.xml")
        self._request = core.compile_model(model, "CPU").create_infer_request()
        pad = model.get_rt_info("pad_token_id") if "pad_token_id" in model.rt_info else None
        self.pad_id = 0 if pad is None else int(pad.value)
        self._unknown_id = _unknown_id(folder / "tokenizer.json")

    def encode(self, prompt: str) -> list[int]:
        """Return the ids of a prompt of any length, the end token last."""
        self._request.infer([np.array([prompt])])
        ids: list[int] = self._request.get_tensor("input_ids").data[0].tolist()
        return ids

    def row(self, prompt: str, length: int) -> NDArray[np.int64]:
        """Return ids of shape (1, length): padded, or cut so that the end token stays last."""
        ids = self.encode(prompt)
        if len(ids) > length:
            ids = [*ids[: length - 1], ids[-1]]
        row = np.full((1, length), self.pad_id, np.int64)
        row[0, : len(ids)] = ids
        return row

    def unknown_words(self, prompt: str) -> list[str]:
        """Return the words of a prompt that the tokenizer has no token for."""
        if self._unknown_id is None or self._unknown_id not in self.encode(prompt):
            return []
        return [word for word in prompt.split() if self._unknown_id in self.encode(word)]


def _unknown_id(path: Path) -> int | None:
    """The id of the unknown token, which only the tokenizer's original file tells."""
    if not path.is_file():
        return None
    model = read_json(path).get("model")
    # byte-level tokenizers (CLIP) can spell every word, so they have no such id
    unknown = model.get("unk_id") if isinstance(model, dict) else None
    return unknown if isinstance(unknown, int) else None


class Part:
    """A model that is read, reshaped if wanted, and then compiled."""

    _request: ov.InferRequest

    def __init__(self, model: ov.Model, core: ov.Core, device: str, properties: Properties) -> None:
        self._model: ov.Model | None = model
        self._target = core, device, dict(properties)

    def _reshape(self, shapes: Mapping[str, list[int | ov.Dimension]]) -> None:
        assert self._model is not None, "reshape comes before compile"
        self._model.reshape({name: ov.PartialShape(shape) for name, shape in shapes.items()})

    def compile(self) -> None:
        """Compile for the device, and let go of what was read: its memory is wanted elsewhere."""
        core, device, properties = self._target
        self._request = core.compile_model(self._model, device, properties).create_infer_request()
        self._model = None

    def _set(self, name: str, value: NDArray[Any]) -> None:
        self._request.set_tensor(name, ov.Tensor(np.ascontiguousarray(value)))


class TextEncoder(Part):
    """CLIP (output 1, pooled: (1, D)) or T5 (output 0, per token: (1, L, D))."""

    def __init__(
        self, folder: Path, output: int, core: ov.Core, device: str, properties: Properties
    ) -> None:
        super().__init__(core.read_model(folder / "openvino_model.xml"), core, device, properties)
        self._output = output

    def reshape(self, length: int) -> None:
        """Fix the ids' shape to (1, length)."""
        self._reshape({"input_ids": [1, length]})

    def __call__(self, ids: NDArray[np.int64]) -> Array:
        self._set("input_ids", ids)
        self._request.infer()
        # copied: the infer request reuses its buffer
        return np.array(self._request.get_output_tensor(self._output).data)


class FluxTransformer(Part):
    """The denoiser. What does not change during a generation is set once by `start`."""

    def __init__(
        self, folder: FluxFolder, core: ov.Core, device: str, properties: Properties
    ) -> None:
        model = core.read_model(folder.path / "transformer" / "openvino_model.xml")
        super().__init__(model, core, device, properties)
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

    def start(self, text: Array, pooled: Array, image_ids: Array, guidance_scale: float) -> None:
        """Set the conditioning: text (N, L, D), pooled (N, P), image_ids (tokens, 3)."""
        self._set("encoder_hidden_states", text)
        self._set("pooled_projections", pooled)
        self._set("img_ids", image_ids)
        self._set("txt_ids", np.zeros((text.shape[1], 3), np.float32))
        if self._folder.guidance_embeds:
            self._set("guidance", np.full(len(text), guidance_scale, np.float32))

    def __call__(self, latents: Array, sigma: np.float32) -> Array:
        """Return the velocity (N, tokens, channels): a view that the next call overwrites."""
        train_timesteps = np.float32(self._folder.scheduler.num_train_timesteps)
        # the model takes timestep / 1000; both roundings to float32 are diffusers' and native's
        timestep = sigma * train_timesteps / np.float32(1000)
        self._set("hidden_states", latents)
        self._set("timestep", np.array([timestep], np.float32))
        self._request.infer()
        velocity: Array = self._request.get_output_tensor(0).data
        return velocity


class VaeEncoder(Part):
    """Pictures to latents."""

    def __init__(
        self, folder: FluxFolder, core: ov.Core, device: str, properties: Properties
    ) -> None:
        model = core.read_model(folder.path / "vae_encoder" / "openvino_model.xml")
        super().__init__(model, core, device, properties)
        self._folder = folder
        self._is_distribution = "latent_parameters" in model.output(0).get_names()

    def reshape(self, height: int, width: int) -> None:
        """Fix the picture's shape."""
        self._reshape({"sample": [1, 3, height, width]})

    def __call__(self, picture: Array, draw: Draw) -> Array:
        """Turn a picture (1, 3, H, W), from -1 to 1, into latents (1, C, h, w).

        The encoder gives a mean and a variance for each latent; `draw(shape)` gives the noise that
        picks one, as in diffusers and openvino_genai.
        """
        self._set("sample", picture)
        self._request.infer()
        latents: Array = self._request.get_output_tensor(0).data
        if self._is_distribution:
            mean, log_variance = np.split(latents, 2, axis=1)
            # in float64 because openvino_genai does so
            exponent = 0.5 * np.clip(log_variance, -30, 20).astype(np.float64)
            latents = mean + np.exp(exponent).astype(np.float32) * draw(mean.shape)
        shifted = latents - np.float32(self._folder.shift_factor)
        return shifted * np.float32(self._folder.scaling_factor)


class VaeDecoder(Part):
    """Latents (N, C, h, w) to pictures (N, H, W, 3), uint8, all inside the graph."""

    def __init__(
        self, folder: FluxFolder, core: ov.Core, device: str, properties: Properties
    ) -> None:
        super().__init__(read_vae_decoder(folder, core, ov.Type.u8), core, device, properties)

    def reshape(self, batch: int, channels: int, height: int, width: int) -> None:
        """Fix the latents' shape."""
        self._reshape({"latent_sample": [batch, channels, height, width]})

    def __call__(self, latents: Array) -> NDArray[np.uint8]:
        self._set("latent_sample", latents)
        self._request.infer()
        return np.array(self._request.get_output_tensor(0).data)


def read_vae_decoder(folder: FluxFolder, core: ov.Core, levels: ov.Type) -> ov.Model:
    """Read the decoder as latents (N, C, h, w) to pictures (N, H, W, 3).

    `levels` is the type of the grey levels: u8, or f32 for those that truncation makes u8.
    """
    decoder = core.read_model(folder.path / "vae_decoder" / "openvino_model.xml")
    return _with_post_processing(round_to_nearest(decoder), folder, levels)


def round_to_nearest(decoder: ov.Model) -> ov.Model:
    """Raise a decoder's output, in [-1, 1], by half a grey level.

    The conversion to uint8 that follows truncates, here and in openvino_genai; with this it rounds,
    as diffusers does. Changes the model in place and returns it.
    """
    from openvino import opset8 as ops

    result = decoder.get_results()[0]
    half_level = ops.constant(np.float32(1 / 255))
    names = decoder.output(0).get_names()
    raised = ops.add(result.input_value(0), half_level)
    result.input(0).replace_source_output(raised.output(0))
    raised.output(0).set_names(names)
    decoder.validate_nodes_and_infer_types()
    return decoder


def _with_post_processing(decoder: ov.Model, folder: FluxFolder, levels: ov.Type) -> ov.Model:
    """Append the scaling before and the picture conversion after the decoder, as native does.

    Source: `merge_vae_image_post_processing` in openvino.genai's `autoencoder_kl.cpp`.
    """
    from openvino import opset8 as ops
    from openvino.preprocess import PrePostProcessor

    processor = PrePostProcessor(decoder)
    if folder.scaling_factor != 1.0:
        processor.input().preprocess().scale(folder.scaling_factor)
    if folder.shift_factor != 0.0:
        processor.input().preprocess().mean(-folder.shift_factor)

    def to_grey_levels(output: ov.Output) -> ov.Output:
        half = ops.constant(np.float32(0.5))
        centred = ops.add(ops.multiply(output, half), half)
        clipped = ops.clamp(centred, 0.0, 1.0)
        return ops.multiply(clipped, ops.constant(np.float32(255))).output(0)

    processor.output().postprocess().custom(to_grey_levels)
    processor.output().postprocess().convert_element_type(levels)
    processor.output().model().set_layout(ov.Layout("NCHW"))
    processor.output().tensor().set_layout(ov.Layout("NHWC"))
    return processor.build()
