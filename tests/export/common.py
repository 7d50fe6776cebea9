"""What looks like a diffusers folder, and what the tests of exports look at."""

import json
from pathlib import Path

PARTS = ("text_encoder", "text_encoder_2", "transformer", "vae_decoder", "vae_encoder")
HUB_ID = "black-forest-labs/FLUX.1-dev"


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


def raise_(error: BaseException):
    raise error


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
