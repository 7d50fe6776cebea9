"""Prompts to what conditions the transformer, or to what they were encoded to before."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from ..arrays import Array
from ..flux.devices import precision_bits
from ..flux.embedding_cache import EmbeddingCache, content_key
from ..flux.tokenizer import Tokenizer
from ..generation.job import Job
from ..generation.setup import Setup
from .models import LoopModels


@dataclass(frozen=True)
class Conditioning:
    """An encoded prompt: `text` (1, L, D) for every token, `pooled` (1, P) for the whole."""

    text: Array
    pooled: Array


class PromptEncoder:
    """The text encoders, and the folder in which what they return is kept, if there is one."""

    def __init__(self, models: LoopModels, tokenizers: tuple[Tokenizer, Tokenizer]) -> None:
        self._models, self._tokenizers = models, tokenizers
        folder = models.setup.memory.embedding_cache
        self._embeddings = None if folder is None else EmbeddingCache(folder)
        # everything beside the tokens that goes into the key of what is kept
        self._encoders = b"" if folder is None else _describe_encoders(models.setup)

    def pooled(self, job: Job) -> Array:
        """Encode the prompt for CLIP: (1, P)."""
        row = self._tokenizers[0].row(job.prompt, self._models.setup.folder.clip_length)
        return self._kept("pooled", row, lambda: self._models.encode_pooled(job.prompt, row))

    def text(self, job: Job) -> Array:
        """Encode the prompt for T5: (1, L, D)."""
        row = self._tokenizers[1].row(job.prompt_2, job.settings.max_sequence_length)
        return self._kept("text", row, lambda: self._models.encode_text(job.prompt_2, row))

    def _kept(self, name: str, row: NDArray[np.int64], encode: Callable[[], Array]) -> Array:
        """Fetch what a row of token ids was encoded to before, or encode it and keep that."""
        if self._embeddings is None:
            return encode()
        key = content_key(self._encoders, name.encode(), row.tobytes())
        kept = self._embeddings.get(key)
        if kept is not None:
            return kept[name]
        encoded = encode()
        self._embeddings.put(key, **{name: encoded})
        return encoded


def _describe_encoders(setup: Setup) -> bytes:
    """Everything beside the tokens that an encoded prompt depends on, to the last bit."""
    core = ov.Core()
    device, properties = setup.devices.text_encode, setup.encoder_properties
    machine = [core.get_property(name, "FULL_DEVICE_NAME") for name in core.available_devices]
    described = [
        [setup.folder.fingerprint(part) for part in ("text_encoder", "text_encoder_2")],
        [device, precision_bits(device, properties)],
        sorted((name, str(value)) for name, value in properties.items()),
        [machine, setup.static is not None, ov.get_version()],
    ]
    return json.dumps(described).encode()
