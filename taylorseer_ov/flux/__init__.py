"""FLUX.1 itself: its folder, noise levels, latents, and its parts on the OpenVINO runtime.

A folder as optimum-intel exports it, or a hub has it (`hub`), is read and checked before any model
is loaded (`folder`, `folder_checks`). Sampling is numpy: noise levels and the Euler loop
(`sampling`), the file they are read from, for those who name it (`scheduler`), initial noise
(`noise`) and what draws it with openvino_genai's numbers (`generators`, `logf`), packing into
tokens (`latents`), pictures that are given (`picture_reading`), to start from (`initial_image`,
`starting_point`), and what of them goes over what was drawn (`overlay`). The parts are compiled for
a `Place`, a device and properties that `pipelines.models` chooses: text encoders and transformer
(`parts`), tokenizers (`tokenizer`), the autoencoder whole (`vae`) or in tiles (`tiled_vae`,
`tiling`). Those who put a pipeline together have the parts as openvino_genai does (`part_models`,
`part_folders`). What prompts were encoded to is kept by `embedding_cache`, what was compiled for
GPUs by `compiled_models`, among the user's `kept_files`; `devices` tells what OpenVINO knows of
them, `device_properties` what they do not take, `streams` how one computes several pictures at
once, and `one_thread` where its bfloat16 is dangerous. Nothing here knows of caching: a velocity is
whatever is called as `velocity(latents, sigma)`.

What a small model was trained on is in a file of its folder (`trained_on`).

May import the ground.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
