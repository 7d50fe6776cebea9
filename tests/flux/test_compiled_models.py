"""What is compiled for GPUs is kept. There is none here, so that the processor plays one."""

import os
import subprocess
import sys

import numpy as np
import pytest

from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.doctor.machine import Machine, check_disk
from taylorseer_ov.flux import compiled_models
from taylorseer_ov.flux.compiled_models import (
    compile_kept,
    compiled_folder,
    is_kept_for,
    kept_bytes,
)
from taylorseer_ov.flux.folder import FluxFolder
from taylorseer_ov.generation.setup import Setup
from tests.common import F32, PROMPT
from tests.doctor.common import CPU, IRIS, machine

FOLDER = FluxFolder.read(demo_model_path())
BACKENDS = ["python", pytest.param("native", marks=pytest.mark.native)]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path, compiled_models_are_kept):
    """The user's cache folder, in a place of the test's own, and no other one said."""
    monkeypatch.setattr(Setup, "__init__", compiled_models_are_kept)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    assert tmp_path in compiled_folder().parents
    return tmp_path


@pytest.fixture
def as_gpu(monkeypatch):
    """As if the processor were a GPU."""
    monkeypatch.setattr(compiled_models, "is_kept_for", lambda device: device == "CPU")


def blobs():
    return sorted(compiled_folder().glob("*/*"))


def draw(backend, **properties):
    pipeline = Text2ImagePipeline(demo_model_path(), "CPU", backend=backend, **(F32 | properties))
    return pipeline.generate(PROMPT, num_inference_steps=2, cache=None)


@pytest.mark.parametrize(
    ("device", "kept"),
    [
        ("GPU", True),
        ("GPU.1", True),
        ("AUTO:GPU.0,GPU.1", True),
        ("BATCH:GPU(4)", True),
        ("CPU", False),
        ("NPU", False),
        ("AUTO", False),
        ("AUTO:GPU,CPU", False),
        ("HETERO:GPU,CPU", False),
    ],
)
def test_for_gpus_alone(device, kept):
    assert is_kept_for(device) is kept


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_start_takes_what_the_first_has_kept(as_gpu, backend):
    first = draw(backend)
    written = {path: path.stat().st_mtime_ns for path in blobs()}
    assert {path.parent.name for path in written} == {FOLDER.fingerprint()}
    assert len(written) == 4  # two encoders, the transformer and the VAE
    second = draw(backend)
    assert np.array_equal(first.data, second.data)
    assert {path: path.stat().st_mtime_ns for path in blobs()} == written
    # where it is kept tells of a person and nothing of a picture
    assert first.recipe.environment == second.recipe.environment
    assert "CACHE_DIR" not in first.recipe.environment.properties


def test_nothing_is_kept_for_a_processor_or_where_it_was_said(as_gpu, monkeypatch, tmp_path):
    draw("python", CACHE_DIR="")
    draw("python", CACHE_DIR=str(tmp_path / "own"))
    assert list((tmp_path / "own").iterdir())
    monkeypatch.setattr(compiled_models, "is_kept_for", is_kept_for)
    draw("python")
    assert not compiled_folder().exists()


def test_a_folder_that_cannot_be_written_costs_only_time(as_gpu, cache):
    compiled_folder().parent.mkdir(parents=True)
    compiled_folder().write_text("a file")
    draw("python")
    assert compiled_folder().is_file()


def test_what_openvino_complains_of_is_done_without(as_gpu, monkeypatch, tmp_path):
    given = []

    def compile_with(properties):
        given.append(properties)
        if "CACHE_DIR" in properties:
            raise RuntimeError("Couldn't create directory")
        return "compiled"

    assert compile_kept(compile_with, "CPU", F32, FOLDER) == "compiled"
    assert given == [{**F32, "CACHE_DIR": str(compiled_folder() / FOLDER.fingerprint())}, F32]


FULL_DISK = """
import resource, signal
from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.flux import compiled_models

compiled_models.is_kept_for = lambda device: True
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
pipeline = Text2ImagePipeline(demo_model_path(), "CPU", backend="python")
print(pipeline.generate("a red circle", num_inference_steps=1, cache=None).data.shape)
"""


@pytest.mark.posix
def test_a_disk_that_is_full_costs_only_time(cache):
    run = subprocess.run([sys.executable, "-c", FULL_DISK], capture_output=True, text=True)
    assert run.stdout == "(1, 128, 128, 3)\n", run.stderr
    assert all(path.stat().st_size <= 50_000 for path in blobs())


def test_the_least_recently_used_models_go(as_gpu, monkeypatch):
    for age, model in enumerate(("newest", "older", "oldest")):
        place = compiled_folder() / model
        place.mkdir(parents=True)
        (place / "1.blob").write_bytes(bytes(1000))
        os.utime(place / "1.blob", (1, 1))  # written once, used since
        os.utime(place, (1000 - age, 1000 - age))
    assert kept_bytes() == 3000
    monkeypatch.setattr(compiled_models, "_limit_bytes", lambda: 10**9)
    compile_kept(lambda properties: None, "CPU", F32, FOLDER)
    assert kept_bytes() == 3000
    place = compiled_folder() / FOLDER.fingerprint()

    def compile_with(properties):
        (place / "2.blob").write_bytes(bytes(1000))
        monkeypatch.setattr(compiled_models, "_limit_bytes", lambda: 2500)

    compile_kept(compile_with, "CPU", F32, FOLDER)
    assert [path.parent.name for path in blobs()] == sorted([FOLDER.fingerprint(), "newest"])


def test_nothing_is_kept_where_a_quarter_of_the_disk_is_less_than_the_model(as_gpu, monkeypatch):
    given = []
    usage = type("Usage", (), {"free": 4 * 20 * 10**6})
    weights = sum(path.stat().st_size for path in demo_model_path().glob("*/openvino_model.bin"))
    for free, keeps in ((4 * weights, True), (3 * weights, False)):
        usage.free = free
        monkeypatch.setattr(compiled_models.shutil, "disk_usage", lambda path: usage)
        compile_kept(lambda properties: given.append("CACHE_DIR" in properties), "CPU", {}, FOLDER)
        assert given[-1] is keeps


def test_the_doctor_says_where_it_is_and_how_large():
    place = compiled_folder() / "model"
    place.mkdir(parents=True)
    (place / "1.blob").write_bytes(bytes(2 * 10**8))
    told = [f for f in check_disk(Machine.look()) if f.subject == "compiled models"]
    assert [f.text for f in told] == [f"0.2 GB kept for GPUs in {compiled_folder()}"]
    assert any(f.subject == "compiled models" for f in check_disk(machine(CPU, IRIS)))
    assert not any(f.subject == "compiled models" for f in check_disk(machine(CPU)))
