"""Pictures that can be made again: what they hold, and what differs."""

import json

import numpy as np
import pytest

from taylorseer_ov import (
    CachePlan,
    ErrorControl,
    Recipe,
    RecipeError,
    TaylorSeerCacheConfig,
    Text2ImagePipeline,
    demo_model_path,
)
from tests.common import F32, PROMPT
from tests.pictures.common import SHORT, STEPS, pixels

# few steps, for which the demo model has no calibrated plans
pytestmark = pytest.mark.filterwarnings("ignore::taylorseer_ov.caching.presets.CalibrationWarning")


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"cache": None},
        {"rng_seed": 7, "height": 96, "width": 160, "guidance_scale": 2.25},
        {"prompt_2": "a small white star on black", "max_sequence_length": 16},
        {"cache": TaylorSeerCacheConfig(3, 2, -1)},
        {"cache": TaylorSeerCacheConfig(3, 2, -1, max_order=2, abscissa="sigma", corrector=True)},
        {"cache": "fast"},
        {"cache": ErrorControl(0.01)},
        {"cache": CachePlan.uncached(9)},
        {"num_images_per_prompt": 2, "rng_seed": 5},
    ],
    ids=str,
)
def test_a_picture_is_made_again_bit_for_bit(pipeline, asked, tmp_path):
    result = pipeline.generate(PROMPT, **(STEPS | asked))
    paths = result.save(tmp_path)
    assert len(paths) == asked.get("num_images_per_prompt", 1)
    for path in paths:
        recipe = Recipe.from_picture(path)
        assert recipe.differences(pipeline) == []
        again = pipeline.generate(**recipe.settings())
        assert np.array_equal(again.data[recipe.index], pixels(path))
        assert again.report.schedule == result.report.schedule


@pytest.mark.native
def test_a_native_picture_is_made_again_by_the_native_backend(tmp_path):
    native = Text2ImagePipeline(demo_model_path(), backend="native", **F32)
    fresh = Text2ImagePipeline(demo_model_path(), **F32)
    for cache in (None, TaylorSeerCacheConfig(3, 2, -1)):
        (path,) = native.generate(PROMPT, cache=cache, **STEPS).save(tmp_path)
        recipe = Recipe.from_picture(path)
        assert recipe.environment.backend == "native"
        assert recipe.differences(fresh) == []
        again = fresh.generate(**recipe.settings())
        assert again.report.backend == "native"
        assert np.array_equal(again.data[0], pixels(path))


def test_a_plan_is_followed_when_its_file_is_gone_and_paths_stay_private(pipeline, tmp_path):
    plan = CachePlan.from_mask("CC..C..CC", pipeline.sigmas(**STEPS), corrector=True)
    secret = tmp_path / "somebody"
    secret.mkdir()
    file = secret / "plan.json"
    file.write_text(plan.to_json())
    for folder in (str(secret), "a\\b"):
        located = Text2ImagePipeline(demo_model_path(), backend="python", CACHE_DIR=folder, **F32)
        job = located.prepare(PROMPT, cache=str(file), **STEPS)
        assert located.environment(job).properties == F32
    result = pipeline.generate(PROMPT, cache=str(file), **STEPS)
    file.unlink()
    (path,) = result.save(tmp_path)
    recipe = Recipe.from_picture(path)
    assert recipe.settings()["cache"] == plan
    assert recipe.asked.cache == "plan.json"
    assert b"somebody" not in path.read_bytes()


def test_what_only_the_caller_has_cannot_be_made_again(pipeline, tmp_path):
    class Noise:
        def randn_tensor(self, shape):
            return np.zeros(tuple(shape))

    class Policy:
        def start(self, velocity, sigmas):
            return ErrorControl().start(velocity, sigmas)

    for index, asked in enumerate(({"generator": Noise()}, {"cache": Policy()})):
        (path,) = pipeline.generate(PROMPT, **SHORT, **asked).save(tmp_path / str(index))
        recipe = Recipe.from_picture(path)
        with pytest.raises(RecipeError, match=r"of the caller's.* it cannot be drawn again"):
            recipe.settings()
        assert "cannot be drawn here" in recipe.differences(pipeline)[0]
    assert sorted(path.name.rpartition("background")[2] for path in tmp_path.glob("*/*.png")) == [
        "_own-noise.png",
        "_seed42.png",
    ]


def test_an_interrupted_picture_says_so(pipeline, tmp_path):
    result = pipeline.generate(PROMPT, callback=lambda step, *_: step == 1, **STEPS)
    (path,) = result.save(tmp_path)
    assert path.name == "a-large-red-circle-on-a-blue-background_seed42_interrupted.png"
    recipe = Recipe.from_picture(path)
    assert recipe.interrupted
    assert "stopped before its last step" in recipe.differences(pipeline)[0]


def test_differences_are_named(drawn, model_copy):
    weights = model_copy / "transformer" / "openvino_model.bin"
    with weights.open("r+b") as file:
        file.write(b"\1\2\3\4")
    (model_copy / "cache_plans.json").unlink()
    other = Text2ImagePipeline(model_copy, "AUTO:CPU", backend="python", vae_tiling=True)
    other.reshape(1, 128, 128, 3.5)
    assert drawn.recipe.differences(other) == [
        "the weights of the transformer are not those of its model, 'demo_model'",
        "denoise ran on CPU, here on AUTO:CPU",
        "text_encode ran on CPU, here on AUTO:CPU",
        "vae ran on CPU, here on AUTO:CPU",
        "AUTO:CPU was not set, here it is AUTO:CPU",
        f"CPU was {drawn.recipe.environment.processors['CPU']}, here it is not set",
        "INFERENCE_PRECISION_HINT was f32, here it is not set",
        "a pipeline reshaped to one size: no then, yes here",
        "decoding in tiles: no then, yes here",
    ]
    other.reshape(1, 64, 64, 3.5)
    assert "reshaped to one size" in drawn.recipe.differences(other)[0]


def test_differences_of_versions(drawn, pipeline):
    values = json.loads(drawn.recipe.to_json())
    values["environment"]["versions"]["openvino"] = "2025.4.0"
    values["environment"]["backend"] = "native"
    older = Recipe.from_json(json.dumps(values))
    here = drawn.recipe.environment.versions["openvino"]
    assert older.differences(pipeline) == [
        "it was drawn by the native backend, here the python backend would draw",
        f"openvino was 2025.4.0, here it is {here}",
    ]
