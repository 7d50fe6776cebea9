"""Models that commands draw with one after another, loaded once."""

from collections import defaultdict

import pytest

from taylorseer_ov import demo_model_path
from taylorseer_ov.pipelines.backends import Backends
from taylorseer_ov.pipelines.shared_models import SharedModels


@pytest.fixture(scope="module")
def demo_model_is_loaded_once():
    """Let pipelines of commands share equal models, as those made from one another do.

    Not for tests that look at loading. Each command makes a pipeline of its own; what it draws
    does not depend on who loaded the models (`tests/pipelines/test_sharing.py`). With low memory
    nothing stays loaded.
    """
    shared = defaultdict(SharedModels)
    make = Backends.__init__

    def make_and_share(backends, setup, requested):
        make(backends, setup, requested)
        if setup.folder.path == demo_model_path() and not setup.memory.low_memory:
            how = setup.devices, sorted(setup.properties.items()), setup.memory, setup.static
            backends._models = shared[repr((requested, how))]
            backends._models._users.add(make_and_share)  # stays when the command has left

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Backends, "__init__", make_and_share)
        yield
