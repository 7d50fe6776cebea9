"""Batches with low memory: a model at a time, for all lines."""

import json

import numpy as np
import pytest
from PIL import Image

from taylorseer_ov import Recipe, Text2ImagePipeline, demo_model_path
from taylorseer_ov.batch.folder import pack, unpack
from taylorseer_ov.batch.run import run_batch
from taylorseer_ov.flux.parts import Part
from taylorseer_ov.pipelines.stages import GenerationStages
from tests.batch.common import assert_clean, line, statuses
from tests.common import F32, PROMPT


@pytest.fixture
def loads(monkeypatch):
    """Which models are compiled, in order."""
    loaded = []
    compile_part = Part.compile

    def compile_and_note(part):
        loaded.append(type(part).__name__)
        compile_part(part)

    monkeypatch.setattr(Part, "compile", compile_and_note)
    return loaded


def frugal_pipeline(**properties):
    return Text2ImagePipeline(demo_model_path(), low_memory=True, **(F32 | properties))


def test_with_low_memory_each_model_is_loaded_once(loads, tmp_path):
    asked = [line(seed=seed, cache={"tolerance": 0.1}, steps=6) for seed in range(3)]
    seen = []
    outcomes = list(
        run_batch(frugal_pipeline(), asked, tmp_path, progress=lambda *told: seen.append(told[:3]))
    )
    assert loads == ["TextEncoder", "TextEncoder", "FluxTransformer", "VaeDecoder"]
    stages = ("pooled", "text", "latents", "decode")
    assert seen == [(stage, number, 3) for stage in stages for number in (1, 2, 3)]
    assert_clean(tmp_path)
    again = frugal_pipeline()
    for outcome in outcomes:
        (path,) = outcome.files
        recipe = Recipe.from_picture(path)
        expected = again.generate(**recipe.settings())
        assert np.array_equal(np.asarray(Image.open(path)), expected.data[0])
        assert recipe.report["schedule"] == expected.report.schedule
        errors = {int(step): error for step, error in recipe.report["forecast_errors"].items()}
        assert errors == expected.report.forecast_errors


def test_what_is_denoised_is_not_denoised_again(loads, tmp_path):
    asked = [line(seed=seed) for seed in range(2)]
    seen = []
    run = run_batch(
        frugal_pipeline(),
        asked,
        tmp_path,
        stop=lambda: ("latents", 2, 2) in seen,
        progress=lambda *told: seen.append(told[:3]),
    )
    assert list(run) == []
    kept = (tmp_path / ".taylorseer-batch").glob("*.npz")
    assert [path.name[32:] for path in kept] == ["-latents.npz", "-latents.npz"]
    loads.clear()
    assert statuses(run_batch(frugal_pipeline(), asked, tmp_path)) == {1: "drawn", 2: "drawn"}
    assert loads == ["VaeDecoder"]
    assert_clean(tmp_path)


def test_what_was_denoised_before_encoders_were_timed_apart_is_decoded(tmp_path):
    """The account had their sum alone."""
    seen = []
    run = run_batch(
        frugal_pipeline(),
        [line()],
        tmp_path,
        stop=lambda: len(seen) == 3,
        progress=lambda *told: seen.append(told),
    )
    assert list(run) == []
    (kept,) = (tmp_path / ".taylorseer-batch").glob("*-latents.npz")
    made = unpack(kept.read_bytes())
    account = json.loads(str(made["account"]))
    encoders_s = account.pop("text_encoder_s")
    assert min(encoders_s) > 0
    account["text_encoding_s"] = sum(encoders_s)
    kept.write_bytes(pack({**made, "account": np.array(json.dumps(account))}))
    (outcome,) = run_batch(frugal_pipeline(), [line()], tmp_path)
    report = Recipe.from_picture(outcome.files[0]).report
    assert report["text_encoding_s"] == sum(encoders_s)
    assert report["text_encoder_s"] == [0, sum(encoders_s)]


def test_what_another_precision_has_left_is_not_used(loads, tmp_path):
    for stopped in (True, False):
        seen = []
        pipeline = frugal_pipeline(INFERENCE_PRECISION_HINT="f32" if stopped else "bf16")
        outcomes = run_batch(
            pipeline,
            [line()],
            tmp_path,
            stop=lambda seen=seen, stopped=stopped: stopped and ("latents", 1, 1) in seen,
            progress=lambda *told, seen=seen: seen.append(told[:3]),
        )
        assert len(list(outcomes)) == (0 if stopped else 1)
    assert loads.count("FluxTransformer") == 2
    assert_clean(tmp_path)


def test_after_a_picture_in_stages_latents_are_decoded_in_its_size():
    pipeline = Text2ImagePipeline(demo_model_path(), low_memory=True, **F32)
    job = pipeline.prepare(PROMPT, height=64, width=128, num_inference_steps=1)
    stages = GenerationStages(pipeline)
    made = {stage: stages.make(stage, job, {}) for stage in ("pooled", "text")}
    denoised = stages.make("latents", job, made)
    drawn = stages.finish(job, denoised)
    assert np.array_equal(pipeline.decode(denoised["latents"]), drawn.data)
