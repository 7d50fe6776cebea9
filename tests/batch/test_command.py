"""The command that draws a batch: its exit status, its summary, what it refuses."""

import contextlib
import io
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from taylorseer_ov import Recipe
from taylorseer_ov.batch import checking
from taylorseer_ov.cli import main
from taylorseer_ov.flux.parts import Part
from tests.batch.common import drawn_lines, events
from tests.common import PROMPT


def run_main(folder, prompts, *options):
    fixed = ("batch", "demo", str(prompts), "-o", str(folder), "--backend", "python")
    return main([*fixed, "--cache", "off", "--steps", "2", *options])


def test_exit_status_and_summary(tmp_path, capsys):
    prompts = tmp_path / "prompts.jsonl"
    rows = [{"prompt": PROMPT}, {"prompt": PROMPT, "guidance": 1e38}, {"prompt": 3}]
    prompts.write_text("\n".join(map(json.dumps, rows)))
    folder = tmp_path / "out"
    assert run_main(folder, prompts) == 2
    error = capsys.readouterr().err
    assert "error: 1 of 3 lines cannot be drawn, and nothing was drawn; line 3: prompt" in error
    assert list(folder.iterdir()) == []
    assert run_main(folder, prompts, "--skip-bad-lines", "--no-metadata", "--seed", "5") == 1
    told = capsys.readouterr()
    assert "line 1: " in told.out
    assert "1 drawn, 1 failed, 1 bad lines left out" in told.out
    assert "warning: line 2 failed: NotFiniteError" in told.err
    (path,) = folder.glob("*_seed5.png")
    with Image.open(path) as picture:
        assert picture.info == {}
    prompts.write_text(json.dumps(rows[0]))
    assert run_main(folder, prompts, "--seed", "5", "--json") == 0
    assert events(capsys.readouterr().out)[-1] == {
        "event": "summary",
        "stopped": False,
        "drawn": 0,
        "present": 1,
        "failed": 0,
        "bad": 0,
        "busy": 0,
    }


@pytest.mark.parametrize(
    ("options", "runs"), [([], 8), (["--cache-interval", "2"], 8), (["--cache", "off"], 9)]
)
def test_lines_without_a_cache_have_that_of_the_options_or_the_pipeline_s(options, runs, tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(PROMPT)
    fixed = ("batch", "demo", str(prompts), "-o", str(tmp_path / "out"), "--steps", "9")
    assert main([*fixed, *options]) == 0
    (path,) = (tmp_path / "out").glob("*.png")
    recipe = Recipe.from_picture(path)
    assert recipe.report["computed_steps"] == runs
    assert ("by default" in recipe.report["cache"]) == (not options)


def test_pictures_are_of_the_format_asked_for_and_not_drawn_again_for_another(tmp_path, capsys):
    prompts, folder = tmp_path / "prompts.jsonl", tmp_path / "out"
    rows = [{"prompt": PROMPT, "seed": seed, "name": "same"} for seed in (1, 2)]
    prompts.write_text("\n".join(map(json.dumps, rows)))
    fixed = ("batch", "demo", str(prompts), "-o", str(folder), "--steps", "2", "--precision", "f32")
    assert main([*fixed, "--format", "webp"]) == 0
    assert sorted(path.name for path in folder.glob("*.*p*")) == ["same-2.webp", "same.webp"]
    again = tmp_path / "again.webp"
    assert main(["generate", "-C", str(folder / "same-2.webp"), "-o", str(again), "--quiet"]) == 0
    with Image.open(again) as first, Image.open(folder / "same-2.webp") as second:
        assert first.tobytes() == second.tobytes()
    capsys.readouterr()
    rows.append({"prompt": PROMPT, "seed": 3, "name": "same"})
    prompts.write_text("\n".join(map(json.dumps, rows)))
    assert main([*fixed, "--format", "jpg"]) == 0
    assert "1 drawn, 2 there already" in capsys.readouterr().out
    (jpeg,) = folder.glob("*.jpg")
    with Image.open(jpeg) as picture:
        assert (jpeg.name, picture.format) == ("same.jpg", "JPEG")
    rows.append({"prompt": PROMPT, "width": 16384, "height": 16})
    prompts.write_text("\n".join(map(json.dumps, rows)))
    assert main([*fixed, "--format", "webp"]) == 2
    assert "line 4: a picture of 16384x16 pixels is too large for 'webp'" in capsys.readouterr().err


def test_prompts_come_from_stdin(tmp_path, monkeypatch, capsys):
    typed = io.TextIOWrapper(io.BytesIO(b"a red circle on black\n"))
    monkeypatch.setattr("sys.stdin", typed)
    assert run_main(tmp_path / "out", "-", "--json") == 0
    assert drawn_lines(capsys.readouterr().out) == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shard", "3/2"], "'3/2' is not I/N, with I from 1 to N"),
        (["--shard", "x"], "'x' is not I/N"),
    ],
)
def test_a_wrong_shard_is_told(options, message, tmp_path, capsys):
    assert run_main(tmp_path, "prompts.txt", *options) == 2
    assert message in capsys.readouterr().err


def test_later_lines_are_told_of_and_counted(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(checking, "CHECKED_AHEAD", 2)
    prompts = tmp_path / "prompts.jsonl"
    rows = [{"prompt": "a purple star", "seed": seed} for seed in range(3)]
    prompts.write_text("\n".join([*map(json.dumps, rows), '{"prompt": 3}', ""]))
    assert run_main(tmp_path / "out", prompts) == 1
    told = capsys.readouterr()
    assert "(1 of 4, " in told.out
    assert "3 drawn, 1 bad lines left out" in told.out
    unknown = "this model's text encoder does not know 'purple'"
    lines = told.err.splitlines()
    assert [row for row in lines if "not know" in row or "line 4" in row] == [
        f"taylorseer-ov: warning: line 1 and 1 more: {unknown}",
        "taylorseer-ov: warning: line 4 bad: prompt must be a text, got 3",
        f"taylorseer-ov: warning: line 1 and 2 more, in all: {unknown}",
    ]


def test_prompts_that_cannot_be_read_are_misuse(tmp_path, capsys):
    assert run_main(tmp_path, tmp_path / "nothing.txt") == 2
    assert "cannot read the prompts in" in capsys.readouterr().err
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n")
    assert run_main(tmp_path, empty) == 2
    assert "there is no prompt in" in capsys.readouterr().err


@settings(max_examples=8, deadline=None)
@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(["prompt", "name", "seed", "steps", "width", "cache", "x"]),
            st.none() | st.integers(-1, 99) | st.text(max_size=9) | st.floats(),
            max_size=4,
        ),
        max_size=4,
    )
)
def test_hostile_lines_end_in_one_clear_line_and_touch_nothing_else(rows, tmp_path_factory):
    work = tmp_path_factory.mktemp("hostile")
    prompts = work / "prompts.jsonl"
    prompts.write_text("\n".join([*map(json.dumps, rows), "{so that nothing is drawn"]))
    error = io.StringIO()
    with contextlib.redirect_stderr(error):
        assert run_main(work / "out", prompts) == 2
    *warned, last = error.getvalue().splitlines()
    assert last.startswith("taylorseer-ov: error: ")
    assert all(told.startswith("taylorseer-ov: warning: line ") for told in warned)
    assert sorted(path.name for path in work.rglob("*")) == ["out", "prompts.jsonl"]


def test_an_empty_prompt_of_a_line_is_asked_about(tmp_path, capsys):
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text(f'{{"prompt": "{PROMPT}"}}\n\n{{"prompt": " ", "seed": 3}}\n')
    assert run_main(tmp_path / "out", prompts) == 2
    told = capsys.readouterr().err
    assert "nothing was drawn; line 3: its prompt is empty; --allow-empty draws what" in told
    assert run_main(tmp_path / "out", prompts, "--allow-empty") == 0
    assert "2 drawn" in capsys.readouterr().out


@pytest.mark.parametrize("memory", [[], ["--low-memory"]])
def test_loading_takes_no_part_in_the_time_that_is_left(memory, tmp_path, monkeypatch, capsys):
    """With the first line, which waits for the models, it was taken for that of every line."""

    def load_slowly(part):
        time.sleep(1)
        compile_part(part)

    compile_part = Part.compile
    monkeypatch.setattr(Part, "compile", load_slowly)
    prompts, folder = tmp_path / "prompts.txt", tmp_path / "out"
    prompts.write_text(f"{PROMPT}\n" * 10)
    assert run_main(folder, prompts, "--json", *memory) == 0
    told = [event for event in events(capsys.readouterr().out) if event["event"] == "progress"]
    first = {event["stage"]: event["seconds_left"] for event in reversed(told)}
    drawn_s = max(Recipe.from_picture(path).report["total_s"] for path in folder.glob("*.png"))
    assert max(first.values()) < 9 * (drawn_s + 0.5)
