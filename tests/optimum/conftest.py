"""Pipelines of Optimum Intel, loaded once and without a cache at the end of each test."""

from functools import lru_cache

import pytest

from taylorseer_ov import disable_cache
from tests.optimum.common import load


@pytest.fixture(scope="session")
def loaded(exported):
    """Return a pipeline of the exported folder by its class, loaded when first asked for."""
    return lru_cache(lambda kind: load(kind, exported[0]))


def without_cache(pipeline):
    """No cache outlives its test."""
    yield pipeline
    disable_cache(pipeline)


@pytest.fixture
def flux(loaded):
    yield from without_cache(loaded("OVFluxPipeline"))


@pytest.fixture
def img2img(loaded):
    yield from without_cache(loaded("OVFluxImg2ImgPipeline"))


@pytest.fixture
def inpaint(loaded):
    yield from without_cache(loaded("OVFluxInpaintPipeline"))
