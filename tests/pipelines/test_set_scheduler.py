"""Other noise levels than the model's own: on both backends, and told in the recipe."""

import json

import numpy as np
import pytest

from taylorseer_ov import (
    CalibrationWarning,
    Image2ImagePipeline,
    Scheduler,
    Text2ImagePipeline,
    demo_model_path,
)
from tests.common import F32, PROMPT
from tests.pipelines.common import SHORT, given

BACKENDS = ["python", pytest.param("native", marks=pytest.mark.native)]
OWN = Scheduler.from_config(demo_model_path() / "scheduler" / "scheduler_config.json")
PLAIN = {"cache": None} | SHORT
CHANGES = [{"use_dynamic_shifting": False, "shift": 3.0}, {"num_train_timesteps": 500}]


@pytest.fixture(params=CHANGES, ids=["shift", "timesteps"])
def changed(request, model_copy):
    """A scheduler with something changed, and the folder of a model that has it as its own."""
    path = model_copy / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | request.param))
    return Scheduler.from_config(path), model_copy


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_draws_what_a_model_with_that_scheduler_draws(changed, backend):
    scheduler, folder = changed
    pipeline = Text2ImagePipeline(demo_model_path(), backend=backend, **F32)
    before = pipeline.generate(PROMPT, **PLAIN).data
    pipeline.set_scheduler(scheduler)
    expected = Text2ImagePipeline(folder, backend="python", **F32)
    drawn = pipeline.generate(PROMPT, **PLAIN)
    assert drawn.report.load_s == pipeline.backends.load_s  # nothing was loaded again
    assert np.array_equal(drawn.data, expected.generate(PROMPT, **PLAIN).data)
    assert not np.array_equal(drawn.data, before)
    assert np.array_equal(pipeline.sigmas(num_inference_steps=4), expected.sigmas(**SHORT))
    pipeline.set_scheduler(OWN)
    assert np.array_equal(pipeline.generate(PROMPT, **PLAIN).data, before)


def test_a_pipeline_made_from_it_begins_with_the_same_scheduler(changed):
    scheduler, folder = changed
    pipeline = Text2ImagePipeline(demo_model_path(), backend="python", **F32)
    pipeline.set_scheduler(scheduler)
    other, expected = (
        Image2ImagePipeline(source).generate(PROMPT, *given(Image2ImagePipeline), **PLAIN)
        for source in (pipeline, Text2ImagePipeline(folder, backend="python", **F32))
    )
    assert np.array_equal(other.data, expected.data)
    pipeline.set_scheduler(OWN)  # of this one alone
    assert Image2ImagePipeline(pipeline).folder.scheduler == OWN


def test_the_recipe_says_so(changed):
    scheduler, _ = changed
    pipeline = Text2ImagePipeline(demo_model_path(), backend="python", **F32)
    assert pipeline.generate(PROMPT, **PLAIN).recipe.differences(pipeline) == []
    pipeline.set_scheduler(scheduler)
    recipe = pipeline.generate(PROMPT, **PLAIN).recipe
    assert recipe.differences(pipeline) == []
    pipeline.set_scheduler(OWN)
    (difference,) = recipe.differences(pipeline)
    assert difference.startswith("scheduler was num_train_timesteps=")
    assert difference.endswith("here it is not set")


def test_a_preset_takes_no_plan_of_other_noise_levels():
    config = dict(OWN.config) | {"use_dynamic_shifting": False, "shift": 3.0}
    scheduler = Scheduler(type(OWN.noise_levels).from_config(config), config)
    pipeline = Text2ImagePipeline(demo_model_path(), backend="python")
    pipeline.prepare(PROMPT, cache="high")
    pipeline.set_scheduler(scheduler)
    with pytest.warns(CalibrationWarning, match="the noise levels differ with steps"):
        pipeline.prepare(PROMPT, cache="high")


@pytest.mark.parametrize("wrong", [None, "scheduler_config.json", object()])
def test_what_is_no_scheduler(wrong):
    with pytest.raises(TypeError, match=r"must be taylorseer_ov\.Scheduler\.from_config\(PATH\)"):
        Text2ImagePipeline(demo_model_path()).set_scheduler(wrong)


@pytest.mark.native
def test_openvino_genai_s_scheduler_does_not_tell_its_noise_levels():
    import openvino_genai

    path = demo_model_path() / "scheduler" / "scheduler_config.json"
    with pytest.raises(TypeError, match="got <openvino_genai"):
        Text2ImagePipeline(demo_model_path()).set_scheduler(
            openvino_genai.Scheduler.from_config(path)
        )
