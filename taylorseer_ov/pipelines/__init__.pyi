from .prompts import PromptWarning as PromptWarning
from .prompts import UntrainedWarning as UntrainedWarning
from .tasks import Image2ImagePipeline as Image2ImagePipeline
from .tasks import InpaintingPipeline as InpaintingPipeline
from .tasks import Text2ImagePipeline as Text2ImagePipeline
