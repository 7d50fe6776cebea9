"""Batches of more lines than are checked at once, here of very few."""

import numpy as np
import pytest

from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.batch import checking, sitting
from taylorseer_ov.batch.folder import BatchFolder
from taylorseer_ov.batch.run import BadLinesError, run_batch
from taylorseer_ov.warning import collected_warnings
from tests.batch.common import assert_clean, line, manifest, statuses
from tests.common import F32


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch):
    """Three lines are checked at once, and two are waiting for the next model."""
    monkeypatch.setattr(checking, "CHECKED_AHEAD", 3)
    monkeypatch.setattr(checking, "ENCODED_AT_ONCE", 2)
    monkeypatch.setattr(sitting, "STAGED_AT_ONCE", 2)


def test_lines_are_read_and_checked_when_it_is_their_turn(pipeline, tmp_path):
    read = []

    def lines():
        for seed in range(8):
            read.append(seed)
            yield line(seed=seed)

    told = []
    run = run_batch(pipeline, lines(), tmp_path, progress=lambda *p: told.append(p[:3]))
    seen = [(outcome.line, outcome.status, len(read)) for outcome in run]
    # one line more is read, to know whether it was the last
    assert [after for _, _, after in seen] == [4, 4, 4, 7, 7, 7, 8, 8]
    assert [(number, status) for number, status, _ in seen] == [(k, "drawn") for k in range(1, 9)]
    assert [row["line"] for row in manifest(tmp_path)] == [*range(1, 9)]
    # a generator does not know how many it will be
    totals = [3] * 3 + [6] * 3 + [8] * 2
    assert told == [("draw", number, of) for number, of in zip(range(1, 9), totals, strict=True)]
    assert_clean(tmp_path)


@pytest.mark.parametrize("shard", [(1, 1), (2, 2), (3, 3)])
def test_the_time_left_counts_lines_that_were_not_read_yet(shard, pipeline, tmp_path):
    told = []
    lines = [line(seed=seed, steps=1) for seed in range(9)]
    run = run_batch(pipeline, lines, tmp_path, shard=shard, progress=lambda *p: told.append(p[:3]))
    mine = range(shard[0], 10, shard[1])
    assert statuses(run) == dict.fromkeys(mine, "drawn")
    assert told == [("draw", number, len(mine)) for number in range(1, len(mine) + 1)]
    assert len(manifest(tmp_path)) == 9


def test_a_bad_line_among_the_later_ones_is_told_and_left_out(pipeline, tmp_path):
    lines = [line(seed=seed) for seed in range(5)] + [line(width=100)]
    found = {outcome.line: outcome for outcome in run_batch(pipeline, lines, tmp_path)}
    assert statuses(found.values()) == dict.fromkeys(range(1, 6), "drawn") | {6: "bad"}
    assert "width must be" in found[6].error
    with pytest.raises(BadLinesError) as raised:
        run_batch(pipeline, lines[::-1], tmp_path)
    assert ([bad.number for bad in raised.value.lines], raised.value.checked) == ([1], 3)


def test_of_very_long_lines_fewer_are_in_memory(pipeline, monkeypatch):
    monkeypatch.setattr(checking, "LETTERS_AHEAD", 100)
    long = "red " * 30
    lines = [line(long), line("a", prompt_2=long), long, "a", "a", "a", "a"]
    with collected_warnings():
        windows = checking.LineChecker(pipeline, lambda line, warned: None).windows(lines)
        assert [window.read for window in windows] == [1, 2, 3, 6, 7]


def test_equal_lines_far_from_each_other_are_both_drawn(pipeline, tmp_path):
    lines = [line(), *(line(seed=seed) for seed in range(3)), line()]
    for expected in ("drawn", "present"):
        found = statuses(run_batch(pipeline, lines, tmp_path))
        assert found == dict.fromkeys(range(1, 6), expected)


def test_a_line_that_another_process_lets_go_of_is_drawn_later(pipeline, tmp_path):
    lines = [line(seed=seed) for seed in range(7)]
    run = run_batch(pipeline, lines, tmp_path)
    with BatchFolder(tmp_path).claim(checked(pipeline, lines)[0].key):
        seen = [next(run).line for _ in range(3)]
    seen += [outcome.line for outcome in run]
    assert seen == [2, 3, 4, 5, 6, 1, 7]
    assert_clean(tmp_path)


def test_a_line_that_another_process_keeps_is_left_to_it(pipeline, tmp_path):
    lines = [line(seed=seed) for seed in range(4)]
    run = run_batch(pipeline, lines, tmp_path)
    with BatchFolder(tmp_path).claim(checked(pipeline, lines)[0].key):
        assert list(statuses(run).items()) == [
            (2, "drawn"),
            (3, "drawn"),
            (4, "drawn"),
            (1, "busy"),
        ]


def checked(pipeline, lines):
    windows = checking.LineChecker(pipeline, lambda line, warned: None).windows(lines)
    return [line for window in windows for line in window.lines]


def test_what_lines_have_in_common_is_decided_once_and_is_what_each_would_decide(pipeline):
    lines = [
        line("a red circle", seed=4),
        line("a blue star", prompt_2="a purple star", name="star"),
        line("a blue star"),
        line("a blue star", steps=3, seed=7),
        line("a red circle", steps=9, cache="fast"),
        line("a red circle", steps=9, cache={"tolerance": 0.1}),
        line("a blue star", steps=9, cache="fast", seed=5),
        line("a blue star", steps=9, cache=None),
        line("a blue star", steps=9, cache=pipeline.prepare("a", num_inference_steps=9).cache),
    ]
    prepare, prepared = pipeline.prepare, []

    def note(prompt, **given):
        prepared.append(prompt)
        return prepare(prompt, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "prepare", note)
        warned = {}
        windows = list(checking.LineChecker(pipeline, warned.__setitem__).windows(lines))
    assert len(prepared) == 6
    found = [made for window in windows for made in window.lines]
    assert len(found) == len(lines)
    for number, made in enumerate(found, 1):
        with collected_warnings() as expected:
            job = prepare(made.asked.prompt, **made.asked.settings)
        assert sorted(warned[number], key=str) == sorted(expected, key=str)
        assert vars(made.job.settings) == vars(job.settings)
        assert (made.job.prompt, made.job.prompt_2) == (job.prompt, job.prompt_2)
        assert (made.job.cache, made.job.cache_name) == (job.cache, job.cache_name)
        assert np.array_equal(made.job.sigmas, job.sigmas)
        assert made.environment == pipeline.environment(job)
    assert any("does not know 'purple'" in message for message, _ in warned[2])
    assert any("none fits 3 of 9 steps" in message for message, _ in warned[7])  # as in line 5


def test_with_low_memory_models_are_loaded_for_so_many_lines_as_the_disk_is_to_hold(tmp_path):
    pipeline = Text2ImagePipeline(demo_model_path(), low_memory=True, **F32)
    lines = [line(seed=seed, steps=1) for seed in range(5)]
    state = tmp_path / ".taylorseer-batch"
    most = 0
    stages = []

    def progress(stage, done, of, seconds):
        nonlocal most
        most = max(most, len({path.name[:32] for path in state.glob("*.npz")}))
        stages.append((stage, done, of))
        assert seconds >= 0

    run = run_batch(pipeline, lines, tmp_path, progress=progress)
    assert statuses(run) == dict.fromkeys(range(1, 6), "drawn")
    assert most == 2
    names = ("pooled", "text", "latents", "decode")
    assert stages == [
        *((stage, done, 5) for stage in names for done in (1, 2)),
        *((stage, 3, 5) for stage in names),
        *((stage, done, 5) for stage in names for done in (4, 5)),
    ]
    assert_clean(tmp_path)


def test_what_stages_left_of_later_lines_is_kept_until_it_is_their_turn(tmp_path):
    pipeline = Text2ImagePipeline(demo_model_path(), low_memory=True, **F32)
    lines = [line(seed=seed, steps=1) for seed in range(4)]
    seen = []

    def note(*told):
        seen.append(told[:3])

    stop_at = ("latents", 4, 4)
    run = run_batch(pipeline, lines, tmp_path, stop=lambda: stop_at in seen, progress=note)
    assert statuses(run) == dict.fromkeys((1, 2, 3), "drawn")
    seen.clear()
    again = run_batch(pipeline, lines, tmp_path, progress=note)
    assert statuses(again) == dict.fromkeys((1, 2, 3), "present") | {4: "drawn"}
    assert seen == [("decode", 1, 1)]
    assert_clean(tmp_path)
