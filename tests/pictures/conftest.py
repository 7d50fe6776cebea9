"""A picture with its recipe."""

import pytest

from tests.common import PROMPT
from tests.pictures.common import STEPS


@pytest.fixture(scope="session")
def drawn(pipeline):
    """A result whose recipe has a plan, made from a preset."""
    return pipeline.generate(PROMPT, cache="fast", **STEPS)


@pytest.fixture
def saved(drawn, tmp_path):
    (path,) = drawn.save(tmp_path)
    return path
