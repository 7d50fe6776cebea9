"""Run Flux fast on Intel hardware: OpenVINO with TaylorSeer caching.

from taylorseer_ov import TaylorSeerCacheConfig, Text2ImagePipeline, demo_model_path

pipeline = Text2ImagePipeline(demo_model_path(), "CPU")
result = pipeline.generate(
    "a large red circle on a blue background", taylorseer_config=TaylorSeerCacheConfig()
)
result.images[0].save("circle.png")
print(result.report)
"""

from .calibration import calibrate
from .config import TaylorSeerCacheConfig
from .control import ErrorControl
from .generation import ImageGenerationConfig
from .memory import MemoryWarning
from .model_folder import ModelFolderError, demo_model_path
from .pipeline import PromptWarning, Text2ImagePipeline
from .plan import CachePlan
from .quality import psnr, ssim
from .report import GenerationReport, GenerationResult
from .schedule import InactiveCacheWarning, step_schedule

__all__ = [
    "CachePlan",
    "ErrorControl",
    "GenerationReport",
    "GenerationResult",
    "ImageGenerationConfig",
    "InactiveCacheWarning",
    "MemoryWarning",
    "ModelFolderError",
    "PromptWarning",
    "TaylorSeerCacheConfig",
    "Text2ImagePipeline",
    "calibrate",
    "demo_model_path",
    "psnr",
    "ssim",
    "step_schedule",
]
__version__ = "0.1.0"
