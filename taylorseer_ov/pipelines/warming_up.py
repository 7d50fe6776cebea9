"""The first run of every model, made while loading: it pays for memory and kernels.

On small pictures, so that it costs little beside loading; what depends on the size of the picture
is left for the first generation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..flux.latents import image_position_ids
from ..flux.noise import noise_source
from ..flux.tokenizer import Tokenizer
from ..generation.settings import MAX_TEXT_LENGTH
from ..generation.setup import MemoryOptions
from .models import LoopModels
from .side_by_side import way_of_loading

# tokens are dear to the transformer, pixels not to the VAE: sides of the pictures in latents
TRANSFORMER_SIDE, VAE_SIDE = 4, 16
TEXT_TOKENS = 8


def warm_up(
    models: LoopModels, tokenizers: tuple[Tokenizer, Tokenizer], max_sequence_length: int
) -> None:
    """Run every model once, unless that would load more than is loaded, or take a whole picture.

    Args:
        max_sequence_length: tokens that the T5 encoder will read, if nothing else is asked for.
    """
    setup, folder = models.setup, models.setup.folder
    whole_picture = setup.static is not None or "adapters" in setup.properties
    if whole_picture or replace(setup.memory, streams=1) != MemoryOptions():
        return
    pooled = models.encode_pooled("", tokenizers[0].row("", folder.clip_length))

    def run_transformer() -> None:
        transformer = models.transformer(None)
        text = np.zeros((1, TEXT_TOKENS, folder.text_width), np.float32)
        ids = image_position_ids(TRANSFORMER_SIDE // 2, TRANSFORMER_SIDE // 2)
        transformer.start(text, pooled, ids, guidance_scale=1.0, train_timesteps=1000)
        transformer(np.zeros((1, len(ids), folder.in_channels), np.float32), np.float32(1))

    def run_others() -> None:
        # the default length, which a call may well change: that would load the encoder once more
        if not (models.keeps_text_length and max_sequence_length == MAX_TEXT_LENGTH):
            models.encode_text("", tokenizers[1].row("", max_sequence_length))
        latents = np.zeros((1, folder.latent_channels, VAE_SIDE, VAE_SIDE), np.float32)
        models.vae_decoder(VAE_SIDE, VAE_SIDE)(latents)
        draw = noise_source(None, seed=0)  # imports openvino_genai where it draws
        if folder.task != "text to image":
            side = VAE_SIDE * folder.vae_scale
            models.vae_encoder()(np.zeros((1, 3, side, side), np.float32), draw)

    way_of_loading(folder)(run_transformer, run_others)
