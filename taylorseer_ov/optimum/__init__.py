"""The cache in Optimum Intel's diffusion pipelines, from outside.

`enable_cache` puts a plan or a policy between a pipeline and its denoiser, `cache_report` tells
what that did, and `RecordableOptimumPipeline` shows a pipeline to `calibrate`.

| module | what it holds |
|---|---|
| `enable` | attach to a pipeline and let go of it; what `cache` may be |
| `folder` | a pipeline's denoiser, found by attributes, and the folder it was loaded from |
| `generation` | one generation: its steps, guidance branches and kept outputs |
| `report` | what was computed and what was forecast |
| `calibration` | a pipeline as `caching.recording.Recordable` |
| `diffusers_schedulers` | steps and noise levels, read from a scheduler of diffusers |
| `diffusers_configs` | diffusers' own cache configurations as plans |

Imports `caching` and the ground. Objects of optimum and diffusers are used as they are handed in,
and neither is imported; torch is, late, to seed the noise of a calibration.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
