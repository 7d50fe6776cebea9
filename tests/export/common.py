"""What looks like a diffusers folder, LoRA files, and what the tests of exports look at."""

import json
from pathlib import Path

import numpy as np

PARTS = ("text_encoder", "text_encoder_2", "transformer", "vae_decoder", "vae_encoder")
HUB_ID = "black-forest-labs/FLUX.1-dev"
WIDTH = 128  # of the demo transformer
LAYERS = {
    "transformer_blocks.0.attn.to_q": (WIDTH, WIDTH),
    "transformer_blocks.0.ff.net.0.proj": (4 * WIDTH, WIDTH),
    "single_transformer_blocks.0.attn.to_k": (WIDTH, WIDTH),
    "single_transformer_blocks.0.proj_out": (WIDTH, 5 * WIDTH),
}


def write_source(folder: Path, shape=(10, 100)) -> Path:
    """Write what looks like a diffusers folder: an index, and the header of one weight file."""
    (folder / "transformer").mkdir(parents=True)
    index = {
        "_class_name": "FluxPipeline",
        "image_encoder": [None, None],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "transformer": ["diffusers", "FluxTransformer2DModel"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    header = json.dumps({"__metadata__": {}, "weight": {"dtype": "BF16", "shape": shape}}).encode()
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(len(header).to_bytes(8, "little") + header)
    return folder


def write_lora(path, layers, seed=0, rank=4, alpha=None):
    """Write a safetensors file with adapters for layers, {name: (outputs, inputs)}."""
    random, tensors = np.random.default_rng(seed), {}
    for name, (outputs, inputs) in layers.items():
        for kind, shape in (("lora_A", (rank, inputs)), ("lora_B", (outputs, rank))):
            tensors[f"{name}.{kind}.weight"] = 0.3 * random.standard_normal(shape)
        if alpha is not None:
            tensors[f"{name}.alpha"] = np.array(alpha)
    header, data = {}, b""
    for name, tensor in tensors.items():
        values = tensor.astype(np.float32).tobytes()
        header[f"transformer.{name}"] = {
            "dtype": "F32",
            "shape": tensor.shape,
            "data_offsets": [len(data), len(data) + len(values)],
        }
        data += values
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def raise_(error: BaseException):
    raise error


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
