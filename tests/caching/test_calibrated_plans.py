"""Where learned plans are kept, which goes first, which are not kept, and several writers."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from taylorseer_ov import CachePlan, calibrate, demo_model_path, model_files
from taylorseer_ov.caching.calibrated_plans import (
    present_plans,
    read_plans,
    write_plans,
)
from taylorseer_ov.caching.decision import resolve_cache
from taylorseer_ov.caching.occasion import Occasion
from taylorseer_ov.caching.presets import CalibrationWarning, plan_without
from taylorseer_ov.flux.folder import FluxFolder
from taylorseer_ov.learned_files import PACKAGE, user_folder
from tests.caching.common import learned_plan

SIGMAS = np.linspace(1, 0, 13)
MASK = "CC..C..C..CC"  # 6 of 12 steps, as "high" runs
DOZEN = [f"prompt {'x' * n}" for n in range(12)]


def learned(weight=1.0, **changes):
    """A plan that is told from others by its weights."""
    plan = CachePlan.from_mask(MASK, SIGMAS)
    return learned_plan(CachePlan(plan.mask, plan.weights * weight, SIGMAS), **changes)


@pytest.fixture
def folder(model_copy, user_folder):
    """A model without plans."""
    (model_copy / "cache_plans.json").unlink()
    return FluxFolder.read(model_copy)


def content_of(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_nothing_is_written_into_the_installed_package(user_folder):
    before, folder = content_of(demo_model_path()), FluxFolder.read(demo_model_path())
    path = write_plans(folder, [learned()])
    assert path == user_folder / "learned" / folder.fingerprint() / "cache_plans.json"
    for inside in (demo_model_path(), PACKAGE, demo_model_path() / "transformer"):
        with pytest.raises(ValueError, match="is inside the installed package, which stays as it"):
            write_plans(folder, [learned()], into=inside)
    assert content_of(demo_model_path()) == before


def test_not_even_where_the_user_s_folder_is_said_to_be_there(monkeypatch):
    monkeypatch.setenv("TAYLORSEER_OV_DATA_DIR", str(demo_model_path()))
    with pytest.raises(ValueError, match="is inside the installed package"):
        write_plans(FluxFolder.read(demo_model_path()), [learned()])


def test_the_user_s_plans_go_first_and_others_with_other_keys_stay(folder):
    write_plans(folder, [learned(0.5), learned(0.6, height=32)], into=folder.path)
    _, name = resolve_cache("high", Occasion(SIGMAS, (64, 128), 3.5), folder)
    assert name == "high: calibrated for this model"
    write_plans(folder, [learned(0.7)])
    plan, name = resolve_cache("high", Occasion(SIGMAS, (64, 128), 3.5), folder)
    assert plan == learned(0.7).plan
    assert name == "high: calibrated for this model, by this user"
    plan, name = resolve_cache("high", Occasion(SIGMAS, (32, 128), 3.5), folder)
    assert plan == learned(0.6).plan
    assert name == "high: calibrated for this model"
    users = user_folder(folder.fingerprint())
    assert [plan.source.parent for plan in read_plans(folder)] == [users, folder.path]


def test_a_plan_is_built_once_and_one_that_is_written_meanwhile_is_seen(folder, monkeypatch):
    monkeypatch.setattr(model_files, "SETTLED_NS", -1)  # as if written long ago
    occasion = Occasion(SIGMAS, (64, 128), 3.5)
    path = write_plans(folder, [learned(0.5)], into=folder.path)
    plan, _ = resolve_cache("high", occasion, folder)
    assert plan == learned(0.5).plan
    assert resolve_cache("high", occasion, folder).cache is plan
    write_plans(folder, [learned(0.7)])
    assert resolve_cache("high", occasion, folder).cache == learned(0.7).plan
    write_plans(folder, [learned(0.8)])
    assert resolve_cache("high", occasion, folder).cache == learned(0.8).plan
    (user_folder(folder.fingerprint()) / path.name).unlink()
    assert resolve_cache("high", occasion, folder).cache == learned(0.5).plan
    path.write_text(path.read_text().replace(folder.fingerprint(), "another"))
    with pytest.raises(ValueError, match="made for other weights"):
        resolve_cache("high", occasion, folder)


def test_a_damaged_plan_is_told_when_it_is_wanted(folder):
    occasion = Occasion(SIGMAS, (64, 128), 3.5)
    path = write_plans(folder, [learned(0.5)], into=folder.path)
    path.write_text(path.read_text().replace('"0": 0.5', '"0": NaN'))
    with pytest.raises(ValueError, match="a plan's weights must be finite"):
        resolve_cache("high", occasion, folder)
    with pytest.raises(ValueError, match="a plan's weights must be finite"):
        read_plans(folder)


def test_every_copy_of_the_weights_finds_them_and_other_weights_do_not(folder, tmp_path):
    write_plans(folder, [learned()])
    copy = shutil.copytree(folder.path, tmp_path / "copy")
    assert read_plans(FluxFolder.read(copy)) == [learned()]
    weights = copy / "transformer" / "openvino_model.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert read_plans(FluxFolder.read(copy)) == []
    with pytest.raises(ValueError, match="holds a model with other weights than those"):
        write_plans(folder, [learned()], into=copy)
    with pytest.raises(ValueError, match="there is no folder"):
        write_plans(folder, [learned()], into=tmp_path / "nowhere")


def test_without_an_own_choice_it_is_where_the_system_keeps_data(monkeypatch):
    import platformdirs

    monkeypatch.delenv("TAYLORSEER_OV_DATA_DIR")
    root = platformdirs.user_data_path("taylorseer-ov", appauthor=False)
    assert user_folder("1-ab") == root / "learned" / "1-ab"


def test_a_plan_that_is_not_better_than_what_there_was_is_not_kept(folder):
    worse, equal = learned(without_db=40.1), learned(without_db=40.0)
    assert write_plans(folder, [worse, equal]) is None
    assert read_plans(folder) == []
    better = learned(without_db=39.9, width=64)
    assert write_plans(folder, [worse, better]).is_file()
    assert read_plans(folder) == [better]


class Flow:
    """Draws by Euler steps in plain numpy, for a model's folder."""

    height, width, guidance_scale = 64, 128, 3.5

    def __init__(self, folder):
        self.folder, self.runs = folder, 0

    def sigmas(self, num_inference_steps):
        return np.linspace(1, 0, num_inference_steps + 1)

    def run(self, prompt, seed, plan, on_output):
        self.runs += 1
        latents = np.random.default_rng(seed).standard_normal(96).astype(np.float32)
        outputs = np.zeros((len(plan.mask), 96), np.float32)
        for step, (sigma, computed) in enumerate(zip(SIGMAS, plan.mask, strict=False)):
            if computed:
                outputs[step] = latents - np.tanh(np.roll(latents, 1)) * len(prompt) * (1 - sigma)
                on_output(step, outputs[step])
            latents = latents - (plan.weights[step] @ outputs).astype(np.float32) / len(plan.mask)
        return latents


def test_what_is_learned_has_to_do_better_than_what_a_preset_takes_without_it(folder):
    said = []
    options = {"transformer_runs": [6], "rounds": 1}
    (first,) = calibrate(Flow(folder), DOZEN, 12, **options, say=said.append)
    assert first.is_better
    assert not any("not kept" in line for line in said)
    write_plans(folder, [first])
    occasion = Occasion(SIGMAS, (64, 128), 3.5)
    assert plan_without(6, occasion, present_plans(folder)) == first.plan
    (again,) = calibrate(Flow(folder), DOZEN, 12, **options, say=said.append)
    assert again.without_db == pytest.approx(first.held_out_db)
    assert not again.is_better
    assert "6 runs: not kept, since it is not better than what a preset takes without" in said[-1]
    # who gets a folder does not get the user's: there the same plan is better than none
    (handed_on,) = calibrate(Flow(folder), DOZEN, 12, **options, into=folder.path)
    assert handed_on.without_db == pytest.approx(first.without_db)
    assert handed_on.is_better


def test_whether_it_can_be_written_is_found_before_the_work(folder, tmp_path):
    flow = Flow(folder)
    for into, message in ((PACKAGE, "installed package"), (tmp_path / "no", "there is no folder")):
        with pytest.raises(ValueError, match=message):
            calibrate(flow, DOZEN, 12, into=into)
    assert not flow.runs


def test_fewer_than_a_dozen_prompts_are_warned_of(folder):
    with pytest.warns(CalibrationWarning, match="11 prompts are few to calibrate on, 3 of them"):
        calibrate(Flow(folder), DOZEN[1:], 12, transformer_runs=[6], rounds=0)


def test_a_damaged_file_is_replaced_and_no_reason_not_to_learn(folder):
    path = write_plans(folder, [learned()])
    path.write_text("{}")
    assert present_plans(folder) == []
    write_plans(folder, [learned()])
    assert read_plans(folder) == [learned()]


WRITER = """
import sys
from taylorseer_ov.caching.calibrated_plans import write_plans
from taylorseer_ov.flux.folder import FluxFolder
from tests.caching.test_calibrated_plans import learned

folder, first = FluxFolder.read(sys.argv[1]), int(sys.argv[2])
for number in range(first, first + 60):
    write_plans(folder, [learned(height=16 * number)])
"""


@pytest.mark.once
def test_three_writers_at_once_keep_all_plans(folder):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(folder.path), str(first)])
        for first in (1, 101, 201)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    kept = sorted(plan.height // 16 for plan in read_plans(folder))
    assert kept == [*range(1, 61), *range(101, 161), *range(201, 261)]
    assert [path.name for path in user_folder(folder.fingerprint()).iterdir()] == [
        "cache_plans.json"
    ]
