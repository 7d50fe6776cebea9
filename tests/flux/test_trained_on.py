"""What a model says that it was trained on, and what the pipelines say of other things."""

import json
import time

import numpy as np
import pytest

from scripts.demo.shapes import all_scenes, trained_on
from taylorseer_ov import ModelFolderError, Text2ImagePipeline, UntrainedWarning, demo_model_path
from taylorseer_ov.flux.trained_on import TrainedOn
from tests.common import F32, PROMPT

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def demo():
    return TrainedOn.read(demo_model_path())


def test_the_demo_model_s_file_says_what_it_was_trained_on():
    assert json.loads((demo_model_path() / "trained_on.json").read_text()) == trained_on()


def test_every_caption_of_the_training_is_known(demo):
    random = np.random.default_rng(0)
    for scene in all_scenes()[::7]:
        for caption in (scene.caption(), scene.caption(random), scene.caption(random).upper()):
            assert demo.has_prompt(caption), caption


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "a red circle on a blue background",
        "a large red circle",
        "a large red circle left of a small green square on black",
        "three red circles on a blue background",
        "a large red circle on a blue background and a star",
        "a large red left of circle on blue",
        "red " * 100_000,
    ],
)
def test_other_prompts_are_not(demo, prompt):
    assert not demo.has_prompt(prompt)


def test_sizes(demo):
    assert all(demo.has_size(height, 128) for height in (112, 128, 144))
    assert not any(demo.has_size(*size) for size in ((96, 128), (128, 160), (512, 512)))


def test_pipelines_warn_of_both_before_they_draw(pipeline):
    with pytest.warns(UntrainedWarning) as caught:
        pipeline.prepare("a red circle", width=512, height=256)
    sides, sentences = (str(warning.message) for warning in caught)
    assert sides == (
        "this model was trained on pictures with sides of 112 to 144 pixels; one of 512x256 may "
        "show anything"
    )
    assert "like 'a SIZE COLOR SHAPE on a COLOR background', 'a SIZE" in sentences
    assert "(SIZE: large, small; COLOR: red, green," in sentences
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("error")
def test_nothing_is_said_of_what_it_was_trained_on_or_where_a_model_does_not_say(model_copy):
    Text2ImagePipeline(model_copy, lazy=True, **F32).prepare(PROMPT)
    (model_copy / "trained_on.json").unlink()
    pipeline = Text2ImagePipeline(model_copy, lazy=True, **F32)
    pipeline.prepare("a red circle", width=512, height=512)


GOOD = {"sides": [64, 64], "phrases": {"A": ["a"]}, "sentences": ["A A"]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "must hold a JSON object"),
        ({}, "must have sides, phrases, sentences"),
        (GOOD | {"sides": [64]}, "sides must be the least and the most pixels"),
        (GOOD | {"sides": [64, 32]}, "sides must be the least and the most pixels"),
        (GOOD | {"sides": 64}, "sides is wrong: 64"),
        (GOOD | {"sides": ["a", 1]}, "sides must be a whole number"),
        (GOOD | {"phrases": ["a"]}, "phrases is wrong"),
        (GOOD | {"phrases": {"A": "a"}}, "A is wrong: 'a'"),
        (GOOD | {"sentences": [1]}, "sentences is wrong: 1"),
        (GOOD | {"sentences": ["a" * 5000]}, "more than 4096 bytes"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(values, message, model_copy):
    (model_copy / "trained_on.json").write_text(json.dumps(values))
    with pytest.raises(ModelFolderError, match=message) as error:
        Text2ImagePipeline(model_copy, lazy=True)
    assert "trained_on.json" in str(error.value)


def test_a_file_made_to_take_long_does_not():
    phrases = {"A": [" ".join("a" * count) for count in range(1, 40)]}
    slow = TrainedOn((1, 1), phrases, [" ".join("A" * 40)] * 20)
    begin_s = time.process_time()
    assert slow.has_prompt("a " * 50)
    assert not slow.has_prompt("a " * 49 + "b")
    assert time.process_time() - begin_s < 5
