"""What the tests of pipelines draw with."""

from taylorseer_ov import TaylorSeerCacheConfig

SHORT = {"num_inference_steps": 4}
QUICK_CACHE = TaylorSeerCacheConfig(3, 2, -1)
