"""A batch that draws lines beside each other: the pictures of one by one, however it is ended."""

import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from taylorseer_ov import Text2ImagePipeline, demo_model_path
from taylorseer_ov.batch.run import run_batch
from taylorseer_ov.batch.share import progress_of
from taylorseer_ov.cli import main
from tests.batch.common import FAILS, assert_clean, line, manifest, pictures, statuses
from tests.common import F32, PROMPT

ASKED = [line(PROMPT, seed=seed, width=64 + 16 * (seed % 2)) for seed in range(6)]


@pytest.fixture(scope="module")
def two_streams():
    return Text2ImagePipeline(demo_model_path(), backend="python", streams=2, **F32)


def assert_same(drawn, expected):
    assert drawn.keys() == expected.keys()
    assert all(np.array_equal(drawn[name], expected[name]) for name in expected)


def test_pictures_are_those_of_one_by_one_also_after_a_stop(two_streams, tmp_path):
    expected = {}
    for asked in ASKED:
        settings = {"rng_seed": asked["seed"], "num_inference_steps": asked["steps"]}
        result = two_streams.generate(PROMPT, width=asked["width"], **settings)
        (path,) = result.save(tmp_path / "alone")
        expected[path.name] = result.data[0]
    drawn = tmp_path / "drawn"
    assert list(statuses(run_batch(two_streams, ASKED, drawn))) == [1, 2, 3, 4, 5, 6]
    assert_same(pictures(drawn), expected)
    # stopped after the first picture that is published, those begun are drawn too, and no other
    resumed, stopped = tmp_path / "resumed", threading.Event()
    first = {}
    for outcome in run_batch(two_streams, ASKED, resumed, stop=stopped.is_set):
        stopped.set()
        first[outcome.line] = outcome.status
    assert 1 <= len(first) <= 5
    assert set(first.values()) == {"drawn"}
    assert_clean(resumed)
    again = statuses(run_batch(two_streams, ASKED, resumed))
    assert {number for number, status in again.items() if status == "present"} == first.keys()
    assert_same(pictures(resumed), expected)
    assert_clean(resumed)


def test_one_that_fails_leaves_the_others_and_their_order(two_streams, tmp_path):
    asked = [ASKED[0], ASKED[1] | FAILS, *ASKED[2:]]
    told = []
    outcomes = run_batch(
        two_streams, asked, tmp_path, progress=lambda stage, done, of, left: told.append((done, of))
    )
    assert [(outcome.line, outcome.status) for outcome in outcomes] == [
        (number, "failed" if number == 2 else "drawn") for number in range(1, 7)
    ]
    assert told == [(number, 6) for number in range(1, 7)]
    assert "NotFiniteError" in manifest(tmp_path)[1]["error"]
    assert_clean(tmp_path)


def test_a_line_is_written_while_the_next_is_drawn(pipeline, tmp_path, monkeypatch):
    """With one stream too: the next line's first step is awaited before the first is written."""
    from taylorseer_ov.flux.parts import FluxTransformer
    from taylorseer_ov.pictures.result import GenerationResult

    written, drawn_beside = threading.Event(), threading.Event()
    encode, run = GenerationResult.encode, FluxTransformer.__call__
    writing = threading.Event()

    def encode_late(result, *arguments):
        writing.set()
        assert drawn_beside.wait(30)
        written.set()
        return encode(result, *arguments)

    def run_and_tell(transformer, *arguments):
        if writing.is_set() and not written.is_set():
            drawn_beside.set()
        return run(transformer, *arguments)

    monkeypatch.setattr(GenerationResult, "encode", encode_late)
    monkeypatch.setattr(FluxTransformer, "__call__", run_and_tell)
    asked = [line(PROMPT, seed=seed, steps=20, cache=None) for seed in range(4)]
    assert set(statuses(run_batch(pipeline, asked, tmp_path)).values()) == {"drawn"}


@pytest.mark.parametrize(
    ("streams", "seconds", "left"),
    [
        (1, (9, 2, 2, 4), [27, 4, 2, 0]),  # the first line warms up
        (2, (4, 0, 4, 0, 4, 0), [10, 8, 6, 4, 2, 0]),
    ],
)
def test_the_time_left_where_lines_end_together(streams, seconds, left):
    lines, told = [SimpleNamespace(work=3)] * len(seconds), []
    tell = progress_of(lambda *given: told.append(given[3]), "draw", lines, 0, 0, streams)
    for number, spent_s in enumerate(seconds, 1):
        tell(number, lines[0], spent_s)
    assert told == pytest.approx(left)


def test_claims_of_what_is_left_are_let_go_of(two_streams, tmp_path):
    outcomes = run_batch(two_streams, ASKED, tmp_path)
    next(outcomes)
    outcomes.close()
    assert_clean(tmp_path)
    assert not [t for t in threading.enumerate() if t.name.startswith("taylorseer_ov")]
    assert set(statuses(run_batch(two_streams, ASKED, tmp_path)).values()) == {"present", "drawn"}


LEFT_AT_THE_END = """
import sys
from taylorseer_ov import Text2ImagePipeline, run_batch
pipeline = Text2ImagePipeline("demo", backend="python")
lines = [{"prompt": "a red circle on black", "seed": seed, "steps": 2} for seed in range(6)]
outcomes = [run_batch(pipeline, lines, sys.argv[1])]
outcomes.append(outcomes)
next(outcomes[0])
sys.exit(3)
"""


def test_a_program_that_ends_with_lines_left_ends_its_batch(tmp_path):
    """What still holds the iterator is collected when Python can no longer import or open."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LEFT_AT_THE_END, tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", "")
    rows = manifest(tmp_path)
    assert [row["line"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["status"] == "done"
    assert_clean(tmp_path)


def test_the_command_takes_streams_and_refuses_none(tmp_path, capsys):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(f"{PROMPT}\n{PROMPT}\n")
    asked = ("batch", "demo", str(prompts), "--steps", "2", "--cache", "off")
    assert main([*asked, "-o", str(tmp_path / "out"), "--streams", "2"]) == 0
    assert "2 drawn" in capsys.readouterr().out
    for options in (["--streams", "0"], ["--streams", "2", "--low-memory"]):
        assert main([*asked, "-o", str(tmp_path / "none"), *options]) == 2
        assert "--streams" in capsys.readouterr().err
    assert not list((tmp_path / "none").glob("*"))
