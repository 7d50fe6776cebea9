"""The doctor finds what is wrong with a machine and what to do about it."""

from dataclasses import replace

import pytest

from taylorseer_ov import demo_model_path
from taylorseer_ov.doctor.diagnosis import diagnose
from tests.doctor.common import ARC, CORE_ULTRA, CPU, IRIS, NPU, UHD, found, machine, weights_of


def test_this_machine_and_the_demo_model_are_well():
    diagnosis = diagnose(demo_model_path())
    assert not diagnosis.problems
    assert found(diagnosis, "openvino").text
    assert found(diagnosis, "device CPU")
    assert "GB free" in found(diagnosis, "disk").text


def test_a_healthy_machine_has_nothing_but_ok():
    diagnosis = diagnose(demo_model_path(), machine=machine())
    assert {finding.status for finding in diagnosis.findings} == {"ok"}
    assert diagnosis.summary == "0 problems, 0 warnings"


@pytest.mark.parametrize(
    ("versions", "name", "status", "text"),
    [
        ({"openvino": None}, "openvino", "problem", "openvino is not installed"),
        ({"tokenizers": None}, "openvino_tokenizers", "problem", "is not installed"),
        ({"genai": None}, "openvino_genai", "warning", "not installed; the Python backend draws"),
        ({"genai": "2025.4.1.0"}, "openvino_genai", "warning", "2025.4.1.0 has no TaylorSeer"),
        ({"genai": "2026.3.0.0"}, "openvino_genai", "problem", "built for another openvino than"),
        ({"genai": "2026.4.0.0"}, "openvino_genai", "warning", "in the third number"),
        ({"genai": "odd"}, "openvino_genai", "warning", "unknown version 'odd'"),
        ({"tokenizers": "2026.3.0.0"}, "openvino_tokenizers", "problem", "will hardly load"),
        ({"tokenizers": "2026.4.0.0"}, "openvino_tokenizers", "warning", "third number"),
        ({"openvino": "2025.3.0"}, "openvino", "problem", "2025.3.0 is older than 2025.4"),
        ({"openvino": "nightly"}, "openvino", "warning", "an unknown version 'nightly'"),
        ({}, "openvino_genai", "ok", "with TaylorSeer caching, on in its own pipelines"),
    ],
)
def test_versions_that_do_not_fit(versions, name, status, text):
    finding = found(diagnose(machine=machine(**versions)), name)
    assert finding.status == status
    assert text in finding.text
    assert (finding.remedy is None) == (status == "ok")


def test_the_first_release_with_caching_leaves_it_off_by_default():
    first = machine(openvino="2026.1.0", tokenizers="2026.1.0.0", genai="2026.1.0.0")
    assert (
        "caching, off in its own pipelines" in found(diagnose(machine=first), "openvino_genai").text
    )


@pytest.mark.parametrize(
    ("device", "weights", "text", "remedy"),
    [
        (
            IRIS,
            "u4",
            "black or blurred",
            "--device text=CPU,transformer=GPU,vae=CPU --precision f32",
        ),
        (UHD, "i4", "black or blurred", "text=CPU"),
        (IRIS, "i8", None, None),
        (ARC, "u4", None, None),
        (CORE_ULTRA, "i8", None, None),
        (NPU, "i8", "Flux is not known to run on NPUs", "CPU or a GPU"),
        (replace(CPU, precision="bf16"), "i8", "computes in bfloat16", "--precision f32"),
    ],
)
def test_known_trouble_of_devices(model_copy, device, weights, text, remedy):
    diagnosis = diagnose(
        weights_of(model_copy, weights), machine=machine(device), device=device.name
    )
    assert not diagnosis.problems
    assert [finding.subject for finding in diagnosis.warnings] == [f"device {device.name}"] * bool(
        text
    )
    for finding in diagnosis.warnings:
        assert text in finding.text
        assert remedy in finding.remedy


def test_without_a_model_trouble_with_some_models_is_told():
    texts = " ".join(finding.text for finding in diagnose(machine=machine(CPU, IRIS)).warnings)
    assert "models with int4 weights" in texts
    assert "float16 weights of FLUX.1 take 24 GB" in texts


def test_a_gpu_that_computes_in_float16_is_told_but_no_trouble():
    diagnosis = diagnose(machine=machine(CPU, ARC))
    assert not diagnosis.warnings
    assert found(diagnosis, "device GPU.1").text == "computes in float16 unless told otherwise"


@pytest.mark.parametrize(
    ("device", "problem"),
    [("GPU", "unknown device 'GPU'"), (("CPU", "NPU", "CPU"), "'NPU'"), ("AUTO:CPU", None)],
)
def test_the_device_that_is_asked_for_must_be_there(device, problem):
    problems = diagnose(machine=machine(), device=device).problems
    assert len(problems) == (problem is not None)
    for finding in problems:
        assert problem in finding.text
        assert "available here: CPU" in finding.remedy


def test_a_full_disk_and_one_that_cannot_be_asked():
    full = replace(machine(), free_disk=lambda path: 10**7)
    assert "0.0 GB free" in found(diagnose(machine=full), "disk").text
    assert found(diagnose(machine=full), "disk").status == "warning"

    def broken(path):
        raise OSError("the disk is gone")

    diagnosis = diagnose(demo_model_path(), machine=replace(machine(), free_disk=broken))
    assert "the disk is gone" in found(diagnosis, "disk").text
    assert found(diagnosis, "backend")  # it went on


def test_windows_without_long_paths_is_told():
    short = replace(machine(), long_paths=False)
    finding = found(diagnose(machine=short), "paths")
    assert (finding.status, "LongPathsEnabled" in finding.remedy) == ("warning", True)
    assert not any(finding.subject == "paths" for finding in diagnose(machine=machine()).findings)
