"""What the package promises to whoever imports it."""

import importlib
import subprocess
import sys

import taylorseer_ov

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
