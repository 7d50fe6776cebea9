"""Exports: from a diffusers folder or the hub to an OpenVINO folder, whole or not at all.

`export` has the steps: find the checkpoint, a diffusers folder (`checkpoint`, `hub`), fuse adapters
into it (`lora`), convert it (`conversion`) with its weights stored as asked (`compression`), prove
the result (`proof`), and only then let it appear (`output`). torch, diffusers and optimum-intel are
imported where they are used; everything that can be checked without them is checked first.

May import `pipelines`, to draw a first step, `flux` and the ground.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
