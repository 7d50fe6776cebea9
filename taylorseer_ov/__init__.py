"""Run Flux fast on Intel hardware: OpenVINO with TaylorSeer caching.

from taylorseer_ov import TaylorSeerCacheConfig, Text2ImagePipeline, demo_model_path

pipeline = Text2ImagePipeline(demo_model_path(), "CPU")
result = pipeline.generate(
    "a large red circle on a blue background", taylorseer_config=TaylorSeerCacheConfig()
)
result.images[0].save("circle.png")
print(result.report)
"""

from .batch import run_batch
from .calibration import calibrate
from .config import TaylorSeerCacheConfig
from .control import ErrorControl
from .flux_pipeline import PromptWarning
from .generation import ImageGenerationConfig
from .memory import MemoryWarning
from .model_folder import ModelFolderError, demo_model_path
from .optimum import cache_report, disable_cache, enable_cache
from .optimum_report import CacheReport
from .pipeline import Image2ImagePipeline, InpaintingPipeline, Text2ImagePipeline
from .plan import CachePlan
from .presets import CalibrationWarning
from .quality import psnr, ssim
from .recipe import Recipe, RecipeError
from .report import GenerationReport, GenerationResult
from .schedule import InactiveCacheWarning, step_schedule

__all__ = [
    "CachePlan",
    "CacheReport",
    "CalibrationWarning",
    "ErrorControl",
    "GenerationReport",
    "GenerationResult",
    "Image2ImagePipeline",
    "ImageGenerationConfig",
    "InactiveCacheWarning",
    "InpaintingPipeline",
    "MemoryWarning",
    "ModelFolderError",
    "PromptWarning",
    "Recipe",
    "RecipeError",
    "TaylorSeerCacheConfig",
    "Text2ImagePipeline",
    "cache_report",
    "calibrate",
    "demo_model_path",
    "disable_cache",
    "enable_cache",
    "psnr",
    "run_batch",
    "ssim",
    "step_schedule",
]
__version__ = "0.1.0"
