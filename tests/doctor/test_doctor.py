"""The doctor finds what is wrong with a machine and a model, names what helps, and never fails."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from taylorseer_ov import TaylorSeerCacheConfig, Text2ImagePipeline, demo_model_path
from taylorseer_ov.cli import main
from taylorseer_ov.doctor.diagnosis import diagnose
from taylorseer_ov.doctor.machine import Device, Machine
from taylorseer_ov.flux.folder import FluxFolder
from tests.common import PROMPT

CPU = Device("CPU", "Intel(R) Core(TM) i7-1355U", ("FP32", "INT8"), "f32")
IRIS = Device("GPU", "Intel(R) Iris(R) Xe Graphics (iGPU)", ("FP32", "FP16"), "f16")
UHD = Device("GPU", "Intel(R) UHD Graphics 770 (iGPU)", ("FP32", "FP16"), "f16")
ARC = Device("GPU.1", "Intel(R) Arc(TM) A770 Graphics (dGPU)", ("FP16", "GPU_HW_MATMUL"), "f16")
CORE_ULTRA = Device("GPU", "Intel(R) Arc(TM) Graphics (iGPU)", ("FP16",), "f16")
NPU = Device("NPU", "Intel(R) AI Boost", ("FP16",), "f16")


def machine(*devices, openvino="2026.4.1", tokenizers="2026.4.1.0", genai="2026.4.1.0"):
    return Machine(
        python="3.11.7",
        versions={
            "openvino": openvino,
            "openvino-tokenizers": tokenizers,
            "openvino-genai": genai,
        },
        devices=devices or (CPU,),
        free_disk=lambda path: 10**12,
    )


def found(diagnosis, subject):
    findings = [finding for finding in diagnosis.findings if finding.subject == subject]
    assert findings, f"nothing about {subject}: {diagnosis}"
    return findings[-1]


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# --- the machine ---------------------------------------------------------------------------------


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


def weights_of(model, element_type):
    """Say in a model's description that its transformer's weights are of this type."""
    (model / "cache_plans.json").unlink()  # made for the weights as they were
    xml = model / "transformer" / "openvino_model.xml"
    xml.write_text(xml.read_text().replace('element_type="f16"', f'element_type="{element_type}"'))
    return model


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


# --- the model -----------------------------------------------------------------------------------


def test_all_that_is_wrong_with_a_folder_is_found_at_once(model_copy):
    (model_copy / "tokenizer" / "openvino_tokenizer.xml").unlink()
    weights = model_copy / "transformer" / "openvino_model.bin"
    weights.write_bytes(weights.read_bytes()[:1000])
    edit_json(model_copy / "vae_decoder" / "config.json", block_out_channels=None)
    edit_json(model_copy / "model_index.json", text_encoder=["transformers", "BertModel"])
    edit_json(model_copy / "generation_config.json", height=100)
    diagnosis = diagnose(model_copy, machine=machine())
    problems = {finding.subject: finding for finding in diagnosis.problems}
    assert set(problems) == {
        "model_index.json",
        "tokenizer",
        "transformer",
        "vae_decoder",
        "generation_config.json",
    }
    assert "truncated: 1000 bytes instead of" in problems["transformer"].text
    assert problems["transformer"].remedy == "export it again with scripts/export_model.py"
    assert "were not converted" in problems["tokenizer"].remedy
    assert "height must be a multiple of 16, got 100" in problems["generation_config.json"].text
    assert found(diagnosis, "text_encoder_2").status == "ok"


def test_text_encoders_in_each_other_s_place_are_noticed(model_copy):
    (model_copy / "text_encoder").rename(model_copy / "aside")
    (model_copy / "text_encoder_2").rename(model_copy / "text_encoder")
    (model_copy / "aside").rename(model_copy / "text_encoder_2")
    problems = {finding.subject: finding.text for finding in diagnose(model_copy).problems}
    assert "is of 't5', not 'clip_text_model'" in problems["text_encoder"]
    assert "text_encoder_2" in problems


def test_a_model_of_another_part_is_noticed(model_copy):
    shutil.rmtree(model_copy / "transformer")
    shutil.copytree(model_copy / "vae_decoder", model_copy / "transformer")
    problems = [finding.text for finding in diagnose(model_copy).problems]
    assert any("is the model of another part" in text for text in problems)


def test_sizes_and_precisions_are_told(model_copy):
    size = (model_copy / "transformer" / "openvino_model.bin").stat().st_size
    text = found(diagnose(weights_of(model_copy, "u4")), "transformer").text
    assert text == f"{size / 1e6:.1f} MB, most of it int4"


def test_plans_and_previews_of_other_weights_are_problems(model_copy):
    edit_json(model_copy / "cache_plans.json", transformer="other")
    edit_json(model_copy / "preview.json", vae="other")
    problems = {finding.subject: finding for finding in diagnose(model_copy).problems}
    assert set(problems) == {"cache_plans.json", "preview.json"}
    assert "taylorseer-ov calibrate" in problems["cache_plans.json"].remedy


def test_a_folder_that_is_not_there(tmp_path):
    [problem] = diagnose(tmp_path / "nowhere", machine=machine()).problems
    assert "there is no folder" in problem.text


# --- the scheduler that openvino_genai misreads --------------------------------------------------


@pytest.fixture
def misread(model_copy):
    edit_json(model_copy / "scheduler" / "scheduler_config.json", time_shift_type="exponential")
    return model_copy


def test_the_misread_scheduler_is_a_warning_and_fix_mends_it(misread):
    file = misread / "scheduler" / "scheduler_config.json"
    before, levels = file.read_bytes(), FluxFolder.read(misread).sigmas(28, 128, 128)
    warning = found(diagnose(misread, machine=machine()), "scheduler")
    assert warning.status == "warning"
    assert "the openvino_genai here draw with FLUX.2's noise levels" in warning.text
    assert "--fix" in warning.remedy
    assert file.read_bytes() == before

    mended = found(diagnose(misread, fix=True, machine=machine()), "scheduler")
    assert mended.status == "ok"
    assert (misread / "scheduler" / "scheduler_config.json.bak").read_bytes() == before
    assert "time_shift_type" not in json.loads(file.read_text())
    expected = {k: v for k, v in json.loads(before).items() if k != "time_shift_type"}
    assert json.loads(file.read_text()) == expected
    assert (FluxFolder.read(misread).sigmas(28, 128, 128) == levels).all()


def test_fix_keeps_every_backup_and_leaves_what_is_well(misread):
    scheduler = misread / "scheduler"
    (scheduler / "scheduler_config.json.bak").write_text("mine")
    diagnose(misread, fix=True)
    mended = (scheduler / "scheduler_config.json").read_bytes()
    diagnose(misread, fix=True)
    assert (scheduler / "scheduler_config.json").read_bytes() == mended
    assert (scheduler / "scheduler_config.json.bak").read_text() == "mine"
    assert sorted(path.name for path in scheduler.iterdir()) == [
        "scheduler_config.json",
        "scheduler_config.json.bak",
        "scheduler_config.json.bak1",
    ]


def test_fix_does_not_write_through_a_link(misread, tmp_path):
    """In a download cache the files are links to what other revisions share."""
    file = misread / "scheduler" / "scheduler_config.json"
    shared = tmp_path / "shared.json"
    file.rename(shared)
    before = shared.read_bytes()
    file.symlink_to(shared)
    diagnose(misread, fix=True)
    assert shared.read_bytes() == before
    assert "time_shift_type" not in json.loads(file.read_text())


def test_schedulers_that_are_not_misread_are_left_alone(model_copy):
    for changes in ({"use_dynamic_shifting": False}, {"time_shift_type": "linear"}):
        edit_json(
            model_copy / "scheduler" / "scheduler_config.json",
            **{"use_dynamic_shifting": True, "time_shift_type": "exponential"} | changes,
        )
        assert found(diagnose(model_copy, fix=True), "scheduler").status == "ok"
        assert not list((model_copy / "scheduler").glob("*.bak"))


# --- what a generation would do ------------------------------------------------------------------


@pytest.mark.native
@pytest.mark.parametrize(
    "cache",
    [TaylorSeerCacheConfig(3, 2, -1), TaylorSeerCacheConfig(corrector=True), "high", None],
)
def test_what_is_foretold_is_what_happens(cache):
    diagnosis = diagnose(demo_model_path(), cache=cache)
    report = Text2ImagePipeline(demo_model_path()).generate(PROMPT, cache=cache).report
    caching, backend = found(diagnosis, "caching"), found(diagnosis, "backend")
    assert f"{report.computed_steps} of 28 steps run the transformer" in caching.text
    assert f": {report.schedule} (cache: {report.cache})" in caching.text
    drawn_by = {"native": "openvino_genai", "python": "the Python backend"}[report.backend]
    assert backend.text.startswith(f"{drawn_by} would draw: ")


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


# --- the command ---------------------------------------------------------------------------------


def run(*arguments, blocked=()):
    """Run the command line in a process where some packages cannot be imported."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({list(blocked)!r})); "
        "from taylorseer_ov.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "doctor", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ})


def test_the_exit_status_is_1_for_a_problem_and_2_for_misuse(model_copy, tmp_path, capsys):
    assert main(["doctor"]) == 0
    assert main(["doctor", "demo", "--steps", "4"]) == 0
    assert "caching is inactive" in capsys.readouterr().out
    (model_copy / "transformer" / "openvino_model.bin").unlink()
    assert main(["doctor", str(model_copy)]) == 1
    assert "openvino_model.bin is missing" in capsys.readouterr().out
    assert main(["doctor", str(tmp_path / "nowhere")]) == 2
    assert "there is no model folder" in capsys.readouterr().err
    assert main(["doctor", "--fix"]) == 2


def test_findings_as_json_lines(model_copy, capsys):
    (model_copy / "preview.json").write_text("[]")
    assert main(["doctor", str(model_copy), "--json"]) == 1
    *findings, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert last["event"] == "diagnosis"
    assert last["problems"] == 1
    [problem] = [finding for finding in findings if finding["status"] == "problem"]
    assert problem["event"] == "finding"
    assert problem["subject"] == "preview.json"
    assert set(problem) == {"event", "subject", "status", "text", "remedy"}


def test_it_works_where_openvino_cannot_be_imported():
    done = run("demo", blocked=("openvino", "openvino_genai", "openvino_tokenizers"))
    assert done.returncode == 1
    assert done.stderr == ""
    assert "OpenVINO cannot be asked for its devices" in done.stdout
    assert "14 of 28 steps run the transformer" in done.stdout


def test_it_loads_no_model_and_needs_neither_openvino_genai_nor_the_tokenizers():
    done = run("demo", blocked=("openvino_genai", "openvino_tokenizers", "torch", "PIL"))
    assert done.returncode == 0
    assert done.stderr == ""
