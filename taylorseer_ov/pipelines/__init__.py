"""The public pipelines, their two backends, and which of them draws.

The way of a generation through the house:

1. `tasks`: `Text2ImagePipeline.generate(prompt, **settings)` is called. `loading` has read and
   checked the folder (`flux.folder`) when the pipeline was constructed; `task_defaults` has what
   each task starts from; `base` has how all of them generate.
2. `base.prepare` checks the settings (`generation.settings`), warns of what the model cannot read
   of the prompt (`prompts`), reads a given picture (`flux.initial_image`), computes the noise
   levels (`flux.sampling`) and has the cache decided (`caching.decision`: a preset, plan or
   policy). The outcome is a `generation.job.Job`.
3. `base.draw` asks `backends` which backend can do exactly this, and why (`native_limits`);
   `backends` loads the models, warning if they are unlikely to fit (`generation.memory`).
4. `native_backend` hands the job to openvino_genai, whose cache is a `TaylorSeerCacheConfig` and no
   plan. `python_backend` does it itself: `encoding` encodes the prompts, or finds what they were
   encoded to; `flux.starting_point` makes the first latents; `flux.sampling.euler` takes the steps
   with a velocity that stands before the transformer and runs it in some of them
   (`caching.cached_velocity`); the VAE decodes. It runs the models of openvino_genai where these
   are loaded (`native_models`, `native_vae`, `native_arguments`); else `models` decides where and
   with which properties our own are compiled, all at once or one at a time; `side_by_side` has two
   compiled at the same time, and `warming_up` runs each once while it loads.
5. Back in `base`, `generation.report` makes the account of what was `Generated`, `pictures.recipe`
   keeps how to draw it again, and `pictures.result` is what the caller gets.

`many` takes this way with several pictures at once, each in a thread (`in_order`), so that one is
decoded while the next is denoised, or several are denoised at once where the transformer is
compiled for streams (`flux.streams`). `recorded` is what a recipe keeps of the models.

`stages` takes step 4 apart, so that a batch loads each model once. Pipelines made from one another
have the same models (`shared_models`); `assembling` makes one of parts from several folders.
`other_models` hands on to openvino_genai what is no Flux.

May import `pictures`, `generation`, `caching`, `flux` and the ground.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
