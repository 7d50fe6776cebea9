"""Generations: what is asked, what is decided, where it will run, and what happened.

`settings` has what a call may ask for and checks it, `given_config` reads a configuration that is
given whole, ours or openvino_genai's; `setup` has what a pipeline was constructed with, and
`properties` the OpenVINO properties among it. A `job` is one generation, decided before any work is
done, and `Generated` is what a backend hands back of it; `report` is the account for people, made
of it: a new figure is measured by the backends, carried by `Generated` and told here, and `metrics`
tells it under openvino_genai's names. `memory` tells beforehand whether it fits
(`pipelines.backends` and the doctor warn), `progress` how long it will still take, `environment`
what would draw it and in what that differs from another time.

These are values and sums: no model is loaded and nothing is drawn here.

May import `caching`, `flux` and the ground.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
