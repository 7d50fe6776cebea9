"""Run Flux fast on Intel hardware: OpenVINO with TaylorSeer caching.

from taylorseer_ov import TaylorSeerCacheConfig, Text2ImagePipeline, demo_model_path

pipeline = Text2ImagePipeline(demo_model_path(), "CPU")
result = pipeline.generate(
    "a large red circle on a blue background", taylorseer_config=TaylorSeerCacheConfig()
)
result.images[0].save("circle.png")
print(result.report)
"""

from .batch.run import run_batch
from .caching.calibration import calibrate
from .caching.config import TaylorSeerCacheConfig
from .caching.error_control import ErrorControl
from .caching.plan import CachePlan
from .caching.presets import CalibrationWarning
from .caching.schedule import InactiveCacheWarning, step_schedule
from .flux.folder import demo_model_path
from .generation.memory import MemoryWarning
from .generation.report import GenerationReport
from .generation.settings import ImageGenerationConfig
from .model_files import ModelFolderError
from .optimum.enable import cache_report, disable_cache, enable_cache
from .optimum.report import CacheReport
from .pictures.quality import psnr, ssim
from .pictures.recipe import Recipe, RecipeError
from .pictures.result import GenerationResult
from .pipelines.base import PromptWarning
from .pipelines.tasks import Image2ImagePipeline, InpaintingPipeline, Text2ImagePipeline
from .version import __version__ as __version__

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
