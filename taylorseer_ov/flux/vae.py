"""The autoencoder on the OpenVINO runtime."""

from __future__ import annotations

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from ..arrays import Array
from .folder import FluxFolder
from .noise import Draw
from .parts import Part, Place


class VaeEncoder(Part):
    """Pictures to latents."""

    def __init__(self, folder: FluxFolder, place: Place) -> None:
        model = place.read(folder.part("vae_encoder"))
        super().__init__(model, place)
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
        self._request.infer(share_outputs=True)
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

    def __init__(self, folder: FluxFolder, place: Place) -> None:
        super().__init__(read_vae_decoder(folder, place, ov.Type.u8), place)

    def reshape(self, batch: int, channels: int, height: int, width: int) -> None:
        """Fix the latents' shape."""
        self._reshape({"latent_sample": [batch, channels, height, width]})

    def __call__(self, latents: Array) -> NDArray[np.uint8]:
        self._set("latent_sample", latents)
        self._request.infer(share_outputs=True)
        return np.array(self._request.get_output_tensor(0).data)


def read_vae_decoder(folder: FluxFolder, place: Place, levels: ov.Type) -> ov.Model:
    """Read the decoder as latents (N, C, h, w) to pictures (N, H, W, 3).

    `levels` is the type of the grey levels: u8, or f32 for those that truncation makes u8.
    """
    decoder = place.read(folder.part("vae_decoder"))
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
