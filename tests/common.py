"""What many tests use: a prompt, float32, the repository, its samples, untrained models."""

import runpy
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PROMPT = "a large red circle on a blue background"
# the default on some processors is bfloat16, in which two ways of computing need not agree
F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def run_sample(name, *words):
    """Run a sample as `python samples/NAME WORDS` would, but here, where models are compiled."""
    path = str(REPOSITORY / "samples" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [path, *map(str, words)])
        runpy.run_path(path, run_name="__main__")


def save_untrained(work, **changes):
    """Write an untrained Flux of two blocks as a diffusers folder, its weights rounded to float16.

    `changes` are made to the transformer's configuration.
    """
    import gc

    import torch
    from diffusers import FluxTransformer2DModel

    from scripts.demo import text as demo_text
    from scripts.demo import train_model as demo

    gc.freeze()  # an export collects garbage 20 times: not among all that was imported
    torch.manual_seed(0)
    spiece = work / "spiece"
    model = demo.DemoFlux(demo_text.build_clip_tokenizer(), demo_text.build_t5_tokenizer(spiece))
    config = {"num_layers": 1, "num_single_layers": 1} | changes
    trained = {k: v for k, v in model.transformer.config.items() if not k.startswith("_")}
    model.transformer = FluxTransformer2DModel(**(trained | config))
    vae = demo.build_vae()
    # an untrained decoder's pictures are grey: spread them, so that differences show
    vae.decoder.conv_out.weight.data *= 4
    return demo.save_pipeline(work, vae.eval(), model.eval())
