"""What each task starts from where the model's folder names nothing else; openvino_genai's values.

Source: `initialize_generation_config` in `flux_pipeline.hpp` of openvino.genai, and what
`get_generation_config` of 2026.4 returns.
"""

from __future__ import annotations

from ..caching.config import TaylorSeerCacheConfig
from ..generation.settings import ImageGenerationConfig

# openvino_genai has cached in this task, and in no other, since 2026.2
DRAWING = ImageGenerationConfig(cache=TaylorSeerCacheConfig())
REDRAWING = ImageGenerationConfig(guidance_scale=7.0, strength=0.6)
FILLING = ImageGenerationConfig(guidance_scale=30.0, num_inference_steps=50)
