"""Arrays as they are passed from room to room."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]  # latents, velocities, embeddings
Matrix = NDArray[np.float64]  # weights and inner products
Pictures = NDArray[np.uint8]  # (N, height, width, 3)
Arrays = Mapping[str, NDArray[Any]]  # by name, as an .npz file has them
