"""Calibration: the least squares, the search, and the whole way on the demo model."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taylorseer_ov import CachePlan, Text2ImagePipeline, calibrate
from taylorseer_ov.caching.cached_velocity import CachedVelocity
from taylorseer_ov.caching.calibrated_plans import read_plans, write_plans
from taylorseer_ov.caching.decision import resolve_cache
from taylorseer_ov.caching.fit import Inner, fit, gram
from taylorseer_ov.caching.occasion import Occasion
from taylorseer_ov.caching.presets import PRESETS, CalibrationWarning
from taylorseer_ov.caching.recording import SKETCH, Recordable, RecordablePipeline, record
from taylorseer_ov.caching.schedule import parse_schedule, schedule_text, spread_runs
from taylorseer_ov.caching.trials import likeness
from taylorseer_ov.flux.folder import FluxFolder
from taylorseer_ov.flux.sampling import euler
from tests.caching.common import learned_plan

pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore:.* prompts are few")]

STEPS = 12
SIGMAS = np.append(np.linspace(1, 0.1, STEPS) ** 1.5, 0)
MASK = parse_schedule("CC..C..C..CC")


def recurrent_outputs(order, prompts=3, size=40):
    """Outputs that each are a fixed combination of the `order` before: exactly forecastable."""
    random = np.random.default_rng(0)
    rule = {1: [0.9], 2: [1.9, -0.95]}[order]
    runs = []
    for _ in range(prompts):
        outputs = list(random.standard_normal((order, size)))
        while len(outputs) < STEPS:
            outputs.append(sum(a * v for a, v in zip(rule, outputs[::-1], strict=False)))
        runs.append(np.array(outputs))
    return runs


@pytest.mark.parametrize("order", [1, 2])
def test_exact_weights_are_recovered_where_outputs_obey_a_linear_recurrence(order):
    runs = recurrent_outputs(order)
    inner = Inner.of_full_runs(sum(gram(outputs) for outputs in runs))
    plan, left_over = fit(MASK, SIGMAS, inner, ridge=1e-13)
    scale = np.trace(inner.full)
    assert left_over.max() < 1e-9 * scale
    for outputs in recurrent_outputs(order, prompts=5)[3:]:  # not fitted to
        np.testing.assert_allclose(plan.weights @ outputs, outputs, atol=1e-4)


def test_the_fit_is_never_worse_than_its_prior_on_what_it_saw():
    random = np.random.default_rng(1)
    outputs = np.cumsum(random.standard_normal((STEPS, 200)), axis=0)
    inner = Inner.of_full_runs(gram(outputs))
    _, left_over = fit(MASK, SIGMAS, inner)
    prior = CachePlan.from_mask(MASK, SIGMAS, abscissa="sigma", corrector=True)
    error = np.diff(SIGMAS) @ (prior.weights @ outputs - outputs)
    assert left_over[-1] <= error @ error * (1 + 1e-6)


def test_a_fit_uses_no_output_before_it_is_there():
    outputs = np.random.default_rng(2).standard_normal((STEPS, 50))
    plan, _ = fit(MASK, SIGMAS, Inner.of_full_runs(gram(outputs)))
    assert plan.mask == MASK
    assert not np.triu(plan.weights, 1).any()
    assert not plan.weights[:, ~np.array(MASK)].any()


@pytest.mark.parametrize(
    ("steps", "runs", "schedule"),
    [
        (28, 14, "CCC.C.C.C..C..C..C..C.C.C.CC"),
        (28, 10, "CC.C..C...C...C...C...C..C.C"),
        (28, 8, "C.C..C...C....C....C...C..C."),
        (12, 4, "C.C...C...C."),
        (50, 14, "C.C.C..C..C....C....C....C....C....C....C..C..C.C."),
        (8, 7, "CCCC.CCC"),
    ],
)
def test_spread_runs(steps, runs, schedule):
    assert schedule_text(spread_runs(steps, runs)) == schedule


@given(st.integers(1, 60), st.data())
def test_spread_runs_are_so_many_and_begin_with_one(steps, data):
    runs = data.draw(st.integers(1, steps))
    schedule = spread_runs(steps, runs)
    assert len(schedule) == steps
    assert sum(schedule) == runs
    assert schedule[0]


def test_likeness():
    signal = np.ones(100, np.float32)
    assert likeness(signal, signal * np.float32(1.1)) == pytest.approx(20, abs=1e-4)
    assert likeness(signal, signal) == float("inf")


# --- on the demo model ---


SETTINGS = {"num_inference_steps": STEPS}
PROMPTS = [
    "a red circle left of a blue square on a white background",
    "a large green star on black",
    "a small yellow triangle on a blue background",
    "a white square and a black circle on red",
]


class CurvedFlow:
    """A flow that is no pipeline: pictures of one size, drawn by Euler steps in plain numpy."""

    height, width, guidance_scale = 32, 48, 1.0

    def __init__(self, size=96, branches=1):
        self._size, self._branches = size, branches

    def sigmas(self, num_inference_steps):
        return np.linspace(1, 0, num_inference_steps + 1)

    def run(self, prompt, seed, plan, on_output):
        levels = self.sigmas(plan.num_inference_steps)
        step = iter(np.flatnonzero(plan.mask))
        buffer = np.empty(self._size, np.float32)

        def velocity(latents, sigma):
            buffer[...] = latents - np.tanh(np.roll(latents, 1)) * len(prompt) * (1 - sigma)
            on_output(int(next(step)), np.tile(buffer, self._branches))
            return buffer

        noise = np.random.default_rng(seed).standard_normal(self._size).astype(np.float32)
        *_, latents = euler(CachedVelocity(velocity, plan), noise, levels)
        return latents.astype(np.float32)


def test_recorded_outputs_make_the_latents(pipeline):
    plan = CachePlan.from_mask(MASK, pipeline.sigmas(**SETTINGS), corrector=True)
    recordable = RecordablePipeline(pipeline)
    full, cached = (
        record(recordable, PROMPTS[0], 42, each) for each in (CachePlan.uncached(STEPS), plan)
    )
    assert full.outputs.shape == (STEPS, 64 * 64)
    computed = np.array(MASK)
    assert cached.outputs[computed].any(axis=1).all()
    assert not cached.outputs[~computed].any()
    # both runs begin with the same noise, so their difference is a sum of outputs
    dsigma = np.diff(pipeline.sigmas(**SETTINGS))
    expected = dsigma @ (plan.weights @ cached.outputs) - dsigma @ full.outputs
    np.testing.assert_allclose(cached.latents - full.latents, expected, atol=1e-3)


def test_what_is_recorded_does_not_grow_with_the_picture():
    """And it is the same sample of all outputs and latents, so that they still add up."""
    flow, plan = CurvedFlow(SKETCH + 1000), CachePlan.from_mask("CCC.CC", np.linspace(1, 0, 7))
    full, cached = (record(flow, "", 0, each) for each in (CachePlan.uncached(6), plan))
    assert cached.outputs.shape == (6, SKETCH)
    assert cached.latents.shape == (SKETCH,)
    expected = -(plan.weights @ cached.outputs - full.outputs).sum(axis=0) / 6
    np.testing.assert_allclose(cached.latents - full.latents, expected, atol=1e-4)


def test_outputs_may_be_of_another_size_than_the_latents():
    recorded = record(CurvedFlow(branches=2), "", 0, CachePlan.uncached(3))
    assert recorded.outputs.shape == (3, 192)
    assert recorded.latents.shape == (96,)


def test_anything_that_shows_its_outputs_can_be_calibrated():
    flow = CurvedFlow()
    assert isinstance(flow, Recordable)
    (learned,) = calibrate(flow, ["a", "bb", "ccc", "dd", "e", "ff"], 10, transformer_runs=[6])
    assert learned.plan.transformer_runs == 6
    assert learned.held_out_db > learned.taylor_db + 6
    assert (learned.height, learned.width, learned.guidance_scale) == (32, 48, 1.0)
    with pytest.raises(TypeError, match="height: to be set in the pipeline that is calibrated"):
        calibrate(flow, ["a", "bb", "ccc"], 10, transformer_runs=[6], height=64)


@pytest.mark.parametrize(("steps", "runs"), [(16, [8, 6, 5]), (9, [4, 3]), (8, [4, 3])])
def test_plans_are_learned_for_the_presets_unless_runs_are_given(steps, runs, model_copy):
    flow = CurvedFlow()
    plans = calibrate(flow, ["a", "bb", "ccc"], steps, rounds=0)
    assert [learned.plan.transformer_runs for learned in plans] == runs
    (model_copy / "cache_plans.json").unlink()
    folder = FluxFolder.read(model_copy)
    # of 3 runs too, which are less like the full run than the 4 of a preset without calibration
    plans = [dataclasses.replace(learned, without_db=None) for learned in plans]
    write_plans(folder, plans, into=model_copy)
    for preset in PRESETS:
        plan, name = resolve_cache(preset, Occasion(flow.sigmas(steps)), folder)
        assert plan in [learned.plan for learned in plans]
        assert name == f"{preset}: calibrated for this model"


def test_where_presets_cache_nothing_no_plan_is_learned_for_them():
    prompts = ["a", "bb", "ccc"]
    with pytest.raises(ValueError, match="take no plan for 7: give num_inference_steps, or"):
        calibrate(CurvedFlow(), prompts, 7)
    (learned,) = calibrate(CurvedFlow(), prompts, 7, rounds=0, transformer_runs=[4])
    assert learned.plan.transformer_runs == 4


def test_calibrated_plans_do_better_than_uncalibrated_and_become_the_presets(model_copy):
    (model_copy / "cache_plans.json").unlink(missing_ok=True)
    pipeline = Text2ImagePipeline(model_copy, backend="python", INFERENCE_PRECISION_HINT="f32")
    said = []
    (learned,) = calibrate(
        pipeline, PROMPTS, STEPS, transformer_runs=[6], rounds=1, say=said.append
    )
    assert learned.plan.transformer_runs == 6
    assert learned.held_out_db > learned.taylor_db
    assert "dB fitted" in said[-1]

    path = write_plans(pipeline.folder, [learned], into=model_copy)
    assert read_plans(pipeline.folder) == [learned]
    report = pipeline.generate(PROMPTS[0], cache="high", **SETTINGS).report
    assert report.cache == "high: calibrated for this model"
    assert report.schedule == str(learned.plan)
    values = json.loads(path.read_text()) | {"transformer": "another"}
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match="made for other weights than those beside it; remove it"):
        pipeline.generate(PROMPTS[0], cache="high", **SETTINGS)
    write_plans(pipeline.folder, [learned], into=model_copy)  # what the error advises mends it
    assert read_plans(pipeline.folder) == [learned]
    path.write_text('{"format": "x"}')
    with pytest.raises(ValueError, match="no calibrated plans of a known format"):
        pipeline.generate(PROMPTS[0], cache="high", **SETTINGS)


# --- plans for another picture ---


LEARNED = learned_plan(CachePlan.from_mask(MASK, SIGMAS, corrector=True))
# this plan's runs are those of "high" in 12 steps
assert LEARNED.plan.transformer_runs == 6


@pytest.fixture
def learned_folder(model_copy):
    folder = FluxFolder.read(model_copy)
    (model_copy / "cache_plans.json").unlink()
    write_plans(folder, [LEARNED], into=model_copy)
    return folder


@pytest.mark.parametrize(
    "asked",
    [{"size": (64, 128), "guidance_scale": 3.5}, {"size": (64, 128)}, {"guidance_scale": 3.5}, {}],
)
def test_a_plan_for_this_picture_is_taken_without_a_word(learned_folder, asked):
    plan, name = resolve_cache("high", Occasion(SIGMAS, **asked), learned_folder)
    assert plan == LEARNED.plan
    assert name == "high: calibrated for this model"


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"size": (128, 64)}, "128x64, not 64x128"),
        ({"guidance_scale": 7}, "guidance_scale 3.5, not 7"),
        (
            {"size": (256, 256), "guidance_scale": 1.0},
            "128x64, not 256x256 and guidance_scale 3.5, not 1",
        ),
    ],
)
def test_a_plan_for_another_picture_with_these_sigmas_is_taken_with_a_warning(
    learned_folder, asked, text
):
    with pytest.warns(CalibrationWarning, match=f"was calibrated for {text}; calibrate for this"):
        plan, name = resolve_cache("high", Occasion(SIGMAS, **asked), learned_folder)
    assert plan == LEARNED.plan
    assert name == f"high: calibrated for {text}"


def test_of_plans_with_these_sigmas_the_one_for_this_picture_is_taken(learned_folder):
    weights = 0.5 * (LEARNED.plan.weights + np.diag(MASK))
    for changes in ({"height": 128}, {"guidance_scale": 7.0}, {"height": 128, "width": 64}):
        other = dataclasses.replace(LEARNED, plan=CachePlan(MASK, weights, SIGMAS), **changes)
        write_plans(learned_folder, [other], into=learned_folder.path)
    assert len(read_plans(learned_folder)) == 4
    plan, _ = resolve_cache("high", Occasion(SIGMAS, (64, 128), 3.5), learned_folder)
    assert plan == LEARNED.plan


@pytest.mark.parametrize(
    ("sigmas", "asked"), [(SIGMAS**0.5, "6 of 12 steps"), (np.linspace(1, 0, 11), "5 of 10 steps")]
)
def test_where_no_plan_fits_the_warning_says_what_there_are_plans_for(
    learned_folder, sigmas, asked
):
    text = f"which are for 6 of 12 steps at 128x64, none fits {asked} at 512x256"
    with pytest.warns(CalibrationWarning, match=text):
        plan, name = resolve_cache("high", Occasion(sigmas, (256, 512)), learned_folder)
    assert str(plan) == schedule_text(spread_runs(len(sigmas) - 1, plan.transformer_runs))
    assert "corrected Taylor, not calibrated" in name


def test_a_model_without_plans_is_no_reason_to_warn(model_copy):
    (model_copy / "cache_plans.json").unlink()
    _, name = resolve_cache("high", Occasion(SIGMAS, (64, 128)), FluxFolder.read(model_copy))
    assert "corrected Taylor, not calibrated" in name


def test_a_preset_that_is_not_calibrated_has_four_runs_at_least(model_copy):
    (model_copy / "cache_plans.json").unlink()
    plan, _ = resolve_cache("fast", Occasion(SIGMAS[-9:]), FluxFolder.read(model_copy))
    assert str(plan) == "CC..C..C"


def test_the_pipeline_tells_the_presets_what_it_draws(pipeline):
    settings = {"num_inference_steps": 28, "callback": lambda *_: True}
    with pytest.warns(CalibrationWarning, match="none fits 10 of 28 steps at 128x256") as caught:
        pipeline.generate(PROMPTS[0], cache="balanced", height=256, **settings)
    assert caught[0].filename == __file__
    with pytest.warns(CalibrationWarning, match=r"guidance_scale 3\.5, not 1"):
        pipeline.generate(PROMPTS[0], cache="balanced", guidance_scale=1, **settings)


def test_the_fingerprint_tells_weights_apart(model_copy):
    folder = FluxFolder.read(model_copy)
    before = folder.fingerprint()
    assert before == FluxFolder.read(model_copy).fingerprint()
    weights = model_copy / "transformer" / "openvino_model.bin"
    changed = bytearray(weights.read_bytes())
    changed[len(changed) // 64 * 3] ^= 1
    weights.write_bytes(changed)
    assert folder.fingerprint() != before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompts": ["one"]}, "1 prompts, 1 of them held out, leave none to fit"),
        (
            {"prompts": PROMPTS, "transformer_runs": [12]},
            "must be from 3 to one less than the 12 steps, got 12",
        ),
    ],
)
def test_misuse(pipeline, arguments, message):
    with pytest.raises(ValueError, match=message):
        calibrate(pipeline, num_inference_steps=STEPS, **arguments)
