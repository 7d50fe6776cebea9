"""The doctor: what works on this machine and with this model folder, and what helps.

Examinations give findings (`finding`) of the machine, its packages and disk (`machine`), of its
devices with their known trouble (`device_check`), and of the model's files (`model_check`), and
`diagnosis` does them all and says what a generation would do. `model_summary` tells what a folder
holds. No model is loaded, nothing in a folder is executed, and trouble is something to find, not an
error to raise.

May import `pipelines`, `pictures`, `generation`, `caching`, `flux` and the ground.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
