"""What the package promises to whoever imports it."""

import ast
import importlib
import re
import subprocess
import sys
import typing

import pytest

import taylorseer_ov
from taylorseer_ov.generation.job import Progress, StepCallback
from taylorseer_ov.generation.settings import GenerationSettings
from tests.common import REPOSITORY

HEAVY = {"numpy", "openvino", "openvino_genai", "openvino_tokenizers", "PIL", "tqdm", "torch"}
HEAVY |= {"diffusers", "optimum", "transformers"}


def loaded_by(code):
    """Packages that are loaded after some lines of Python, in a process of their own."""
    code += "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_public_names_are_documented_and_belong_to_a_room_or_the_ground():
    faces = [importlib.import_module(f"taylorseer_ov.{room}") for room in taylorseer_ov.ROOMS]
    for name in taylorseer_ov.__all__:
        public = getattr(taylorseer_ov, name)
        assert public.__doc__
        room = public.__module__.split(".")[1]
        if room in taylorseer_ov.ROOMS:
            assert any(getattr(face, name, None) is public for face in faces), name


def test_every_name_of_a_room_is_there():
    for room in taylorseer_ov.ROOMS:
        face = importlib.import_module(f"taylorseer_ov.{room}")
        assert face.__all__
        assert [name for name in face.__all__ if not hasattr(face, name)] == []


def names_that_are_shown():
    """What the documents' and the samples' code imports of the package, as (module, name)."""
    pages = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
    pages.append(REPOSITORY / "samples" / "README.md")
    blocks = [
        block
        for page in pages
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    ]
    samples = [path.read_text("utf-8") for path in (REPOSITORY / "samples").glob("*.py")]
    return {
        (node.module, alias.name)
        for code in [*blocks, *samples]
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("taylorseer_ov")
        for alias in node.names
    }


def test_names_that_are_shown_are_public():
    shown = names_that_are_shown()
    of_package = {name for module, name in shown if module == "taylorseer_ov"}
    assert len(of_package) >= 10
    assert of_package <= set(taylorseer_ov.__all__)
    gone = [
        f"{module}.{name}"
        for module, name in shown
        if not hasattr(importlib.import_module(module), name)
    ]
    assert gone == []


@pytest.mark.parametrize("name", ["Text2Image", "Image2Image", "Inpainting"])
def test_annotations_of_the_pipelines_can_be_resolved(name):
    """By what reads them while a program runs, such as documentation and form builders."""
    pipeline = getattr(taylorseer_ov, f"{name}Pipeline")
    hints = typing.get_type_hints(pipeline.generate)
    assert hints["return"] is taylorseer_ov.GenerationResult
    assert hints["callback"] == StepCallback | None
    assert hints["progress"] == Progress | None
    # wrapped in Unpack from Python 3.11 on
    assert GenerationSettings in (hints["settings"], *typing.get_args(hints["settings"]))
    assert "native" in typing.get_args(typing.get_type_hints(pipeline.__init__)["backend"])
    public = [getattr(pipeline, each) for each in dir(pipeline) if not each.startswith("_")]
    for method in filter(callable, public):
        assert typing.get_type_hints(method)


def test_settings_of_a_call_are_those_of_a_configuration():
    known = set(typing.get_type_hints(taylorseer_ov.ImageGenerationConfig))
    assert known <= set(typing.get_type_hints(GenerationSettings))


def test_processes_of_tests_import_what_the_tests_import():
    code = "import taylorseer_ov; print(taylorseer_ov.__file__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == taylorseer_ov.__file__


def test_importing_loads_nothing_heavy():
    assert not HEAVY & loaded_by("import taylorseer_ov")
    rooms = ", ".join(f"taylorseer_ov.{room}" for room in taylorseer_ov.ROOMS)
    assert not HEAVY & loaded_by(f"import {rooms}")


def test_caching_needs_numpy_only():
    code = "import taylorseer_ov.caching as room\nfor name in room.__all__: getattr(room, name)"
    assert HEAVY & loaded_by(code) == {"numpy"}


def test_drawing_needs_no_torch_and_no_openvino_genai_in_the_python_backend():
    code = (
        "import sys; from taylorseer_ov import Text2ImagePipeline, demo_model_path as demo\n"
        "class Noise:\n"
        "    def randn_tensor(self, shape):\n"
        "        import numpy; return numpy.zeros(tuple(shape), numpy.float32)\n"
        "pipeline = Text2ImagePipeline(demo(), backend='python')\n"
        "pipeline.generate('a large red circle', generator=Noise(), num_inference_steps=1)\n"
    )
    assert not {"openvino_genai", "torch", "diffusers", "transformers"} & loaded_by(code)


def test_demo_model_is_there_and_small():
    files = [path for path in taylorseer_ov.demo_model_path().rglob("*") if path.is_file()]
    assert 1e6 < sum(path.stat().st_size for path in files) < 15e6
