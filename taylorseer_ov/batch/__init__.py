"""Batches: many prompts into one folder, in as many sittings and processes as it takes.

`lines` makes lines of the bytes of a prompt file, which the command line has read. `checking` has a
pipeline decide every line before the first one is drawn. `folder` keeps the pictures, a manifest
that names each before it is there, and what waits for the next model. `sitting` is one process at
work: it claims lines, draws and publishes them. `run` puts these together, and may be ended and
called again at any moment. Machines share the work by `shard`, processes at one folder by the locks
of `files`.

May import `pipelines`, `pictures`, `generation`, `caching`, `flux` and the ground.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
