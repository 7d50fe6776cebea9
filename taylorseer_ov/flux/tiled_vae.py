"""A VAE decoder that works through large pictures in tiles: a fraction of the memory, no seams.

Tiles decoded on their own differ in tone, for group normalization divides each by statistics of its
own. Here all tiles are normalized by the same ones, those of a sample: one tile put together from
short runs of latents from all over the picture. With the statistics of the whole picture instead,
tiles equal the whole decode to one grey level in 255 (convolutions alone; a global attention, which
FLUX.1's decoder has in its middle, sees its tile only). What remains is the sample's error, a
slight change of contrast all over the picture; `tests/flux/test_tiling.py` says how large it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from ..arrays import Array
from .folder import FluxFolder
from .parts import Part, Place
from .tiling import decode_by_tiles, sample_tile, tile_size
from .vae import read_vae_decoder


class TiledVaeDecoder(Part):
    """Latents (N, C, h, w) larger than a tile to pictures (N, H, W, 3), uint8."""

    def __init__(self, folder: FluxFolder, place: Place) -> None:
        model, groups = _with_shared_statistics(read_vae_decoder(folder, place, ov.Type.f32))
        super().__init__(model, place)
        self._scale = folder.vae_scale
        self._unknown = [np.zeros((2, 1, count, 1), np.float32) for count in groups]

    def reshape(self, channels: int, height: int, width: int) -> None:
        """Fix the shape to that of the tiles of latents (height, width)."""
        self._reshape({"latent_sample": [1, channels, *tile_size(height, width)]})

    def __call__(self, latents: Array) -> NDArray[np.uint8]:
        return np.concatenate([self._decode(latents[k : k + 1]) for k in range(len(latents))])

    def _decode(self, latents: Array) -> NDArray[np.uint8]:
        self._share(self._unknown, False)
        self._run(sample_tile(latents))
        outputs = range(1, len(self._unknown) + 1)
        statistics = [np.array(self._request.get_output_tensor(k).data) for k in outputs]
        self._share(statistics, True)
        levels = decode_by_tiles(self._run, latents, self._scale)
        # they are already raised by the half that makes truncating rounding; the rest is for
        # weights that sum to a little less than one: white must stay 255
        return (levels + np.float32(1e-3)).astype(np.uint8)

    def _share(self, statistics: list[Array], shared: bool) -> None:
        self._set("shared", np.array([shared]))
        for layer, values in enumerate(statistics):
            self._set(f"statistics.{layer}", values)

    def _run(self, latents: Array) -> Array:
        """Return the grey levels of a tile: a view that the next call overwrites."""
        self._set("latent_sample", latents)
        self._request.infer(share_outputs=True)
        levels: Array = self._request.get_output_tensor(0).data
        return levels


def _with_shared_statistics(decoder: ov.Model) -> tuple[ov.Model, list[int]]:
    """Let every group normalization take its statistics from an input and give out its own.

    The inputs `statistics.0` and so on, and the outputs after the first, are mean and variance by
    group, (2, 1, groups, 1). They are used if the input `shared`, a boolean, is true. Changes the
    model in place; returns it and each layer's number of groups.
    """
    shared = ops.parameter([1], ov.Type.boolean, name="shared")
    inputs, outputs = [shared], []
    groups: list[int] = []
    for node in decoder.get_ordered_ops():
        if node.get_type_name() != "GroupNormalization":
            continue
        given, own, normalized = _group_normalization(node, shared)
        given.output(0).set_names({f"statistics.{len(groups)}"})
        for reader in node.output(0).get_target_inputs():
            reader.replace_source_output(normalized)
        inputs.append(given)
        outputs.append(ops.result(own))
        groups.append(node.get_attributes()["num_groups"])
    shared.output(0).set_names({"shared"})
    decoder.add_parameters(inputs)
    decoder.add_results(outputs)
    decoder.validate_nodes_and_infer_types()
    return decoder, groups


def _group_normalization(node: Any, shared: Any) -> tuple[Any, Any, ov.Output]:
    """Spell out a normalization: the parameter, the layer's own statistics, the output."""
    features, scale, bias = node.input_values()
    groups = node.get_attributes()["num_groups"]
    shape = features.get_partial_shape()
    channels = shape[1].get_length()
    # (N, C, h, w) between convolutions, (N, C, tokens) before an attention
    channel_axis = np.array([1, channels, *[1] * (shape.rank.get_length() - 2)])
    given = ops.parameter([2, 1, groups, 1], np.float32)

    grouped = ops.reshape(features, np.array([0, groups, -1]), True)
    mean = ops.reduce_mean(grouped, np.array([2]), True)
    deviation = ops.subtract(grouped, mean)
    variance = ops.reduce_mean(ops.multiply(deviation, deviation), np.array([2]), True)
    own = ops.concat([ops.unsqueeze(value, np.array(0)) for value in (mean, variance)], 0)

    def along_channels(value: Any) -> Any:
        return ops.reshape(value, channel_axis, False)

    def by_channel(value: Any) -> Any:
        return along_channels(ops.broadcast(value, np.array([1, groups, channels // groups])))

    statistics = ops.select(shared, given, own)
    mean, variance = (ops.gather(statistics, np.array(k), np.array(0)) for k in (0, 1))
    epsilon = np.float32(node.get_attributes()["epsilon"])
    divisor = ops.sqrt(ops.add(variance, epsilon))
    centred = ops.subtract(features, by_channel(mean))
    factor = ops.divide(along_channels(scale), by_channel(divisor))
    normalized = ops.add(ops.multiply(centred, factor), along_channels(bias))
    return given, own, normalized.output(0)
