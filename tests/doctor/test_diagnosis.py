"""What the doctor foretells of a generation is what happens."""

import pytest

from taylorseer_ov import TaylorSeerCacheConfig, Text2ImagePipeline, demo_model_path
from taylorseer_ov.doctor.diagnosis import diagnose
from tests.common import PROMPT
from tests.doctor.common import found, machine


@pytest.fixture(scope="module")
def auto():
    return Text2ImagePipeline(demo_model_path())


@pytest.mark.native
@pytest.mark.parametrize(
    "cache",
    [TaylorSeerCacheConfig(3, 2, -1), TaylorSeerCacheConfig(corrector=True), "high", None],
)
def test_what_is_foretold_is_what_happens(auto, cache):
    diagnosis = diagnose(demo_model_path(), cache=cache)
    report = auto.generate(PROMPT, cache=cache).report
    caching, backend = found(diagnosis, "caching"), found(diagnosis, "backend")
    assert f"{report.computed_steps} of 28 steps run the transformer" in caching.text
    assert f": {report.schedule} (cache: {report.cache})" in caching.text
    drawn_by = {"native": "openvino_genai", "python": "the Python backend"}[report.backend]
    assert backend.text.startswith(f"{drawn_by} would draw: ")


@pytest.mark.native
@pytest.mark.parametrize("steps", [4, 28])
def test_the_default_is_foretold_as_it_happens(auto, steps):
    caching = found(diagnose(demo_model_path(), num_inference_steps=steps), "caching")
    report = auto.generate(PROMPT, num_inference_steps=steps).report
    assert caching.status == "ok"
    assert f": {report.schedule} (cache: {report.cache})" in caching.text
    assert "by default" in report.cache


def test_caching_that_would_be_inactive_is_a_warning():
    diagnosis = diagnose(
        demo_model_path(), num_inference_steps=4, cache=TaylorSeerCacheConfig(), machine=machine()
    )
    warning = found(diagnosis, "caching")
    assert warning.status == "warning"
    assert "all 4 steps run the transformer" in warning.text


def test_settings_that_are_not_allowed_are_a_problem():
    [problem] = diagnose(demo_model_path(), width=100, machine=machine()).problems
    assert problem.subject == "caching"
    assert "width must be a multiple of 16" in problem.text
