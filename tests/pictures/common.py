"""What the tests of pictures and their recipes use."""

import numpy as np
from PIL import Image

SHORT = {"num_inference_steps": 3}
STEPS = {"num_inference_steps": 9}


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)
