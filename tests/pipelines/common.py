"""What the tests of pipelines draw with, and how native's latents are compared."""

import time

import numpy as np

from taylorseer_ov import (
    Image2ImagePipeline,
    InpaintingPipeline,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
)

SHORT = {"num_inference_steps": 4}
QUICK_CACHE = TaylorSeerCacheConfig(3, 2, -1)
PIPELINES = [Text2ImagePipeline, Image2ImagePipeline, InpaintingPipeline]
NATIVE_PARTS = ["CLIPTextModel", "T5EncoderModel", "FluxTransformer2DModel", "AutoencoderKL"]


def given(kind):
    """A picture and a mask, as far as a pipeline takes them."""
    picture = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    mask = np.zeros((128, 128), np.uint8)
    mask[20:90, 10:80] = 255
    return [picture, mask][: PIPELINES.index(kind)]


class Counting:
    """A class of openvino_genai that counts how often it is called."""

    def __init__(self, kind, counts):
        self._kind, self._counts = kind, counts

    def __call__(self, *arguments, **named):
        self._counts[self._kind.__name__] += 1
        return self._kind(*arguments, **named)

    def __getattr__(self, name):
        return getattr(self._kind, name)


def assert_native_has_the_latents(ours, draw):
    """Compare the latents of each step, by its number, with those `draw(callback)` hands on."""
    theirs = {}

    def callback(step, num_steps, latents):
        theirs[step] = np.array(latents.data)
        return False

    # Native drops callbacks at the end of a generation, so it takes a few to see every step.
    for _ in range(60):
        draw(callback)
        time.sleep(0.01)
        if len(theirs) == len(ours):
            break
    assert len(theirs) >= len(ours) - 1
    for step, latents in theirs.items():
        assert np.array_equal(latents, ours[step]), f"step {step}"
