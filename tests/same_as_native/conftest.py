"""One body for two packages: openvino_genai goes first, then taylorseer_ov is held against it."""

import importlib
import shutil
from functools import lru_cache

import pytest

from taylorseer_ov import demo_model_path
from tests.common import F32
from tests.same_as_native.common import NATIVE, OURS, Same


@pytest.fixture(scope="package", params=[NATIVE, OURS])
def genai(request):
    """The package that a test imports as openvino_genai."""
    return importlib.import_module(request.param)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The demo model without defaults of its own, so that both packages take openvino_genai's."""
    own = shutil.ignore_patterns("generation_config.json")
    return shutil.copytree(demo_model_path(), tmp_path_factory.mktemp("same") / "flux", ignore=own)


@pytest.fixture(scope="session")
def properties(compiled):
    """OpenVINO properties for equal numbers; what one package compiles, the other finds."""
    return F32 | {"CACHE_DIR": str(compiled)}


@pytest.fixture(scope="session")
def recorded():
    """What openvino_genai gave, by test."""
    return {}


@pytest.fixture
def same(request, genai, recorded):
    """Keep what openvino_genai gives, and compare with it what taylorseer_ov gives."""
    test = request.node.nodeid.replace(genai.__name__, "genai")
    if genai.__name__ == NATIVE:
        recorded[test] = []
    assert test in recorded, "this test compares with openvino_genai: run that part of it too"
    return Same(recorded[test], genai.__name__ == NATIVE)


@pytest.fixture(scope="package")
def pipelines(genai, model, properties):
    """Return the pipeline of a name, loaded when it is first asked for."""
    return lru_cache(lambda name: getattr(genai, name)(model, "CPU", **properties))


@pytest.fixture
def text2image(pipelines):
    """A pipeline whose settings are afterwards what they were."""
    yield from settings_restored(pipelines("Text2ImagePipeline"))


@pytest.fixture
def image2image(pipelines):
    yield from settings_restored(pipelines("Image2ImagePipeline"))


@pytest.fixture
def inpainting(pipelines):
    yield from settings_restored(pipelines("InpaintingPipeline"))


def settings_restored(pipeline):
    settings = pipeline.get_generation_config()
    yield pipeline
    pipeline.set_generation_config(settings)
