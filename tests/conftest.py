"""Shared fixtures: the demo model is real, small and always there."""

import gc
import json
import os
import shutil
import sys

import pytest

import taylorseer_ov
from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.generation.setup import Setup
from tests.common import F32, PROMPT, REPOSITORY, save_untrained

pytest.register_assert_rewrite(
    "tests.batch.common", "tests.pipelines.common", "tests.same_as_native.common"
)
# for `scripts`; last, so that an installed taylorseer_ov is tested and not the one beside it
sys.path.append(str(REPOSITORY))


def pytest_report_header():
    return f"taylorseer_ov: {taylorseer_ov.__file__}"


def pytest_collection_finish():
    """Let no collection of garbage, which pipelines ask for, go through all that was imported."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def same_packages_in_processes(tmp_path_factory):
    """Processes that tests start import what this one imports, not what is in the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_was_learned(tmp_path_factory):
    """What the user of this machine has learned is neither read nor changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAYLORSEER_OV_DATA_DIR", str(tmp_path_factory.mktemp("nothing_learned")))
        yield


@pytest.fixture
def user_folder(tmp_path, monkeypatch):
    """An empty folder, made when first written into, for what is learned in a test."""
    folder = tmp_path / "of the user"
    monkeypatch.setenv("TAYLORSEER_OV_DATA_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A folder of compiled models: pass it on where openvino_genai or a process compiles."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="session", autouse=True)
def compiled_models_are_kept(compiled):
    """Compile each model once for both backends; OpenVINO knows it by content and properties."""
    kept = {"CACHE_DIR": str(compiled)}
    make = Setup.__init__

    def make_with_cache(setup, *arguments, **named):
        make(setup, *arguments, **named)
        object.__setattr__(setup, "properties", kept | dict(setup.properties))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Setup, "__init__", make_with_cache)
        yield make  # for tests of what is kept where nobody says so


@pytest.fixture(scope="session")
def pipeline():
    """The demo model on the Python backend, in float32, for tests that leave it as it is."""
    return Text2ImagePipeline(demo_model_path(), backend="python", **F32)


@pytest.fixture
def model_copy(tmp_path):
    """A copy of the demo model that a test may break."""
    return shutil.copytree(demo_model_path(), tmp_path / "model")


@pytest.fixture(scope="session")
def drawn(pipeline):
    """A result whose recipe has a plan, made from a preset."""
    return pipeline.generate(PROMPT, cache="fast", num_inference_steps=9)


@pytest.fixture
def saved(drawn, tmp_path):
    """A picture of it, with its recipe."""
    (path,) = drawn.save(tmp_path)
    return path


# --- for tests marked `export` ---


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory):
    """An untrained Flux as a diffusers folder."""
    return save_untrained(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="session")
def exported(pipeline_folder, tmp_path_factory):
    """The folder exported by default, and the lines of progress."""
    from taylorseer_ov.export.export import export_model

    lines = []
    folder = tmp_path_factory.mktemp("exported") / "model"
    return export_model(pipeline_folder, folder, verify=True, say=lines.append), lines


@pytest.fixture(scope="session")
def fill_folder(tmp_path_factory):
    """An untrained Flux Fill as a diffusers folder."""
    folder = save_untrained(tmp_path_factory.mktemp("fill"), in_channels=384, out_channels=64)
    path = folder / "model_index.json"
    index = json.loads(path.read_text()) | {"_class_name": "FluxFillPipeline"}
    del index["image_encoder"], index["feature_extractor"]
    path.write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="session")
def exported_fill(fill_folder, tmp_path_factory):
    """That folder exported by default."""
    from taylorseer_ov.export.export import export_model

    return export_model(
        fill_folder, tmp_path_factory.mktemp("exported_fill") / "model", verify=True
    )


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory):
    """Return where a family's tiny model is, exported when first asked for."""
    import gc
    from functools import lru_cache

    from tests.optimum import models as optimum_models

    gc.freeze()  # an export collects garbage 20 times: not among all that was imported

    @lru_cache
    def folder(family):
        return optimum_models.export(family, tmp_path_factory.mktemp(family))

    return folder
