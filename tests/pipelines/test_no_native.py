"""An openvino_genai that is missing or too old is never imported, and Python draws instead."""

import sys

import pytest

from taylorseer_ov import TaylorSeerCacheConfig, Text2ImagePipeline, demo_model_path, genai
from tests.common import PROMPT


@pytest.fixture(params=[None, "2025.4.1.0", "unknown"])
def version(request, monkeypatch):
    """Pretend that this version of openvino_genai is installed; importing it would be an error."""
    monkeypatch.setattr(genai, "installed_version", lambda package: request.param)
    monkeypatch.setitem(sys.modules, "openvino_genai", None)
    return request.param


def reason(version):
    return {
        None: "openvino_genai is not installed",
        "unknown": "openvino_genai has an unknown version 'unknown'",
        "2025.4.1.0": "openvino_genai 2025.4.1.0 has no TaylorSeer caching, which came with 2026.1",
    }[version]


def test_auto_draws_with_python_and_says_why(version):
    pipeline = Text2ImagePipeline(demo_model_path())
    report = pipeline.generate(
        PROMPT, num_inference_steps=9, taylorseer_config=TaylorSeerCacheConfig(3, 2, -1)
    ).report
    assert report.backend == "python"
    assert report.backend_reason == reason(version)
    assert report.schedule == "CC..C..CC"


def test_native_is_refused_before_anything_is_loaded(version):
    with pytest.raises(RuntimeError, match=reason(version)):
        Text2ImagePipeline(demo_model_path(), backend="native")
    with pytest.raises(RuntimeError, match=r"pip install -U openvino-genai"):
        TaylorSeerCacheConfig().to_native()
