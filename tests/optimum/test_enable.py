"""The pipeline stays what it was; what is refused, and when."""

import json

import pytest

from taylorseer_ov import CachePlan, cache_report, disable_cache, enable_cache
from taylorseer_ov.caching.calibrated_plans import write_plans
from taylorseer_ov.caching.learned_plan import CalibratedPlan
from taylorseer_ov.optimum.folder import OptimumFolder
from tests.optimum.common import CONFIG, HEIGHT, SCHEDULE, STEPS, WIDTH, close, counted, draw, load

pytestmark = [pytest.mark.export, pytest.mark.filterwarnings("ignore")]


def test_disabling_restores_the_denoiser_exactly(flux):
    draw(flux)
    part = flux.transformer
    before, pipeline_before = dict(vars(part)), set(vars(flux))
    enable_cache(flux, CONFIG)
    second = enable_cache(flux, "fast")
    draw(flux)
    assert "fast" in cache_report(flux).cache
    disable_cache(flux)
    assert dict(vars(part)) == before
    assert set(vars(flux)) == pipeline_before
    disable_cache(flux)
    second.disable()
    assert dict(vars(part)) == before
    assert second.report.steps_taken == STEPS
    with pytest.raises(RuntimeError, match="no cache is enabled"):
        cache_report(flux)
    with pytest.raises(ZeroDivisionError), enable_cache(flux, CONFIG):
        raise ZeroDivisionError
    assert dict(vars(part)) == before


def test_an_earlier_cache_replaced_does_not_disable_the_later(flux):
    first = enable_cache(flux, CONFIG)
    enable_cache(flux, "fast")
    first.disable()
    draw(flux)
    assert "fast" in cache_report(flux).cache


def test_what_a_user_had_put_in_place_comes_back(flux):
    mine = flux.transformer.forward
    flux.transformer.forward = mine
    try:
        with enable_cache(flux, CONFIG):
            draw(flux)
        assert vars(flux.transformer)["forward"] is mine
    finally:
        del flux.transformer.forward


def test_a_pipeline_with_a_cache_saves_and_loads(flux, tmp_path, exported):
    enable_cache(flux, CONFIG)
    expected = draw(flux)
    flux.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index == json.loads((exported[0] / "model_index.json").read_text())
    loaded = load("OVFluxPipeline", tmp_path)
    enable_cache(loaded, CONFIG)
    close(draw(loaded), expected)


def test_reshape_to_and_compile_keep_the_cache(exported):
    flux = load("OVFluxPipeline", exported[0])
    enable_cache(flux, CONFIG)
    settings = {"max_sequence_length": 512}  # what reshape fixes the text length to
    expected = draw(flux, **settings)
    for change in (
        lambda: flux.clear_requests(),
        lambda: flux.to("CPU"),
        lambda: flux.compile(),
        lambda: flux.reshape(1, HEIGHT, WIDTH, 1),
    ):
        change()
        close(draw(flux, **settings), expected)
        assert cache_report(flux).branches[0].schedule == SCHEDULE


def test_other_objects_are_refused(flux, pipeline):
    with pytest.raises(TypeError, match="cache= in generate"):
        enable_cache(pipeline, CONFIG)
    with pytest.raises(TypeError, match="must be a preset"):
        enable_cache(flux, 3)
    with pytest.raises(ValueError, match="no preset"):
        enable_cache(flux, "quick")
    enable_cache(flux, CONFIG)
    with pytest.raises(ValueError, match="no preset"):
        enable_cache(flux, "quick")
    draw(flux)
    assert cache_report(flux).branches[0].schedule == SCHEDULE


def test_a_plan_for_other_steps_is_refused_before_the_denoiser_runs(flux, monkeypatch, tmp_path):
    runs = counted(flux.transformer, monkeypatch)
    path = tmp_path / "plan.json"
    path.write_text(CachePlan.uncached(STEPS + 1).to_json())
    for plan in (CachePlan.uncached(STEPS + 1), str(path)):
        enable_cache(flux, plan)
        with pytest.raises(ValueError, match=f"is for {STEPS + 1} steps, not for {STEPS}"):
            draw(flux)
    assert runs == []
    with pytest.raises(RuntimeError, match="nothing was generated"):
        cache_report(flux)
    draw(flux, num_inference_steps=STEPS + 1)
    with pytest.raises(ValueError, match="is for"):
        draw(flux)
    with pytest.raises(RuntimeError, match="nothing was generated"):  # not what was before
        cache_report(flux)


def test_a_preset_finds_the_plans_beside_the_denoiser(exported, tmp_path):
    import shutil

    folder = shutil.copytree(exported[0], tmp_path / "model")
    flux = load("OVFluxPipeline", folder)
    with enable_cache(flux, None) as enabled:
        draw(flux)
    plan = CachePlan.from_mask("CC..C...CC", enabled.report.sigmas, corrector=True)
    learned = CalibratedPlan(plan, 1, 1, 1, HEIGHT, WIDTH, 3.5, "test")
    write_plans(OptimumFolder(folder, "transformer"), [learned], into=folder)
    with enable_cache(flux, "high") as enabled:
        draw(flux)
    assert enabled.report.branches[0].schedule == str(plan)
    assert enabled.report.cache == "high: calibrated for this model"
    weights = folder / "transformer" / "openvino_model.bin"
    changed = bytearray(weights.read_bytes())
    changed[0] ^= 1
    weights.unlink()
    weights.write_bytes(changed)
    with pytest.raises(ValueError, match="other weights"):
        enable_cache(flux, "high")
