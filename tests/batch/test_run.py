"""What a batch draws, what it leaves as it is, and what it refuses."""

import warnings

import numpy as np
import pytest

from taylorseer_ov import PromptWarning, Recipe, Text2ImagePipeline, demo_model_path
from taylorseer_ov.batch import checking
from taylorseer_ov.batch.lines import BadLine
from taylorseer_ov.batch.manifest import BatchFolderError
from taylorseer_ov.batch.run import BadLinesError, run_batch
from taylorseer_ov.warning import warn
from tests.batch.common import FAILS, assert_clean, line, manifest, pictures, stamps, statuses
from tests.common import F32, PROMPT


def test_a_batch_draws_what_generate_draws(pipeline, tmp_path):
    asked = [
        line(seed=1),
        line(seed=2, width=64, height=96),
        line(name="Two of them", num_images_per_prompt=2),
    ]
    seen = []
    outcomes = run_batch(pipeline, asked, tmp_path, progress=lambda *told: seen.append(told[:3]))
    assert statuses(outcomes) == {1: "drawn", 2: "drawn", 3: "drawn"}
    assert seen == [("draw", 1, 3), ("draw", 2, 3), ("draw", 3, 3)]
    steps = {"num_inference_steps": 2}
    prompt = "a red circle on black"
    expected = {
        "a-red-circle-on-black_seed1.png": pipeline.generate(prompt, rng_seed=1, **steps).data[0],
        "a-red-circle-on-black_seed2.png": pipeline.generate(
            prompt, rng_seed=2, width=64, height=96, **steps
        ).data[0],
    }
    pair = pipeline.generate(prompt, num_images_per_prompt=2, **steps).data
    expected |= {f"Two of them_{k + 1}of2.png": pair[k] for k in range(2)}
    drawn = pictures(tmp_path)
    assert drawn.keys() == expected.keys()
    assert all(np.array_equal(drawn[name], expected[name]) for name in drawn)
    rows = manifest(tmp_path)
    assert [(row["line"], row["status"], row["error"]) for row in rows] == [
        (1, "done", None),
        (2, "done", None),
        (3, "done", None),
    ]
    assert all(row["seconds"] > 0 for row in rows)
    assert_clean(tmp_path)
    recipe = Recipe.from_picture(tmp_path / "a-red-circle-on-black_seed2.png")
    assert (recipe.asked.width, recipe.seed) == (64, 2)


def test_only_what_is_missing_or_changed_is_drawn(pipeline, tmp_path):
    asked = [line(seed=seed) for seed in range(3)]
    list(run_batch(pipeline, asked, tmp_path))
    before = stamps(tmp_path)
    assert set(statuses(run_batch(pipeline, asked, tmp_path)).values()) == {"present"}
    assert stamps(tmp_path) == before
    # moved lines are the same lines; a deleted picture is drawn again; a changed line is a new one
    (tmp_path / "a-red-circle-on-black_seed1.png").unlink()
    changed = [asked[2] | {"steps": 3}, asked[1], asked[0]]
    again = statuses(run_batch(pipeline, changed, tmp_path))
    assert again == {1: "drawn", 2: "drawn", 3: "present"}
    assert set(stamps(tmp_path)) == set(before) | {"a-red-circle-on-black_seed2-2.png"}
    assert [row["line"] for row in manifest(tmp_path)] == [3, 2, 3, 1]
    list(run_batch(pipeline, changed, tmp_path, metadata=False))
    assert_clean(tmp_path)


def test_equal_lines_are_drawn_as_often_as_they_are_there(pipeline, tmp_path):
    same = [line(), line()]
    assert statuses(run_batch(pipeline, same, tmp_path)) == {1: "drawn", 2: "drawn"}
    first, second = pictures(tmp_path).values()
    assert np.array_equal(first, second)
    more = statuses(run_batch(pipeline, [*same, line()], tmp_path))
    assert more == {1: "present", 2: "present", 3: "drawn"}


def test_a_line_is_new_with_other_weights_or_another_plan(pipeline, model_copy, tmp_path):
    out = tmp_path / "out"
    plan = tmp_path / "plan.json"
    plan.write_text(pipeline.prepare(PROMPT, num_inference_steps=2).cache.to_json())
    asked = [line(cache=str(plan))]
    list(run_batch(pipeline, asked, out))
    assert statuses(run_batch(pipeline, asked, out)) == {1: "present"}
    text = plan.read_text()
    plan.write_text(text.replace('{"1": 1.0}', '{"0": 0.5, "1": 0.5}'))
    assert plan.read_text() != text
    assert statuses(run_batch(pipeline, asked, out)) == {1: "drawn"}
    weights = model_copy / "vae_decoder" / "openvino_model.bin"
    with weights.open("r+b") as file:
        file.write(b"\0\0")
    other = Text2ImagePipeline(model_copy, backend="python", **F32)
    assert statuses(run_batch(other, asked, out)) == {1: "drawn"}
    assert len(pictures(out)) == 3


def test_settings_that_lines_leave_out_are_the_pipelines(tmp_path):
    own = Text2ImagePipeline(demo_model_path(), backend="python", **F32)
    own.set_generation_config(own.get_generation_config().updated({"num_inference_steps": 2}))
    list(run_batch(own, ["a red circle on black"], tmp_path))
    (path,) = tmp_path.glob("*.png")
    assert Recipe.from_picture(path).asked.num_inference_steps == 2


def test_bad_lines_are_all_named_before_anything_is_drawn(pipeline, tmp_path):
    wrong = [line(width=100), line(widht=64), BadLine(9, "odd"), line(cache="quick"), line(5)]
    asked = [line(), *wrong]
    with pytest.raises(BadLinesError, match="nothing was drawn: line 2: width must be") as caught:
        run_batch(pipeline, asked, tmp_path / "out")
    assert [bad.number for bad in caught.value.lines] == [2, 3, 9, 5, 6]
    assert not (tmp_path / "out").exists()
    outcomes = list(run_batch(pipeline, asked, tmp_path, skip_bad_lines=True))
    assert statuses(outcomes) == {1: "drawn"} | dict.fromkeys((2, 3, 9, 5, 6), "bad")
    assert "did you mean 'width'" in outcomes[1].error
    bad = [row for row in manifest(tmp_path) if row["status"] == "bad"]
    assert [row["line"] for row in bad] == [2, 3, 9, 5, 6]


def test_a_generator_is_refused(pipeline, tmp_path):
    class Noise:
        def randn_tensor(self, shape):
            return np.zeros(tuple(shape))

    with pytest.raises(BadLinesError, match="a batch takes seeds, not a generator"):
        run_batch(pipeline, [line(generator=Noise())], tmp_path)
    with pytest.raises(BadLinesError, match="not valid Unicode"):
        run_batch(pipeline, ["\ud800"], tmp_path)


def test_warnings_name_their_line(pipeline, tmp_path):
    with pytest.warns(PromptWarning, match="^line 2: this model's .* does not know 'purple'"):
        run_batch(pipeline, [line(), line("a purple star")], tmp_path)


def test_a_warning_of_many_lines_is_told_once_with_their_count(pipeline, monkeypatch, tmp_path):
    monkeypatch.setattr(checking, "CHECKED_AHEAD", 40)
    words = ["purple", *(f"word{number}" for number in range(18))]
    lines = [line(f"a {word} star", steps=1) for word in words for _ in range(2)]
    lines += [line(), line(), line("a purple circle"), line("a purple square")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = run_batch(pipeline, lines, tmp_path, shard=(1, 14))  # three of them
        told = texts_of(caught, PromptWarning)
        caught.clear()
        assert set(statuses(run).values()) == {"drawn"}
        later = texts_of(caught, PromptWarning)
    unknown = "this model's text encoder does not know"
    assert told == [
        f"line 1 and 1 more: {unknown} 'purple'",
        *(f"line {2 * k + 3} and 1 more: {unknown} 'word{k}'" for k in range(9)),
        "line 21 and 17 more: warnings like these, in other words",
    ]
    assert later == [f"line 1 and 3 more, in all: {unknown} 'purple'"]


def texts_of(caught, category):
    return [str(warning.message) for warning in caught if warning.category is category]


def test_what_drawing_warns_of_is_told_once_too(tmp_path):
    own = Text2ImagePipeline(demo_model_path(), backend="python", **F32)
    backend = own.backends.load_python()
    generate = backend.generate

    def generate_and_warn(job):
        warn("the disk is nearly full", ResourceWarning)
        return generate(job)

    backend.generate = generate_and_warn
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(run_batch(own, [line(seed=seed) for seed in range(3)], tmp_path))
    assert texts_of(caught, ResourceWarning) == [
        "line 1: the disk is nearly full",
        "line 1 and 2 more, in all: the disk is nearly full",
    ]
    assert caught[0].filename == __file__


@pytest.mark.parametrize("low_memory", [False, True])
def test_a_failing_picture_does_not_stop_the_rest_and_is_tried_again(low_memory, tmp_path):
    own = Text2ImagePipeline(demo_model_path(), backend="python", low_memory=low_memory, **F32)
    asked = [line(seed=1), line(**FAILS), line(seed=2)]
    outcomes = {outcome.line: outcome for outcome in run_batch(own, asked, tmp_path)}
    assert statuses(outcomes.values()) == {1: "drawn", 2: "failed", 3: "drawn"}
    assert outcomes[2].error.startswith("NotFiniteError: the transformer returned values that")
    assert manifest(tmp_path)[1]["error"] == outcomes[2].error
    assert_clean(tmp_path)
    again = statuses(run_batch(own, asked, tmp_path))
    assert again == {1: "present", 2: "failed", 3: "present"}


def test_a_format_that_there_is_none_of_is_refused_before_the_folder_is_made(pipeline, tmp_path):
    with pytest.raises(ValueError, match="format must be one of png, jpg, webp, got 'gif'"):
        run_batch(pipeline, [line()], tmp_path / "out", format="gif")
    assert not (tmp_path / "out").exists()


def test_shards_share_the_lines(pipeline, tmp_path):
    asked = [line(seed=seed) for seed in range(5)]
    assert statuses(run_batch(pipeline, asked, tmp_path, shard=(2, 2))) == {2: "drawn", 4: "drawn"}
    assert [row["status"] for row in manifest(tmp_path)] == [
        "pending",
        "done",
        "pending",
        "done",
        "pending",
    ]
    assert statuses(run_batch(pipeline, asked, tmp_path, shard=(1, 2))) == dict.fromkeys(
        (1, 3, 5), "drawn"
    )
    for shard in ((0, 2), (3, 2), (1, 0)):
        with pytest.raises(ValueError, match="must be a whole number"):
            run_batch(pipeline, asked, tmp_path, shard=shard)


def test_stop_leaves_the_rest_for_later(pipeline, tmp_path):
    asked = [line(seed=seed) for seed in range(6)]
    seen = []
    run = run_batch(
        pipeline,
        asked,
        tmp_path,
        stop=lambda: bool(seen),
        progress=lambda *told: seen.append(told),
    )
    first = statuses(run)
    # those that were begun are drawn to their end
    assert first == dict.fromkeys(range(1, len(first) + 1), "drawn")
    assert len(first) <= 3
    left = dict.fromkeys(range(len(first) + 1, 7), "drawn")
    assert statuses(run_batch(pipeline, asked, tmp_path)) == dict.fromkeys(first, "present") | left


def test_pictures_of_the_user_are_left_alone(pipeline, tmp_path):
    mine = tmp_path / "a-red-circle-on-black_seed1.png"
    mine.write_text("mine")
    list(run_batch(pipeline, [line(seed=1)], tmp_path))
    assert mine.read_text() == "mine"
    assert set(stamps(tmp_path)) == {mine.name, "a-red-circle-on-black_seed1-2.png"}


@pytest.mark.parametrize(
    "content",
    [
        "my own notes",
        "",
        '{"format": "taylorseer_ov.batch/1"}\n[]',
        '{"format": "taylorseer_ov.batch/1"}\n{"key": "a", "line": 1, "prompt": "", '
        '"status": "done", "files": ["../x"], "sizes": [0], "seconds": 1, "error": null}',
    ],
)
def test_another_manifest_is_refused_and_kept(pipeline, content, tmp_path):
    (tmp_path / "manifest.jsonl").write_text(content)
    with pytest.raises(BatchFolderError, match="is not the manifest of a batch, or damaged"):
        run_batch(pipeline, [line()], tmp_path)
    assert (tmp_path / "manifest.jsonl").read_text() == content
    assert len(list(tmp_path.iterdir())) == 1
