"""What the tests of pipelines draw with, and how native's latents are compared."""

import time

import numpy as np

from taylorseer_ov import TaylorSeerCacheConfig

SHORT = {"num_inference_steps": 4}
QUICK_CACHE = TaylorSeerCacheConfig(3, 2, -1)


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
