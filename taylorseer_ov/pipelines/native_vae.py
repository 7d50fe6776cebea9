"""The autoencoder as openvino_genai takes it, with pixels that are rounded instead of cut."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from ..flux.folder import FluxFolder
from ..flux.vae import round_to_nearest


def rounding_vae(genai: Any, folder: FluxFolder, encodes: bool) -> Any:
    """Load a VAE whose decoder's pixels are rounded; see `vae.round_to_nearest`."""
    core = ov.Core()
    decoder = folder.part("vae_decoder")
    models = [round_to_nearest(core.read_model(decoder / "openvino_model.xml"))]
    if encodes:
        models.insert(0, core.read_model(folder.part("vae_encoder") / "openvino_model.xml"))
    serialized = [part for model in models for part in _serialized(model)]
    return genai.AutoencoderKL(*serialized, genai.AutoencoderKL.Config(decoder / "config.json"))


def _serialized(model: ov.Model) -> tuple[str, Any]:
    """A model as its description and its weights."""
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "model.xml"
        ov.serialize(model, xml)
        weights = ov.Tensor(np.fromfile(xml.with_suffix(".bin"), np.uint8))
        return xml.read_text(encoding="utf-8"), weights
