"""Run Flux fast on Intel hardware: OpenVINO with TaylorSeer caching.

from taylorseer_ov import TaylorSeerCacheConfig, Text2ImagePipeline, demo_model_path

pipeline = Text2ImagePipeline(demo_model_path(), "CPU")
result = pipeline.generate(
    "a large red circle on a blue background", taylorseer_config=TaylorSeerCacheConfig()
)
result.images[0].save("circle.png")
print(result.report)

The rooms, from the bottom: `caching` and `flux`, `generation`, `pictures`, `pipelines`; on these
`batch`, `doctor`, `export` and `cli`; `optimum` stands on `caching` alone. Each says in its
docstring what belongs there and what it may import. Any room may import the ground, the modules
beside this file: `files` (whole writes, locks), `checks` (of values), `genai` (what the installed
openvino_genai can do), `native_names` (its names, handed through), `model_files` (JSON and
fingerprints), `learned_files` (where what was learned lies), `arrays`, `version`, `warning`.
"""

import lazy_loader

from .version import __version__ as __version__

ROOMS = (
    "batch",
    "caching",
    "doctor",
    "export",
    "flux",
    "generation",
    "optimum",
    "pictures",
    "pipelines",
)
# nothing is loaded before it is used; `__init__.pyi` says where the names live
__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = [name for name in _names if name not in (*ROOMS, "__version__")]
