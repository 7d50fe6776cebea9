"""The scheduler that openvino_genai misreads, and its mending."""

import json

import pytest

from taylorseer_ov.doctor.diagnosis import diagnose
from taylorseer_ov.flux.folder import FluxFolder
from tests.doctor.common import edit_json, found, machine


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
