"""Batches: many prompts into one folder, in as many sittings and processes as it takes.

`lines` makes lines of the bytes of a prompt file, which the command line opens. `checking` has a
pipeline decide what each line comes to, `identity` tells which lines are the same, and `warned`
what many are warned of. `manifest` has what is known of every line, and names each picture before
it is there; `folder` keeps that, the pictures, and what waits for the next model. `sitting` is one
process at work on its `share`: it claims lines, draws and publishes them. `run` puts these
together, and may be ended and called again at any moment. Machines share the work by `shard`,
processes at one folder by the locks of `files`.

Lines are read, checked and drawn some thousands at a time: there may be millions, and a line costs
the same however many there are.

May import `pipelines`, `pictures`, `generation`, `caching`, `flux` and the ground.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
