from .folder import FluxFolder as FluxFolder
from .folder import demo_model_path as demo_model_path
from .noise import NoiseGenerator as NoiseGenerator
from .noise import StandardNormalGenerator as StandardNormalGenerator
from .sampling import NoiseLevels as NoiseLevels
from .scheduler import Scheduler as Scheduler
