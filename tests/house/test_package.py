"""What the package promises to whoever imports it."""

import subprocess
import sys

import taylorseer_ov


def test_public_names():
    assert sorted(taylorseer_ov.__all__) == [
        "CachePlan",
        "CacheReport",
        "CalibrationWarning",
        "ErrorControl",
        "GenerationReport",
        "GenerationResult",
        "Image2ImagePipeline",
        "ImageGenerationConfig",
        "InactiveCacheWarning",
        "InpaintingPipeline",
        "MemoryWarning",
        "ModelFolderError",
        "PromptWarning",
        "Recipe",
        "RecipeError",
        "TaylorSeerCacheConfig",
        "Text2ImagePipeline",
        "cache_report",
        "calibrate",
        "demo_model_path",
        "disable_cache",
        "enable_cache",
        "psnr",
        "run_batch",
        "ssim",
        "step_schedule",
    ]
    for name in taylorseer_ov.__all__:
        assert getattr(taylorseer_ov, name).__doc__


def test_importing_needs_numpy_only():
    code = "import sys, taylorseer_ov; print(*sorted({n.partition('.')[0] for n in sys.modules}))"
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "numpy" in listed
    heavy = {"openvino", "openvino_genai", "openvino_tokenizers", "PIL", "tqdm", "torch"}
    heavy |= {"diffusers", "optimum", "transformers"}
    assert not heavy & set(listed)


def test_drawing_needs_no_torch_and_no_openvino_genai_in_the_python_backend():
    code = (
        "import sys; from taylorseer_ov import Text2ImagePipeline, demo_model_path as demo\n"
        "class Noise:\n"
        "    def randn_tensor(self, shape):\n"
        "        import numpy; return numpy.zeros(tuple(shape), numpy.float32)\n"
        "pipeline = Text2ImagePipeline(demo(), backend='python')\n"
        "pipeline.generate('a large red circle', generator=Noise(), num_inference_steps=1)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"openvino_genai", "torch", "diffusers", "transformers"} & set(listed)


def test_demo_model_is_there_and_small():
    files = [path for path in taylorseer_ov.demo_model_path().rglob("*") if path.is_file()]
    assert 1e6 < sum(path.stat().st_size for path in files) < 15e6
