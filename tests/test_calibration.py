"""Calibration: the least squares, the search, and the whole way on the demo model."""

import json

import numpy as np
import pytest

from taylorseer_ov import CachePlan, Text2ImagePipeline, calibrate
from taylorseer_ov.calibration import Inner, fit, gram, likeness, record, search_mask
from taylorseer_ov.model_folder import FluxFolder
from taylorseer_ov.plan import parse_schedule
from taylorseer_ov.presets import read_plans, spread_runs, write_plans
from taylorseer_ov.schedule import native_schedules

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


@pytest.mark.parametrize("runs", [4, 5, 7])
def test_the_search_never_does_worse_than_the_native_mask(runs):
    random = np.random.default_rng(runs)
    curves = np.polynomial.polynomial.polyvander(SIGMAS[:-1], 6) @ random.standard_normal((7, 80))
    gram_full = gram(curves)
    inner = Inner.of_full_runs(gram_full)

    def objective(mask):
        given_to_a_run = np.append(mask[1:], True)
        return float(fit(mask, SIGMAS, inner)[1] @ given_to_a_run)

    for start in native_schedules(STEPS, runs):
        found = search_mask(gram_full, SIGMAS, start)
        assert sum(found) == runs
        assert found[0]
        assert objective(found) <= objective(start)


def test_no_gap_is_longer_than_the_cap():
    curves = np.random.default_rng(0).standard_normal((STEPS, 30))
    found = search_mask(gram(curves), SIGMAS, parse_schedule("C..C..C..C.."), longest_gap=3)
    assert "..." not in str(CachePlan.from_mask(found, SIGMAS))


@pytest.mark.parametrize(("steps", "runs"), [(28, 14), (28, 10), (28, 8), (50, 18), (9, 3), (8, 7)])
def test_spread_runs(steps, runs):
    schedule = spread_runs(steps, runs)
    assert len(schedule) == steps
    assert sum(schedule) == runs
    assert schedule[0]
    assert schedule[-1]


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


def test_recorded_outputs_make_the_latents(pipeline):
    full = record(pipeline, PROMPTS[0], None, **SETTINGS)
    plan = CachePlan.from_mask(MASK, pipeline.sigmas(**SETTINGS), corrector=True)
    cached = record(pipeline, PROMPTS[0], plan, **SETTINGS)
    assert full.outputs.shape == (STEPS, 64 * 64)
    computed = np.array(MASK)
    assert cached.outputs[computed].any(axis=1).all()
    assert not cached.outputs[~computed].any()
    # both runs begin with the same noise, so their difference is a sum of outputs
    dsigma = np.diff(pipeline.sigmas(**SETTINGS))
    expected = dsigma @ (plan.weights @ cached.outputs) - dsigma @ full.outputs
    found = (cached.latents - full.latents).reshape(-1)
    np.testing.assert_allclose(found, expected, atol=1e-3)


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

    path = write_plans(pipeline.folder, [learned])
    assert read_plans(pipeline.folder) == [learned]
    report = pipeline.generate(PROMPTS[0], cache="high", **SETTINGS).report
    assert report.cache == "high: calibrated for this model"
    assert report.schedule == str(learned.plan)
    other_size = pipeline.generate(PROMPTS[0], cache="high", height=256, width=256, **SETTINGS)
    assert "not calibrated for these steps and size" in other_size.report.cache

    values = json.loads(path.read_text()) | {"transformer": "another"}
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match="made for other weights than those beside it; remove it"):
        pipeline.generate(PROMPTS[0], cache="high", **SETTINGS)
    write_plans(pipeline.folder, [learned])  # what the error advises mends it
    assert read_plans(pipeline.folder) == [learned]
    path.write_text('{"format": "x"}')
    with pytest.raises(ValueError, match="no calibrated plans of a known format"):
        pipeline.generate(PROMPTS[0], cache="high", **SETTINGS)


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
        ({"prompts": PROMPTS, "transformer_runs": [12]}, "must be from 3 to 11, got 12"),
    ],
)
def test_misuse(pipeline, arguments, message):
    with pytest.raises(ValueError, match=message):
        calibrate(pipeline, num_inference_steps=STEPS, **arguments)
